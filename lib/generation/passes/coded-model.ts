/**
 * A model compiled for generation on the CPU: its linear weights, in codes of 8 bits, lie inside of the compiled
 * functions, which take any number of rows, tokens and cached tokens. Prompts and steps run through the same functions.
 * Layers on disk, and those whose codes find no memory, run as they are, one after the other.
 */
import {
  attentionBias,
  availableMemory,
  chosenRows,
  contextLengths,
  embed,
  headCodes,
  headOf,
  layerCodes,
  positionIds,
} from '../../models';
import type { BetweenLayers, LayerCache, LayerKind, Runtime } from '../../models';
import { signatureOf } from '../../engine';
import type { CodesSpace } from '../../quantization';
import type { BuiltFunction, Signature, TensorFunction, TensorSpec } from '../../engine';
import { isMemoryError } from '../../types';
import type { HostTensor } from '../../types';
import { hasOwnHead, headSpan, mostMadeBytes, peakBytes, plannedSpans } from './coded-plan';
import type { CodesRoom, Span } from './coded-plan';
import { ReusedSpace } from './codes-space';
import { lastPlaces, layersOf, scoped, scopedFeeds, sharedBy } from './scopes';

/** Stand-ins for the sizes of a pass: rows, tokens of each, logits wanted; and cached tokens by kind of layers. */
const [ROWS, TOKENS, PLACES] = [100_003, 200_003, 300_007];
const PAST = [400_009, 500_009, 600_011, 700_001];
const DYNAMIC_SIZES = [ROWS, TOKENS, PLACES, ...PAST.flatMap((past) => [past, past + TOKENS])];
/** Kinds of layers that a model may have. */
export const MOST_KINDS = PAST.length;

/** Arrays begin at whole numbers, which takes some bytes each. */
const SPARE_BYTES = 4096;

/** Layers that one function computes; without one, a layer that runs as it is. The last group has the head. */
interface Group extends Pick<Span, 'first' | 'count' | 'hasHead'> {
  readonly fn: BuiltFunction | undefined;
}

/** One pass: tokens on top of a cache. */
export interface CodedPass {
  /** Token ids and their positions, int32 [B * T]. */
  readonly ids: Int32Array;
  readonly positions: Int32Array;
  /** [B, T] */
  readonly shape: readonly [number, number];
  /** By kind of layers: the bias, float32 [B, 1, T, P + T], and the inputs by position. */
  readonly shared: readonly Readonly<Record<string, HostTensor>>[];
  /** Tokens whose logits are wanted, by their places in [B * T]. */
  readonly places: Int32Array;
  readonly between?: BetweenLayers;
  /** Keys and values so far, float32 [B, KV, P, D]; default: none. */
  readonly past?: (layer: number) => LayerCache;
  /** Receives logits, keys and values by their scoped names; default, and for layers without codes: new arrays. */
  readonly into?: Readonly<Record<string, Float32Array>>;
}

/** Tokens before those of a pass. */
export interface PastTokens {
  /** How many, in each row. */
  readonly length: number;
  /** Their keys and values, float32 [B, KV, length, D]. */
  readonly layer: (layer: number) => LayerCache;
}

/** What a pass gives. */
export interface CodedResult {
  /** float32 [places, V] */
  readonly logits: Float32Array;
  /** Keys and values of the pass's tokens by layer, float32 [B, KV, T, D]. */
  readonly caches: LayerCache[];
}

export class CodedModel {
  private readonly scopedSmall = new WeakMap<object, Readonly<Record<string, HostTensor>>>();

  private constructor(
    private readonly runtime: Runtime,
    private readonly groups: readonly Group[],
  ) {}

  /**
   * Where memory shrinks meanwhile, or an allocation fails, the layers that have codes by then are those that keep them.
   * @returns undefined where no layer's codes fit
   */
  static async build(runtime: Runtime, room: CodesRoom = {}): Promise<CodedModel | undefined> {
    const made: Group[] = [];
    const spans = plannedSpans(runtime, room);
    const space = new ReusedSpace(Math.ceil(mostMadeBytes(spans)) + SPARE_BYTES);
    try {
      for (const span of spans) {
        const group = await groupOf(runtime, { span, room, space });
        if (group === undefined) break;
        made.push(group);
      }
      // The head is in the last one.
      if (made.length < spans.length)
        while (made.length > 0) {
          const head = await groupOf(runtime, { span: headSpan(runtime), room, space });
          if (head !== undefined) {
            made.push(head);
            break;
          }
          await made.pop()?.fn?.dispose();
        }
    } catch (error) {
      await Promise.all(made.map(({ fn }) => fn?.dispose()));
      throw error;
    }
    if (made.length === 0) return undefined;
    return new CodedModel(runtime, withLayersBetween(made));
  }

