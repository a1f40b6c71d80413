/** Chat completions and completions: a body to a question, and its answer to a body or a stream. */
import { createRequire } from 'node:module';
import type { Context } from 'hono';
import type * as Streaming from 'hono/streaming';
import { ApiError, asApiError } from './answers/api-error';
import { chatShape, completionShape } from './answers/answer-bodies';
import type { BodyShape } from './answers/answer-bodies';
import { startAnswer } from './answers/answer';
import type { Answer, AnswerListener, Question } from './answers/answer';
import { messagesOf, readChat, readCompletion } from './answers/request-schemas';
import type { RequestLog, RequestNotes, ServerParts } from './server-parts';

/** A question, and the shapes of its answer. */
export interface Asked {
  readonly question: Question;
  readonly shape: BodyShape;
}

type Known = Pick<ServerParts, 'models'>;

/** @throws ApiError for what cannot be asked */
export function chatQuestion({ models }: Known, body: unknown): Asked {
  const request = readChat(body);
  const served = models.find(request.model);
  if ((request.top_logprobs ?? undefined) !== undefined && request.logprobs !== true)
    throw new ApiError(400, 'top_logprobs: expected logprobs to be true beside it.', {
      param: 'top_logprobs',
    });
  const topLogprobs = request.logprobs === true ? (request.top_logprobs ?? 0) : undefined;
  const question = {
    ...{ served, request, topLogprobs },
    prompts: [models.chatIds(served, messagesOf(request))],
    stopStrings: models.stopStrings(served),
    maxTokens: request.max_completion_tokens ?? request.max_tokens ?? undefined,
  };
  return { question, shape: chatShape(shapeOptions(question)) };
}

/** OpenAI's own default for completions, in tokens. */
const COMPLETION_TOKENS = 16;

/** @throws ApiError for what cannot be asked */
export function completionQuestion({ models }: Known, body: unknown): Asked {
  const request = readCompletion(body);
  const served = models.find(request.model);
  const { prompt } = request;
  const isIds = (value: unknown): value is number[] => Array.isArray(value) && typeof value[0] === 'number';
  const prompts: (string | number[])[] = typeof prompt === 'string' || isIds(prompt) ? [prompt] : prompt;
  const question = {
    ...{ served, request },
    stopStrings: [],
    topLogprobs: request.logprobs ?? undefined,
    prompts: prompts.map((one) => (typeof one === 'string' ? models.textIds(served, one) : one)),
    maxTokens: request.max_tokens ?? COMPLETION_TOKENS,
  };
  return { question, shape: completionShape(shapeOptions(question)) };
}

function shapeOptions({ served, request, topLogprobs }: Question): Parameters<typeof chatShape>[0] {
  return {
    model: served.id,
    tokenizer: served.tokenizer,
    withLogprobs: topLogprobs !== undefined,
    withUsage: request.stream === true && request.stream_options?.include_usage === true,
  };
}

/** Answers whole, or as a stream. @throws ApiError and BatchFullError before anything is sent */
export async function respond(
  parts: ServerParts,
  c: Context<RequestNotes>,
  { question, shape }: Asked,
): Promise<Response> {
  const { metrics, timeoutMs } = parts;
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(tooLate(timeoutMs)), timeoutMs);
  const listener: AnswerListener = {
    signal: AbortSignal.any([c.req.raw.signal, limit.signal]),
    onFirstToken: () => metrics.firstToken((performance.now() - c.get('started')) / 1000),
  };
  const noted = (answer: Answer): void => {
    const { usage } = answer;
    metrics.tokens({ read: usage.prompt_tokens, written: usage.completion_tokens });
    Object.assign(c.get('notes'), notesOf(parts, question, answer));
  };
  if (question.request.stream === true) {
    try {
      return streamed(parts, c, { question, shape, listener, timer, noted });
    } catch (error) {
      clearTimeout(timer);
      throw error;
    }
  }
  try {
    const answer = await startAnswer(parts, question, listener);
    noted(answer);
    return c.json(shape.whole(answer));
  } finally {
    clearTimeout(timer);
  }
}

interface StreamRequest extends Asked {
  readonly listener: AnswerListener;
  readonly timer: NodeJS.Timeout;
  readonly noted: (answer: Answer) => void;
}

function streamed(
  parts: ServerParts,
  c: Context<RequestNotes>,
  { question, shape, listener, timer, noted }: StreamRequest,
): Response {
  const { streamSSE } = createRequire(__filename)('hono/streaming') as typeof Streaming;
  let write: (chunk: object | string) => void = (chunk) => early.push(chunk);
  const early: (object | string)[] = [];
  const answered = startAnswer(parts, question, {
    ...listener,
    onPiece: (piece) => write(shape.chunk(piece)),
  });
  answered.catch(() => undefined); // reported below
  c.header('x-accel-buffering', 'no');
  let ended: () => void = () => undefined;
  c.set('streaming', new Promise<void>((resolve) => (ended = resolve)));
  return streamSSE(c, async (stream) => {
    // A client that reads nothing holds its connection no longer than any other request.
    listener.signal.addEventListener('abort', () => setTimeout(() => stream.abort(), LAST_WORDS_MS).unref());
    let last: Promise<unknown> = Promise.resolve();
    write = (chunk) => {
      last = stream.write(`data: ${typeof chunk === 'string' ? chunk : JSON.stringify(chunk)}\n\n`);
    };
    try {
      for (const chunk of shape.begin(question.prompts.length * (question.request.n ?? 1))) write(chunk);
      for (const chunk of early.splice(0)) write(chunk);
      const answer = await answered;
      noted(answer);
      for (const [index, { finishReason }] of answer.choices.entries())
        write(shape.finish(index, finishReason));
      if (question.request.stream_options?.include_usage === true) write(shape.usage(answer.usage));
      write('[DONE]');
    } catch (error) {
      const known = asApiError(error);
      if (known.status === 500 && !c.req.raw.signal.aborted) c.get('notes').error = error;
      write(known.toJson());
    }
    await last;
    clearTimeout(timer);
    ended();
  });
}

/** How long the error of a stream that is cut off has to reach its client. */
const LAST_WORDS_MS = 1000;

function tooLate(timeoutMs: number): ApiError {
  return new ApiError(504, `the answer took longer than the ${timeoutMs / 1000} s that this server allows.`, {
    code: 'timeout',
    headers: { 'x-should-retry': 'false' },
  });
}

function notesOf(
  { logPrompts }: ServerParts,
  { served, prompts }: Question,
  { usage, choices }: Answer,
): Partial<RequestLog> {
  const texts = {
    prompts: prompts.map((ids) => served.tokenizer.decode(ids)),
    answers: choices.map(({ text }) => text),
  };
  return {
    model: served.id,
    promptTokens: usage.prompt_tokens,
    newTokens: usage.completion_tokens,
    ...(logPrompts ? texts : {}),
  };
}
