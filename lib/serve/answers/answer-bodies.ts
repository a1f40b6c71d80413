/** Answers as OpenAI's bodies: chat completions and completions, whole and in chunks. */
import { randomBytes } from 'node:crypto';
import type { Tokenizer } from '../../types';
import type { Answer, Choice, FinishReason, Piece, ScoredToken, Usage } from './answer';

/** The shapes of one endpoint. */
export interface BodyShape {
  /** The whole answer. */
  whole(answer: Answer): object;
  /** Chunks before the first piece. */
  begin(choices: number): object[];
  chunk(piece: Piece): object;
  finish(index: number, reason: FinishReason): object;
  /** The last chunk, where the client asked for it. */
  usage(usage: Usage): object;
}

interface ShapeOptions {
  /** Name of the model as the client gave it. */
  readonly model: string;
  readonly tokenizer: Pick<Tokenizer, 'decode'>;
  readonly withLogprobs: boolean;
  /** Chunks carry `usage: null` until the last. */
  readonly withUsage: boolean;
}

/** Chat completions. */
export function chatShape(options: ShapeOptions): BodyShape {
  const { tokenizer, withLogprobs, withUsage } = options;
  const common = { ...head('chatcmpl', options) };
  const logprobs = (tokens: readonly ScoredToken[]): object | null =>
    withLogprobs ? { content: tokens.map((one) => chatToken(one, tokenizer)), refusal: null } : null;
  const chunk = (index: number, delta: object, more: object = {}): object => ({
    ...{ ...common, object: 'chat.completion.chunk' },
    choices: [{ index, delta, logprobs: null, finish_reason: null, ...more }],
    ...(withUsage ? { usage: null } : {}),
  });
  return {
    whole: ({ choices, usage }) => ({
      ...{ ...common, object: 'chat.completion' },
      choices: choices.map(({ text, tokens, finishReason }, index) => ({
        index,
        message: { role: 'assistant', content: text, refusal: null },
        logprobs: logprobs(tokens),
        finish_reason: finishReason,
      })),
      usage,
    }),
    begin: (choices) =>
      Array.from({ length: choices }, (_, index) => chunk(index, { role: 'assistant', content: '' })),
    chunk: ({ index, text, tokens }) => chunk(index, { content: text }, { logprobs: logprobs(tokens) }),
    finish: (index, reason) => chunk(index, {}, { finish_reason: reason }),
    usage: (usage) => ({ ...common, object: 'chat.completion.chunk', choices: [], usage }),
  };
}

/** Completions. */
export function completionShape(options: ShapeOptions): BodyShape {
  const { tokenizer, withLogprobs, withUsage } = options;
  const common = { ...head('cmpl', options), object: 'text_completion' };
  const offsets = new Map<number, number>();
  const logprobs = (index: number, tokens: readonly ScoredToken[]): object | null =>
    withLogprobs ? completionTokens(tokens, { tokenizer, offsets, index }) : null;
  const chunk = (index: number, text: string, more: object = {}): object => ({
    ...common,
    choices: [{ index, text, logprobs: null, finish_reason: null, ...more }],
    ...(withUsage ? { usage: null } : {}),
  });
  return {
    whole: ({ choices, usage }) => ({
      ...common,
      choices: choices.map(({ text, tokens, finishReason }: Choice, index) => ({
        index,
        text,
        logprobs: logprobs(index, tokens),
        finish_reason: finishReason,
      })),
      usage,
    }),
    begin: () => [],
    chunk: ({ index, text, tokens }) => chunk(index, text, { logprobs: logprobs(index, tokens) }),
    finish: (index, reason) => chunk(index, '', { finish_reason: reason }),
    usage: (usage) => ({ ...common, choices: [], usage }),
  };
}

function head(prefix: string, { model }: ShapeOptions): { id: string; created: number; model: string } {
  return {
    id: `${prefix}-${randomBytes(12).toString('hex')}`,
    created: Math.floor(Date.now() / 1000),
    model,
  };
}

function tokenText(token: number, tokenizer: Pick<Tokenizer, 'decode'>): string {
  return tokenizer.decode([token], { skipSpecialTokens: false });
}

function chatToken({ token, logprob, top }: ScoredToken, tokenizer: Pick<Tokenizer, 'decode'>): object {
  const entry = (id: number, value: number): object => {
    const text = tokenText(id, tokenizer);
    // A token that holds a part of a character has no text of its own to take bytes from.
    return { token: text, logprob: value, bytes: text.includes('\uFFFD') ? null : [...Buffer.from(text)] };
  };
  return { ...entry(token, logprob), top_logprobs: top.map((one) => entry(one.token, one.logprob)) };
}

function completionTokens(
  tokens: readonly ScoredToken[],
  {
    tokenizer,
    offsets,
    index,
  }: { tokenizer: Pick<Tokenizer, 'decode'>; offsets: Map<number, number>; index: number },
): object {
  const texts = tokens.map(({ token }) => tokenText(token, tokenizer));
  return {
    tokens: texts,
    token_logprobs: tokens.map(({ logprob }) => logprob),
    top_logprobs: tokens.map(({ top }) =>
      Object.fromEntries(top.map(({ token, logprob }) => [tokenText(token, tokenizer), logprob])),
    ),
    text_offset: texts.map((text) => {
      const offset = offsets.get(index) ?? 0;
      offsets.set(index, offset + text.length);
      return offset;
    }),
  };
}