  /** Layers that are computed by codes. */
  get codedLayers(): number {
    return this.groups.reduce((sum, { count, fn }) => sum + (fn === undefined ? 0 : count), 0);
  }

  async pass(request: CodedPass): Promise<CodedResult> {
    const { ids, positions, shape, places, between } = request;
    const shared = request.shared.map((feeds, kind) => scopedFeeds(sharedBy(kind), feeds));
    const caches: LayerCache[] = [];
    const past = request.past ?? noPast(this.runtime, shape[0]);
    let x = await embed(this.runtime, { ids, positions, shape });
    let logits: Float32Array | undefined;
    for (const { first, count, hasHead, fn } of this.groups) {
      if (fn === undefined) {
        const output = await this.exactLayer(first, x, request);
        caches.push({ key: output.key, value: output.value });
        x = output.y;
        await between?.(1);
        continue;
      }
      const feeds: Record<string, HostTensor> = Object.assign({ x }, ...(count === 0 ? [] : shared));
      for (let layer = first; layer < first + count; layer++) {
        const { key, value } = past(layer);
        Object.assign(feeds, this.smallFeeds(layer));
        feeds[scoped(layer, 'past.key')] = key;
        feeds[scoped(layer, 'past.value')] = value;
      }
      if (hasHead)
        Object.assign(feeds, headFeeds(this.runtime), { places: { data: places, shape: [places.length] } });
      const outputs = await fn.run(feeds, { into: request.into });
      for (let layer = first; layer < first + count; layer++)
        caches.push({ key: outputs[scoped(layer, 'key')], value: outputs[scoped(layer, 'value')] });
      if (hasHead) logits = outputs.logits.data as Float32Array;
      else x = outputs.y;
      if (count > 0) await between?.(count);
    }
    if (logits === undefined) throw new Error('internal: a model without layers');
    return { logits, caches };
  }

  /** Named once for all tokens: they stay until an adapter or the weights are others. */
  private smallFeeds(layer: number): Readonly<Record<string, HostTensor>> {
    const own = this.runtime.weights.smallFeeds(layer);
    const known = this.scopedSmall.get(own);
    if (known !== undefined) return known;
    const made = scopedFeeds(layer, own);
    this.scopedSmall.set(own, made);
    return made;
  }

  /** A layer that has no codes. */
  private exactLayer(layer: number, x: HostTensor, request: CodedPass): Promise<Record<string, HostTensor>> {
    const { architecture } = this.runtime;
    const past = request.past?.(layer);
    const feeds = {
      ...{ x, ...request.shared[architecture.kindOf(layer)] },
      ...(past === undefined ? {} : { 'past.key': past.key, 'past.value': past.value }),
    };
    return this.runtime.runBlock(layer, feeds, { fn: architecture.block });
  }

  /**
   * A pass over whole prompts, which pads them on the right; logits of each one's next token.
   * @param options.past tokens before them, as many in each row, and their keys and values
   */
  async prompts(
    rows: readonly (readonly number[])[],
    options: { between?: BetweenLayers; past?: PastTokens } = {},
  ): Promise<CodedResult> {
    const { between, past } = options;
    const T = Math.max(...rows.map((row) => row.length));
    const shape = [rows.length, T] as const;
    const ids = new Int32Array(rows.length * T);
    const attentionMask = new Int32Array(rows.length * T);
    rows.forEach((row, b) => {
      ids.set(row, b * T);
      attentionMask.fill(1, b * T, b * T + row.length);
    });
    const batch = { shape, attentionMask, past: past?.length };
    const positions = positionIds(batch);
    const contexts = contextLengths(batch, positions);
    const shared = this.runtime.architecture.layerKinds.map((kind) => ({
      bias: attentionBias(batch, kind.slidingWindow),
      ...kind.positionFeeds(positions, shape, contexts),
    }));
    const places = lastPlaces(rows, T);
    return this.pass({ ids, positions, shape, shared, places, between, past: past?.layer });
  }

  async dispose(): Promise<void> {
    await Promise.all(this.groups.map(({ fn }) => fn?.dispose()));
  }
}

