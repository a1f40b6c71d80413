/**
 * Generation: prompts in, tokens out, one step of the model per token. The main path is `streamGenerate`.
 */
import type { HasRuntime, Runtime } from '../models';
import { isMemoryError, messageOf, TunebookError, warnOnce } from '../types';
import { cachedDecoder } from './decoders/cached-decoder';
import { UncachedDecoder } from './decoders/decoder';
import type { Decoder } from './decoders/decoder';
import { isFasterByCodes, warnOfFloat32 } from './passes/coded-model-cache';
import { generationSettings } from './options';
import type { GenerateOptions, GenerationSettings, PromptLookup, TokenEvent } from './options';
import { aheadOf, looksAhead } from './prompt-lookup';
import type { AheadDecoder } from './prompt-lookup';
import { Row } from './row';
import type { FinishReason } from './row';

/** What `generate` gives: tokens of each row, and why each ended. */
export interface GenerationResult {
  /**
   * Prompts and new tokens as transformers returns them: all of one length, padded on the left before shorter
   * prompts and on the right after rows that ended earlier.
   */
  readonly sequences: number[][];
  /** New tokens of each row without padding; the end-of-sequence token is included. */
  readonly newTokens: number[][];
  readonly finishReasons: FinishReason[];
}

/**
 * Continues prompts.
 * @throws TunebookError for options that cannot be used, prompts that leave no space in the context, and a model that an
 *   open batch or server uses; the signal's reason where it is aborted.
 * @example
 * ```ts
 * import { AutoModelForCausalLM, generate } from 'tunebook';
 *
 * const model = await AutoModelForCausalLM.fromPretrained('gpt2-mini');
 * const { newTokens } = await generate(model, { inputIds: [[464, 3234]], maxNewTokens: 8 });
 * console.log(newTokens[0].length <= 8); // true
 * await model.dispose();
 * ```
 */
export async function generate(model: HasRuntime, options: GenerateOptions): Promise<GenerationResult> {
  const stream = streamGenerate(model, options);
  for (;;) {
    const next = await stream.next();
    if (next.done === true) return next.value;
  }
}

/**
 * Continues prompts and yields every token as it comes, rows in order within a step; its return value is the
 * result as a whole. Leaving the loop ends the generation.
 * @throws as `generate`
 */
export async function* streamGenerate(
  { runtime }: HasRuntime,
  options: GenerateOptions,
): AsyncGenerator<TokenEvent, GenerationResult, undefined> {
  const settings = generationSettings(runtime, options);
  runtime.requireFree('generate');
  const rows = settings.prompts.map((prompt, index) => new Row(index, prompt, settings));
  const decoder = decoderOf(runtime, settings);
  const { promptLookup } = settings;
  settings.signal?.throwIfAborted();
  try {
    if (promptLookup !== undefined && looksAhead(decoder))
      yield* decodedAhead(rows[0], decoder, { ...settings, promptLookup, runtime });
    else {
      if (promptLookup !== undefined)
        warnOnce(runtime, 'generate: promptLookupNumTokens is passed over: on a GPU tokens come one by one.');
      yield* decoded(rows, decoder, { settings, runtime });
    }
  } catch (error) {
    throw isMemoryError(error) ? outOfMemory(settings, error) : error;
  } finally {
    decoder.end?.();
  }
  return resultOf(rows, settings);
}

async function* decoded(
  rows: readonly Row[],
  decoder: Decoder,
  { settings, runtime }: { settings: GenerationSettings; runtime: Runtime },
): AsyncGenerator<TokenEvent, void, undefined> {
  const { vocabSize } = runtime.architecture;
  let lines = rows; // the row behind each line of the logits
  let logits = await decoder.start();
  for (;;) {
    const tokens: (number | undefined)[] = [];
    for (const [line, row] of lines.entries()) {
      const event = row.next(logits.subarray(line * vocabSize, (line + 1) * vocabSize));
      tokens.push(event?.token);
      if (event === undefined) continue;
      settings.onToken?.(event);
      yield event;
    }
    const kept = linesWorthKeeping(lines);
    if (kept.length === 0) return;
    if (kept.length < lines.length) {
      await decoder.keep(kept);
      lines = kept.map((line) => lines[line]);
    }
    settings.signal?.throwIfAborted();
    runtime.requireFree('generate'); // a batch may have opened meanwhile
    const appended = kept.map((line, at) =>
      lines[at].finishReason === undefined ? tokens[line] : undefined,
    );
    logits = await decoder.step(appended);
  }
}

