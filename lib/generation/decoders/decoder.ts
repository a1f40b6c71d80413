/**
 * Logits of the next token, for a batch of rows that grow by one token a step: with a key-value cache, or
 * without, where every step runs the whole rows again.
 */
import { headLogits, hiddenStates, rowsOfPass, Workspace } from '../../models';
import type { BetweenLayers, LayerCache, Runtime } from '../../models';
import type { HostTensor } from '../../types';
import { KeyValueCache, slotsFor, windowsOf } from './key-value-cache';
import type { CodedResult, PastTokens } from '../passes/coded-model';
import { codedModelOf, warnOfFloat32 } from '../passes/coded-model-cache';
import type { CodedModelLease } from '../passes/coded-model-cache';
import { lastPlaces } from '../passes/scopes';
import { joined, repeated, sharedBeginning } from './prefix-cache';
import type { KnownPrompts, Prefix } from './prefix-cache';
import { stepRunner } from './step';
import type { StepRunner } from './step';

export interface Decoder {
  /**
   * @param between so that a long prompt does not hold up others
   * @returns logits of each row's next token, float32 [B, V]; the caller may write on them.
   */
  start(between?: BetweenLayers): Promise<Float32Array>;
  /**
   * Appends a token to each row, undefined where a row is finished, and gives the logits that follow, float32 [B, V];
   * those of finished rows mean nothing. The buffer is used again by the next step.
   */
  step(tokens: readonly (number | undefined)[]): Promise<Float32Array>;
  /**
   * Appends the first of some tokens to the only row, and of those after it as many as turn out right, all in one pass.
   * A decoder without it takes one token a step.
   * @param choose gets the logits that follow the token and each one that was right, float32 [V], on which it may write;
   *   returns which token follows, undefined where none does. A token that it returns is right where it is the next one.
   */
  stepAhead?(tokens: readonly number[], choose: (logits: Float32Array) => number | undefined): Promise<void>;
  /** Goes on with these rows, in this order; undefined is an empty row, for `admit`. */
  keep(rows: readonly (number | undefined)[]): void | Promise<void>;
  /**
   * Begins anew in a row that is empty or has ended, beside those that go on.
   * @returns logits of its next token, float32 [V]; the caller may write on them
   */
  admit(request: Admission): Promise<Float32Array>;
  /** Gives its memory back; nothing may be asked of it afterwards. */
  end?(): void;
}

/** A prompt that takes a row. */
export interface Admission {
  readonly prompt: readonly number[];
  /** Asked once the prompt has been read: rows may have moved meanwhile. */
  readonly row: () => number;
  /** As `start` has it; the decoder's own steps may be among what is done, and `keep`. */
  readonly between?: BetweenLayers;
}

/** Computes every row anew each step: the reference that the cache is tested against. */
export class UncachedDecoder implements Decoder {
  private rows: number[][];

  constructor(
    private readonly runtime: Runtime,
    prompts: readonly (readonly number[])[],
  ) {
    this.rows = prompts.map((prompt) => [...prompt]);
  }

  async start(): Promise<Float32Array> {
    const { shape, ids, attentionMask } = paddedRows(this.runtime, this.rows);
    return this.runtime.inWorkspace(async (workspace) => {
      const batch = { shape, attentionMask };
      const hidden = await hiddenStates(this.runtime, { batch, ids, workspace });
      return lastLogits(this.runtime, this.rows, await workspace.toHost(hidden));
    });
  }

  step(tokens: readonly (number | undefined)[]): Promise<Float32Array> {
    tokens.forEach((token, row) => {
      if (token !== undefined) this.rows[row].push(token);
    });
    return this.start();
  }

  keep(rows: readonly (number | undefined)[]): void {
    this.rows = rows.map((row) => (row === undefined ? [0] : this.rows[row]));
  }

  async admit({ row, prompt }: Admission): Promise<Float32Array> {
    this.rows[row()] = [...prompt];
    return new UncachedDecoder(this.runtime, [prompt]).start();
  }
}

/** Tokens of prompts that go through the model at a time: more are no faster, and each takes memory in every layer. */
const PASS_TOKENS = 8192;
/** Slots that a cache is given beyond what it holds, at least, so that it seldom grows. */
const SPARE_SLOTS = 64;

/** @param longest most tokens that a row will hold */
export function capacityFor(length: number, longest: number): number {
  return slotsFor(Math.min(longest, length + SPARE_SLOTS));
}

/** What a decoder on the host begins with. */
export interface CachedDecoderOptions {
  readonly prompts: readonly (readonly number[])[];
  /** Most tokens that a row will hold. */
  readonly longest: number;
  /** Compute by codes of 8 bits, where machine and memory allow it. */
  readonly isCoded?: boolean;
  /** Prompts that other calls have read with the same weights. */
  readonly known?: KnownPrompts;
  /** Every prompt is computed as a whole; default: what prompts share is computed once. */
  readonly isWhole?: boolean;
}