/** A function for layers, and the head behind them; undefined where there is no memory for it, or no longer. */
async function groupOf(
  runtime: Runtime,
  { span, room, space }: { span: Span; room: CodesRoom; space: ReusedSpace },
): Promise<Group | undefined> {
  const { first, count, hasHead } = span;
  const { memoryBytes = availableMemory } = room;
  if (peakBytes([span]) > memoryBytes()) return undefined;
  // ONNX Runtime has copies of what the function before was built with.
  space.clear();
  try {
    const constants: Record<string, HostTensor> = {};
    for (let layer = first; layer < first + count; layer++) {
      const codes = layerCodes(runtime.weights, layer, space);
      if (codes === undefined) throw new Error('internal: a layer without weights in memory');
      Object.assign(constants, scopedFeeds(layer, codes));
    }
    if (hasHead) Object.assign(constants, headConstants(runtime, space));
    return { first, count, hasHead, fn: await buildGroup(runtime, span, constants) };
  } catch (error) {
    if (isMemoryError(error)) return undefined;
    throw error;
  }
}

/** Adds the layers without codes that lie before and between those with some. */
function withLayersBetween(groups: readonly Group[]): Group[] {
  const all: Group[] = [];
  let next = 0;
  for (const group of groups) {
    for (; next < group.first; next++) all.push({ first: next, count: 1, hasHead: false, fn: undefined });
    all.push(group);
    next += group.count;
  }
  return all;
}

function buildGroup(
  runtime: Runtime,
  { first, count, hasHead }: Span,
  constants: Record<string, HostTensor>,
): Promise<BuiltFunction> {
  const { architecture, weights, engine } = runtime;
  const { width, keyValueHeads, headSize } = architecture;
  const float = (...shape: number[]): TensorSpec => ({ shape, dtype: 'float32' });
  const signature: Record<string, TensorSpec> = {
    x: float(ROWS, TOKENS, width),
  };
  // A head alone sees neither masks nor positions.
  (count === 0 ? [] : architecture.layerKinds).forEach((kind, index) => {
    const bias = float(ROWS, 1, TOKENS, PAST[index] + TOKENS);
    for (const [name, spec] of Object.entries({ bias, ...positionSignature(kind) }))
      signature[scoped(sharedBy(index), name)] = spec;
  });
  for (let layer = first; layer < first + count; layer++) {
    const past = float(ROWS, keyValueHeads, PAST[architecture.kindOf(layer)], headSize);
    Object.assign(signature, signatureOf(scopedFeeds(layer, weights.smallFeeds(layer))), {
      [scoped(layer, 'past.key')]: past,
      [scoped(layer, 'past.value')]: past,
    });
  }
  if (hasHead)
    Object.assign(signature, signatureOf(headFeeds(runtime)), {
      places: { shape: [PLACES], dtype: 'int32' },
    });
  const fn: TensorFunction = (inputs) => {
    // Absent where the head is not in this group.
    const { places } = inputs;
    const { x, outputs } = layersOf(architecture, inputs, { first, count, rows: places });
    if (!hasHead) return { ...outputs, y: x };
    const wanted = count === 0 ? chosenRows({ rows: places }, x) : x; // [1, places, C]
    const { y } = architecture.finalNorm({ ...inputs, x: wanted });
    return { ...outputs, logits: headOf(architecture, inputs, y) };
  };
  return engine.build({ fn, signature, constants, dynamicSizes: DYNAMIC_SIZES });
}

/** Inputs by position, with stand-ins for rows and tokens: the axes that follow them are found by two samples. */
function positionSignature(kind: LayerKind): Signature {
  const feeds = (rows: number, tokens: number): Record<string, HostTensor> => {
    const none = new Int32Array(rows * tokens);
    return kind.positionFeeds(none, [rows, tokens], none);
  };
  const [rows, tokens] = [3, 5];
  const small = feeds(1, 1);
  return Object.fromEntries(
    Object.entries(signatureOf(feeds(rows, tokens))).map(([name, { shape, dtype }]) => {
      const dynamic = shape.map((size, axis) =>
        size === small[name].shape[axis] ? size : size === rows ? ROWS : TOKENS,
      );
      return [name, { shape: dynamic, dtype }];
    }),
  );
}

/** The head's codes, unless an adapter trains a head of its own, which is fed. */
function headConstants(runtime: Runtime, space: CodesSpace): Record<string, HostTensor> {
  return hasOwnHead(runtime) ? {} : headCodes(runtime.weights, space);
}

function headFeeds(runtime: Runtime): Record<string, HostTensor> {
  const { weights } = runtime;
  return {
    ...weights.finalNormFeeds(),
    ...weights.headFeeds(),
    ...(hasOwnHead(runtime) ? { head: weights.tableFeed('head') } : {}),
  };
}

/** A cache without tokens, the same for each layer. */
function noPast({ architecture }: Runtime, rows: number): (layer: number) => LayerCache {
  const shape = [rows, architecture.keyValueHeads, 0, architecture.headSize];
  const none = { data: new Float32Array(0), shape };
  return () => ({ key: none, value: none });
}
