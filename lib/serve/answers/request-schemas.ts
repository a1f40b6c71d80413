/**
 * What requests may say, in OpenAI's names. What changes an answer and is not supported is refused by name; what changes
 * nothing is passed over; names that nobody knows are refused.
 */
import type { z } from 'zod';
import { didYouMean } from '../../options';
import { lazySchema } from '../../schema';
import type { ChatMessage } from '../../tokenizer';
import { ApiError } from './api-error';

const number = lazySchema((z) => z.number());
const tokens = lazySchema((z) => z.array(z.int().min(0)).min(1));

/** Fields that chat and completions share; null is as good as absent. */
const sharedFields = lazySchema((z) =>
  z.object({
    model: z.string(),
    max_tokens: z.int().min(1).nullish(),
    temperature: number().min(0).max(2).nullish(),
    top_p: number().positive().max(1).nullish(),
    n: z.int().min(1).max(128).nullish(),
    seed: z.int().nullish(),
    stop: z.union([z.string().min(1), z.array(z.string().min(1)).max(16)]).nullish(),
    stream: z.boolean().nullish(),
    stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
    // As vLLM and llama.cpp have them, beside OpenAI's.
    top_k: z.int().min(0).nullish(),
    repetition_penalty: number().positive().nullish(),
  }),
);

const messageSchema = lazySchema((z) =>
  z.looseObject({
    role: z.string().min(1),
    content: z
      .union([z.string(), z.array(z.looseObject({ type: z.string(), text: z.string().optional() }))])
      .nullish(),
  }),
);
const chatSchema = lazySchema((z) =>
  sharedFields().extend({
    messages: z.array(messageSchema()).min(1),
    max_completion_tokens: z.int().min(1).nullish(),
    logprobs: z.boolean().nullish(),
    top_logprobs: z.int().min(0).max(20).nullish(),
  }),
);
const completionSchema = lazySchema((z) =>
  sharedFields().extend({
    prompt: z.union([z.string(), z.array(z.string()).min(1), tokens(), z.array(tokens()).min(1)]),
    logprobs: z.int().min(0).max(20).nullish(),
  }),
);
const embeddingSchema = lazySchema((z) =>
  z.object({
    model: z.string(),
    input: z.union([z.string().min(1), z.array(z.string().min(1)).min(1).max(2048)]),
    encoding_format: z.enum(['float', 'base64']).nullish(),
    dimensions: z.int().min(1).nullish(),
    /** Some encoders put other words before what is searched than before what searches. */
    input_type: z.enum(['document', 'query']).nullish(),
  }),
);

/** A request of either kind of generation. */
export type SharedRequest = z.infer<ReturnType<typeof sharedFields>>;
export type ChatRequest = z.infer<ReturnType<typeof chatSchema>>;
export type CompletionRequest = z.infer<ReturnType<typeof completionSchema>>;
export type EmbeddingRequest = z.infer<ReturnType<typeof embeddingSchema>>;

/** Names that change no answer. */
const HARMLESS = new Set([
  ...['metadata', 'parallel_tool_calls', 'prompt_cache_key', 'prompt_cache_retention', 'safety_identifier'],
  ...['service_tier', 'store', 'user'],
]);

/** Names that would change the answer and are not supported: the values that leave it as it is. */
const NEUTRAL: Readonly<Record<string, readonly unknown[]>> = {
  audio: [],
  best_of: [1],
  echo: [false],
  frequency_penalty: [0],
  function_call: ['auto', 'none'],
  functions: [],
  logit_bias: [],
  min_p: [0],
  modalities: [],
  prediction: [],
  presence_penalty: [0],
  reasoning_effort: ['none'],
  suffix: [''],
  tool_choice: ['auto', 'none'],
  tools: [],
  verbosity: ['medium'],
  web_search_options: [],
};

/** @throws ApiError 400 that names the field */
export function readChat(body: unknown): ChatRequest {
  return read(chatSchema(), body, 'chat');
}

/** @throws ApiError 400 that names the field */
export function readCompletion(body: unknown): CompletionRequest {
  return read(completionSchema(), body, 'completions');
}

/** @throws ApiError 400 that names the field */
export function readEmbedding(body: unknown): EmbeddingRequest {
  if (Array.isArray((body as { input?: unknown } | null)?.input)) {
    const { input } = body as { input: unknown[] };
    if (input.some((one) => typeof one === 'number' || Array.isArray(one)))
      throw new ApiError(400, 'input: expected texts, got token ids: they are of another tokenizer.', {
        param: 'input',
      });
  }
  return read(embeddingSchema(), body, 'embeddings');
}

/** Messages as templates take them. @throws ApiError 400 for pictures, sound and calls of tools */
export function messagesOf({ messages }: ChatRequest): ChatMessage[] {
  return messages.map((message, i): ChatMessage => {
    const refuse = (what: string): never => {
      throw new ApiError(400, `messages[${i}]: expected text, got ${what}. This model reads nothing else.`, {
        param: 'messages',
      });
    };
    const { content, tool_calls: calls } = message;
    if (Array.isArray(calls) && calls.length > 0) refuse('calls of tools');
    const role = message.role === 'developer' ? 'system' : message.role;
    if (typeof content === 'string') return { role, content };
    if (!Array.isArray(content)) return refuse('no content');
    return { role, content: content.map((part) => part.text ?? refuse(part.type)).join('') };
  });
}

function read<Schema extends z.ZodObject>(schema: Schema, body: unknown, where: string): z.infer<Schema> {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new ApiError(400, `${where}: expected a JSON object.`);
  const known = Object.keys(schema.shape);
  for (const [name, value] of Object.entries(body))
    if (!known.includes(name)) checkForeign(name, value, known);
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const param = issue.path.join('.');
  throw new ApiError(400, `${param === '' ? where : param}: ${issue.message}`, {
    param: String(issue.path[0] ?? ''),
  });
}

function checkForeign(name: string, value: unknown, known: readonly string[]): void {
  if (value === null || HARMLESS.has(name)) return;
  const refuse = (message: string, code: string): never => {
    throw new ApiError(400, message, { param: name, code });
  };
  if (name === 'response_format') {
    const type = (value as { type?: unknown }).type;
    if (type === 'text') return;
    refuse(
      `response_format: expected {"type": "text"}, got ${JSON.stringify(type)}: this server does not hold answers to a ` +
        'format. Leave it out, ask for JSON in the prompt and check the answer.',
      'unsupported_parameter',
    );
  }
  const neutral = NEUTRAL[name];
  if (neutral === undefined)
    return refuse(
      `unknown parameter ${JSON.stringify(name.slice(0, 60))}.${didYouMean(name, known)}`,
      'unknown_parameter',
    );
  const isEmpty =
    typeof value === 'object' &&
    Object.values(value as object).every((one) => name === 'modalities' && one === 'text');
  if (isEmpty || neutral.includes(value)) return;
  refuse(
    `${name}: expected it to be left out, got ${JSON.stringify(value).slice(0, 60)}, which is not supported and would ` +
      'change the answer.',
    'unsupported_parameter',
  );
}
