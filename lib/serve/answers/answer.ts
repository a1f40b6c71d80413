/** One request through the shared batch: from what was asked to the text of each choice, as it comes or at its end. */
import { randomInt } from 'node:crypto';
import { modelDefaults } from '../../generation';
import type {
  BatchCall,
  ContinuousBatch,
  GenerationResult,
  ModelDefaults,
  TokenLogprobs,
} from '../../generation';
import type { HasRuntime } from '../../models';
import { ApiError } from './api-error';
import type { SharedRequest } from './request-schemas';
import type { ServedModel, ServedModels } from './served-models';
import { TextPieces } from './text-pieces';

/** What is asked, in the same words for chat and completions. */
export interface Question {
  readonly served: ServedModel;
  /** Token ids; each has `n` choices, in order. */
  readonly prompts: readonly (readonly number[])[];
  readonly request: SharedRequest;
  /** Longest answer in tokens; undefined: as long as the context allows. */
  readonly maxTokens: number | undefined;
  /** Texts that end an answer, beside those of the request. */
  readonly stopStrings: readonly string[];
  /** How many of the most likely tokens are given; undefined: no log-probabilities. */
  readonly topLogprobs: number | undefined;
}

/** A token with what the model thought of it. */
export interface ScoredToken extends TokenLogprobs {
  readonly token: number;
}

/** A part of a choice's text. */
export interface Piece {
  /** Number of the choice, from 0. */
  readonly index: number;
  readonly text: string;
  /** Tokens since the last piece; empty unless they were asked for. */
  readonly tokens: readonly ScoredToken[];
}

/** Why a choice ended, in OpenAI's words. */
export type FinishReason = 'stop' | 'length';

/** A choice as a whole. */
export interface Choice {
  readonly text: string;
  readonly tokens: readonly ScoredToken[];
  readonly finishReason: FinishReason;
}

/** Tokens that were read and written. */
export interface Usage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
}

/** All choices of a request. */
export interface Answer {
  readonly choices: readonly Choice[];
  readonly usage: Usage;
}

/** What happens while an answer grows. */
export interface AnswerListener {
  readonly signal: AbortSignal;
  /** Text that can be sent, in order for each choice. */
  onPiece?(piece: Piece): void;
  /** Before the first token of all. */
  onFirstToken?(): void;
}

/**
 * Begins to answer.
 * @throws ApiError and BatchFullError, at once: then nothing runs
 */
export function startAnswer(
  { batch, model, models }: { batch: ContinuousBatch; model: HasRuntime; models: ServedModels },
  question: Question,
  listener: AnswerListener,
): Promise<Answer> {
  const { served, prompts, request } = question;
  const n = request.n ?? 1;
  const own = modelDefaults(model.runtime.generationConfig);
  const stop = [...[request.stop ?? own.stopStrings ?? []].flat(), ...question.stopStrings];
  checkContext(model, prompts);
  const rows = prompts.flatMap((prompt) => Array.from({ length: n }, () => prompt));
  const choices = rows.map(() => new GrowingChoice(new TextPieces(served.tokenizer, stop)));
  let isFirst = true;
  const call: BatchCall = {
    inputIds: rows,
    adapter: served.adapter,
    ...samplingOf(own, request),
    maxNewTokens: question.maxTokens ?? model.runtime.architecture.maxPositions,
    topLogprobs: question.topLogprobs,
    eosTokenId: models.endTokens(served),
    padTokenId: served.tokenizer.padTokenId ?? served.tokenizer.eosTokenId ?? 0,
    ...(stop.length === 0 ? {} : { stopStrings: stop }),
    tokenizer: served.tokenizer,
    signal: listener.signal,
    onToken: ({ row, token, logprobs }) => {
      if (isFirst) listener.onFirstToken?.();
      isFirst = false;
      const piece = choices[row].push(token, logprobs);
      if (piece !== undefined) listener.onPiece?.({ index: row, ...piece });
    },
  };
  const finish = (result: GenerationResult): Answer => {
    const counts = result.newTokens.reduce((total, tokens) => total + tokens.length, 0);
    const read = prompts.reduce((total, prompt) => total + prompt.length, 0);
    for (const [index, choice] of choices.entries()) {
      const piece = choice.end();
      if (piece !== undefined) listener.onPiece?.({ index, ...piece });
    }
    return {
      choices: choices.map(({ text, tokens }, row) => ({
        text,
        tokens,
        finishReason: result.finishReasons[row] === 'length' ? 'length' : 'stop',
      })),
      usage: { prompt_tokens: read, completion_tokens: counts, total_tokens: read + counts },
    };
  };
  return batch.generate(call).then(finish);
}

/** A choice, and which of its tokens have been sent. */
class GrowingChoice {
  readonly tokens: ScoredToken[] = [];
  private sentTokens = 0;

  constructor(private readonly pieces: TextPieces) {}

  get text(): string {
    return this.pieces.text;
  }

  push(token: number, logprobs: TokenLogprobs | undefined): Omit<Piece, 'index'> | undefined {
    if (logprobs !== undefined) this.tokens.push({ token, ...logprobs });
    return this.piece(this.pieces.push(token));
  }

  end(): Omit<Piece, 'index'> | undefined {
    return this.piece(this.pieces.end(), this.tokens.length > this.sentTokens);
  }

  private piece(text: string, isWanted = false): Omit<Piece, 'index'> | undefined {
    if (text === '' && !isWanted) return undefined;
    const tokens = this.tokens.slice(this.sentTokens);
    this.sentTokens = this.tokens.length;
    return { text, tokens };
  }
}

/**
 * How tokens are chosen: what the request says, then the model's generation_config.json where it says whether to draw,
 * then OpenAI's defaults, which draw from all tokens at temperature 1.
 */
function samplingOf(own: ModelDefaults, request: SharedRequest): Partial<BatchCall> {
  const temperature = request.temperature ?? undefined;
  const doSample = temperature === undefined ? (own.doSample ?? true) : temperature > 0;
  return {
    doSample,
    temperature: doSample ? (temperature ?? own.temperature ?? 1) : undefined,
    topP: request.top_p ?? own.topP ?? 1,
    topK: request.top_k ?? own.topK ?? 0,
    repetitionPenalty: request.repetition_penalty ?? own.repetitionPenalty ?? 1,
    seed: request.seed ?? randomInt(2 ** 47),
  };
}

function checkContext({ runtime }: HasRuntime, prompts: readonly (readonly number[])[]): void {
  const { maxPositions, vocabSize } = runtime.architecture;
  for (const prompt of prompts) {
    if (prompt.length === 0)
      throw new ApiError(400, 'prompt: expected at least one token, got none.', { param: 'prompt' });
    if (prompt.length >= maxPositions)
      throw new ApiError(
        400,
        `the prompt has ${prompt.length} tokens; this model's context of ${maxPositions} has to hold it and the answer.`,
        { code: 'context_length_exceeded' },
      );
    const wrong = prompt.find((id) => id >= vocabSize);
    if (wrong !== undefined)
      throw new ApiError(400, `prompt: expected token ids below ${vocabSize}, got ${wrong}.`, {
        param: 'prompt',
      });
  }
}