type AheadSettings = Pick<GenerationSettings, 'onToken' | 'signal'> & {
  promptLookup: PromptLookup;
  runtime: Runtime;
};

/** The only row, by prompt lookup: the same tokens in fewer passes. */
async function* decodedAhead(
  row: Row,
  decoder: AheadDecoder,
  { promptLookup, onToken, signal, runtime }: AheadSettings,
): AsyncGenerator<TokenEvent, void, undefined> {
  const first = row.next(await decoder.start());
  let events = first === undefined ? [] : [first];
  for (;;) {
    for (const event of events) {
      onToken?.(event);
      yield event;
    }
    if (row.finishReason !== undefined) return;
    signal?.throwIfAborted();
    runtime.requireFree('generate'); // as above
    events = await aheadOf(row, decoder, promptLookup);
  }
}

function outOfMemory({ prompts, limits }: GenerationSettings, error: unknown): TunebookError {
  const longest = Math.max(...prompts.map((prompt, row) => prompt.length + limits[row]));
  return new TunebookError(
    `generate: expected memory for ${prompts.length} rows of up to ${longest} tokens, got none (${messageOf(error)}). ` +
      `Use fewer or shorter rows at a time, keep layers on disk (maxMemory, offloadFolder), or end other programs.`,
    { cause: error },
  );
}

/** Whether tokens are to be computed by codes: asked for, or by default. */
export function wantsCodes(runtime: Runtime, { dtype }: GenerationSettings): boolean {
  return dtype === 'q8' || (dtype === 'auto' && isFasterByCodes(runtime));
}

function decoderOf(runtime: Runtime, settings: GenerationSettings): Decoder {
  const isCoded = wantsCodes(runtime, settings);
  if (!settings.useCache) {
    if (settings.dtype === 'q8') warnOfFloat32(runtime, 'useCache is false');
    return new UncachedDecoder(runtime, settings.prompts);
  }
  const longest = Math.max(...settings.prompts.map((prompt, row) => prompt.length + settings.limits[row]));
  return cachedDecoder(runtime, { prompts: settings.prompts, longest, isCoded });
}

/** Below so many rows a step costs what reading the weights costs, and dropping one saves nothing. */
const FEWEST_LINES = 4;

/**
 * Lines to go on with; none once all rows have ended. Ended rows are dropped when at least half can go, down to
 * a power of two, since every number of lines is a function to compile.
 */
function linesWorthKeeping(lines: readonly Row[]): number[] {
  const all = [...lines.keys()];
  const live = all.filter((line) => lines[line].finishReason === undefined);
  if (live.length === 0) return [];
  const size = Math.max(FEWEST_LINES, 2 ** Math.ceil(Math.log2(live.length)));
  if (size > lines.length / 2) return all;
  const ended = all.filter((line) => lines[line].finishReason !== undefined);
  return [...live, ...ended.slice(0, size - live.length)].sort((a, b) => a - b);
}

/** What rows that have ended are together. */
export function resultOf(rows: readonly Row[], settings: GenerationSettings): GenerationResult {
  const longestPrompt = Math.max(...rows.map((row) => row.prompt.length));
  const longestAnswer = Math.max(...rows.map((row) => row.newTokens.length));
  const padding = (length: number): number[] => {
    if (length === 0) return [];
    if (settings.padTokenId === undefined)
      throw new Error('internal: rows of several lengths without padding');
    return Array.from({ length }, () => settings.padTokenId ?? 0);
  };
  return {
    sequences: rows.map((row) => [
      ...padding(longestPrompt - row.prompt.length),
      ...row.prompt,
      ...row.newTokens,
      ...padding(longestAnswer - row.newTokens.length),
    ]),
    newTokens: rows.map((row) => row.newTokens),
    finishReasons: rows.map((row) => row.finishReason ?? 'length'),
  };
}