/** Keeps keys and values; a step computes one token per row. */
export class CachedDecoder implements Decoder {
  private readonly prompts: readonly (readonly number[])[];
  private readonly longest: number;
  private cache: KeyValueCache | undefined;
  /** By tokens of a row. */
  private readonly runners = new Map<number, StepRunner>();
  private wantsCodes: boolean;
  private coded: CodedModelLease | undefined;
  private readonly known: KnownPrompts | undefined;
  private readonly isWhole: boolean;

  constructor(
    private readonly runtime: Runtime,
    { prompts, longest, isCoded = false, known, isWhole = false }: CachedDecoderOptions,
  ) {
    this.known = known;
    this.isWhole = isWhole;
    this.prompts = prompts;
    this.longest = longest;
    this.wantsCodes = isCoded;
  }

  async start(between?: BetweenLayers): Promise<Float32Array> {
    const { architecture } = this.runtime;
    const { keyValueHeads, headSize, layers, vocabSize } = architecture;
    const rows = this.prompts.length;
    const lengths = this.prompts.map((prompt) => prompt.length);
    const longest = Math.max(...lengths);
    const shape = { rows, heads: keyValueHeads, capacity: this.capacityFor(longest), headSize };
    const cache = new KeyValueCache(shape, layers, lengths, windowsOf(architecture));
    this.cache = cache;
    if (rows === 1) {
      const { logits, caches } = await this.readOne(this.prompts[0], between);
      cache.put(caches, { first: 0 });
      return logits;
    }
    // What all prompts begin with is computed once.
    const prefix = this.isWhole ? undefined : await this.beginningOf(this.prompts);
    const logits = new Float32Array(rows * vocabSize);
    const most = this.wantsCodes ? rows : rowsOfPass(longest - (prefix?.length ?? 0), PASS_TOKENS);
    for (let first = 0; first < rows; first += most) {
      const some = this.prompts.slice(first, first + most);
      const result = await this.prefill(some, { between, prefix, longest });
      cache.put(result.caches, { first, prefix });
      logits.set(result.logits, first * vocabSize);
    }
    return logits;
  }

  end(): void {
    this.coded?.end();
    this.coded = undefined;
  }

  async step(tokens: readonly (number | undefined)[]): Promise<Float32Array> {
    const cache = this.withRoom(tokens);
    const runStep = await this.runner(cache, 1);
    const ids = Int32Array.from(tokens, (token) => token ?? 0);
    const positions = Int32Array.from(tokens, (token, row) => (token === undefined ? 0 : cache.lengths[row]));
    const { logits, layers } = await runStep(ids, positions);
    cache.append(
      layers,
      tokens.map((token) => (token === undefined ? 0 : 1)),
    );
    return logits;
  }

  async stepAhead(
    tokens: readonly number[],
    choose: (logits: Float32Array) => number | undefined,
  ): Promise<void> {
    const { vocabSize, maxPositions } = this.runtime.architecture;
    const cache = this.withRoom([tokens[0]], tokens.length);
    const [length] = cache.lengths;
    // Codes take any number of tokens; other functions are compiled for one, or for as many as there may be.
    const width = this.coded === undefined && tokens.length > 1 ? slotsAhead(tokens.length) : tokens.length;
    const ids = Int32Array.from({ length: width }, (_, at) => tokens[at] ?? 0);
    const positions = ids.map((_, at) => Math.min(length + at, maxPositions - 1));
    const { logits, layers } = await (await this.runner(cache, width))(ids, positions);
    let taken = 0;
    let next: number | undefined;
    do {
      next = choose(logits.subarray(taken * vocabSize, (taken + 1) * vocabSize));
      taken++;
    } while (taken < tokens.length && next === tokens[taken]);
    cache.append(layers, [taken]);
  }

  keep(rows: readonly (number | undefined)[]): void {
    const cache = this.started();
    const longest = Math.max(...rows.map((row) => (row === undefined ? 0 : cache.lengths[row])));
    this.replaceCache(cache.resized(rows, Math.min(cache.shape.capacity, this.capacityFor(longest))));
  }

  async admit({ prompt, row: place, between }: Admission): Promise<Float32Array> {
    const { logits, caches } = await this.readOne(prompt, between);
    const row = place();
    let cache = this.started();
    if (prompt.length > cache.shape.capacity) {
      const others = cache.lengths.map((_, other) => (other === row ? undefined : other));
      cache = cache.resized(others, this.capacityFor(prompt.length));
      this.replaceCache(cache);
    }
    cache.admit(row, caches, prompt.length);
    return logits;
  }

  /** What is known of the prompt's beginning is not computed. */
  private async readOne(prompt: readonly number[], between?: BetweenLayers): Promise<CodedResult> {
    const known = this.isWhole ? undefined : this.known;
    const prefix = known?.find(prompt);
    const result = await this.prefill([prompt], { between, prefix });
    const caches = prefix === undefined ? result.caches : joined(prefix, result.caches);
    known?.add(prompt, caches);
    return { ...result, caches };
  }

  private async beginningOf(prompts: readonly (readonly number[])[]): Promise<Prefix | undefined> {
    const tokens = sharedBeginning(prompts);
    if (tokens.length === 0) return undefined;
    return { length: tokens.length, layers: (await this.prefill([tokens])).caches };
  }

  /** Logits of prompts' next tokens, float32 [B, V], and each layer's keys and values behind the prefix. */
  private prefill(
    prompts: readonly (readonly number[])[],
    { between, prefix, longest }: { between?: BetweenLayers; prefix?: Prefix; longest?: number } = {},
  ): Promise<CodedResult> {
    if (prefix === undefined) return this.compute(prompts, { between, longest });
    const rest = prompts.map((prompt) => prompt.slice(prefix.length));
    const past = { length: prefix.length, layer: repeated(prefix, prompts.length) };
    return this.compute(rest, { between, past, longest: longest && longest - prefix.length });
  }

  private async compute(
    prompts: readonly (readonly number[])[],
    { between, past, longest }: { between?: BetweenLayers; past?: PastTokens; longest?: number },
  ): Promise<CodedResult> {
    if (this.wantsCodes) {
      this.coded ??= await codedModelOf(this.runtime);
      this.wantsCodes = this.coded !== undefined;
      if (!this.wantsCodes) warnOfFloat32(this.runtime, 'the codes do not fit into the memory that is left');
    }
    if (this.coded !== undefined) return this.coded.model.prompts(prompts, { between, past });
    const { shape, ids, attentionMask } = paddedRows(this.runtime, prompts, {
      past: past?.length,
      longest,
    });
    const caches: LayerCache[] = [];
    const hidden = await hiddenStates(this.runtime, {
      batch: { shape, attentionMask, past: past?.length },
      ids,
      rows: lastPlaces(prompts, shape[1]),
      workspace: new Workspace(undefined),
      ...{ caches, between, past: past?.layer },
    });
    return { logits: (await headLogits(this.runtime, hidden)).data as Float32Array, caches };
  }

  private replaceCache(cache: KeyValueCache): void {
    this.cache = cache;
    this.runners.clear();
  }

  /** A cache that has room for so many tokens in each row that goes on. */
  private withRoom(tokens: readonly (number | undefined)[], count = 1): KeyValueCache {
    const cache = this.started();
    // Rows that have ended may be as long as they like.
    const longest = Math.max(...cache.lengths.filter((_, row) => tokens[row] !== undefined), 0);
    if (longest + count <= cache.shape.capacity) return cache;
    const rows = tokens.map((token, row) => (token === undefined ? undefined : row));
    const larger = cache.resized(rows, this.capacityFor(longest + count));
    this.replaceCache(larger);
    return larger;
  }

  private async runner(cache: KeyValueCache, tokens: number): Promise<StepRunner> {
    const known = this.runners.get(tokens);
    if (known !== undefined) return known;
    const made = await stepRunner(this.runtime, { cache, tokens, coded: this.coded?.model });
    this.runners.set(tokens, made);
    return made;
  }

  private capacityFor(length: number): number {
    return capacityFor(length, this.longest);
  }

  private started(): KeyValueCache {
    if (this.cache === undefined) throw new Error('internal: a decoder must start before it steps');
    return this.cache;
  }
}

/** The next power of two: few sizes, so few compiled functions. */
function slotsAhead(tokens: number): number {
  return 2 ** Math.ceil(Math.log2(tokens));
}

/** From here on a quarter of padding costs more than a function to compile. */
const FINER_FROM = 128;

/** The length that rows are padded to: as a cache's slots, and in longer rows the quarters between powers of two. */
export function paddedLength(longest: number): number {
  const size = slotsFor(longest);
  const finer = size - 2 ** Math.ceil(Math.log2(size)) / 8;
  return size > FINER_FROM && longest <= finer ? finer : size;
}

/**
 * Whole rows, padded on the right where nothing can see it: positions then start at 0 in every row.
 * @param options.past tokens that stand before them
 * @param options.longest the length that they are padded for; default: their longest one's
 */
export function paddedRows(
  runtime: Runtime,
  rows: readonly (readonly number[])[],
  {
    past = 0,
    longest = Math.max(...rows.map((row) => row.length)),
  }: { past?: number; longest?: number } = {},
): { shape: [number, number]; ids: Int32Array; attentionMask: Int32Array } {
  const T = Math.min(paddedLength(longest), runtime.architecture.maxPositions - past);
  const ids = new Int32Array(rows.length * T);
  const attentionMask = new Int32Array(rows.length * T);
  rows.forEach((row, b) => {
    ids.set(row, b * T);
    attentionMask.fill(1, b * T, b * T + row.length);
  });
  return { shape: [rows.length, T], ids, attentionMask };
}

/** Logits after each row's last token, float32 [B, V]. @param hidden float32 [B, T, C] */
async function lastLogits(
  runtime: Runtime,
  rows: readonly (readonly number[])[],
  hidden: HostTensor,
): Promise<Float32Array> {
  const [B, T, C] = hidden.shape;
  const last = new Float32Array(B * C);
  rows.forEach((row, b) => {
    const from = (b * T + row.length - 1) * C;
    last.set(hidden.data.subarray(from, from + C), b * C);
  });
  const { data } = await headLogits(runtime, { data: last, shape: [B, 1, C] });
  return data as Float32Array;
}
