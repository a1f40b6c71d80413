/**
 * Which layers are computed by codes, in which functions, and the memory that it takes to make them: planned before
 * anything is made, so that a run can be told what its first tokens will take.
 */
import { availableMemory, isQuantized } from '../../models';
import type { Runtime } from '../../models';
import { affineBitsOf, codesFormOf, headCodesForm, weightCodesBytes } from '../../quantization';
import type { CodesForm, QuantizedTensor } from '../../quantization';

/** Layers that one function computes, and its memory, bytes. */
export interface Span {
  readonly first: number;
  count: number;
  /** Whether the head comes behind them. */
  hasHead: boolean;
  /** Codes, scales and zeros. */
  bytes: number;
  /** Those of them that are not the weights' own. */
  madeBytes: number;
  /** What ONNX Runtime holds of them. */
  heldBytes: number;
}

type Sizes = Pick<Span, 'bytes' | 'madeBytes' | 'heldBytes'>;

/**
 * A function has layers of so many bytes. While it is built there are copies, and the system does not get back all of
 * their memory: larger ones take up to a fifth more (measured), smaller ones cost a token time.
 */
const GROUP_BYTES = 100 * 2 ** 20;
/** Copies of the largest function's codes that are found in memory: ONNX Runtime's, and of those that are made (measured). */
const COPIES = 1.25;

/**
 * What the functions compute: neighbouring layers by codes, up to `groupBytes` each; the head with the last layer, or alone
 * where that one has no codes or its function is full. As many layers as there is room for, none where there is none.
 */
export function plannedSpans(
  runtime: Runtime,
  { memoryBytes = availableMemory, groupBytes = GROUP_BYTES }: CodesRoom = {},
): readonly Span[] {
  const { architecture, weights } = runtime;
  const resident = Array.from({ length: architecture.layers }, (_, layer) => layer).filter(
    (layer) => weights.frozen === undefined || weights.frozen.resident(layer) !== undefined,
  );
  const most = memoryBytes();
  for (let count = resident.length; count > 0; count--) {
    const spans = spansOf(runtime, resident.slice(0, count), groupBytes);
    if (peakBytes(spans) <= most) return spans;
  }
  return [];
}

/** What codes may take. */
export interface CodesRoom {
  /** Asked before anything is made, and again before each function; default: what the machine has left. */
  readonly memoryBytes?: () => number;
  /** Of codes, from which on a function takes no further layer; default 100 MiB. */
  readonly groupBytes?: number;
}

/** The head alone. */
export function headSpan(runtime: Runtime): Span {
  return { first: runtime.architecture.layers, count: 0, hasHead: true, ...headSizes(runtime) };
}

/** Bytes that making these functions, one after the other, adds to the process at most. */
export function peakBytes(spans: readonly Span[]): number {
  const most = (size: (span: Span) => number): number => Math.max(0, ...spans.map(size));
  const held = spans.reduce((sum, { heldBytes }) => sum + heldBytes, 0);
  return Math.ceil(held + COPIES * (most(({ bytes }) => bytes) + most(({ madeBytes }) => madeBytes)));
}

/**
 * Bytes that making the codes of a model adds to the process at most; where there is no room for them, those of the layers
 * that have some.
 */
export function codesPeakBytes(runtime: Runtime, room?: CodesRoom): number {
  return peakBytes(plannedSpans(runtime, room));
}

function spansOf(runtime: Runtime, layers: readonly number[], groupBytes: number): Span[] {
  const spans: Span[] = [];
  /** The last function, where it goes on with this layer. */
  const open = (layer: number): Span | undefined => {
    const last = spans.at(-1);
    return last !== undefined && last.first + last.count === layer && last.bytes < groupBytes
      ? last
      : undefined;
  };
  for (const layer of layers) {
    let span = open(layer);
    if (span === undefined) {
      span = { first: layer, count: 0, hasHead: false, bytes: 0, madeBytes: 0, heldBytes: 0 };
      spans.push(span);
    }
    span.count++;
    grow(span, layerSizes(runtime, layer));
  }
  const last = open(runtime.architecture.layers);
  if (last === undefined) spans.push(headSpan(runtime));
  else {
    last.hasHead = true;
    grow(last, headSizes(runtime));
  }
  return spans;
}

function layerSizes({ architecture, weights }: Runtime, layer: number): Sizes {
  const frozen = weights.frozen?.resident(layer);
  const sizes = { bytes: 0, madeBytes: 0, heldBytes: 0 };
  for (const { name, inSize, outSize } of architecture.modules) {
    const tensor = frozen?.get(name);
    const isCoded = tensor !== undefined && isQuantized(tensor);
    grow(sizes, sizesOf(inSize * outSize, isCoded ? tensor : undefined));
  }
  return sizes;
}

/** The head's, unless an adapter trains a head of its own, which is fed. */
function headSizes(runtime: Runtime): Sizes {
  const { vocabSize, width } = runtime.architecture;
  const form = headCodesForm(runtime.weights.isQuantized);
  return sizesOf(hasOwnHead(runtime) ? 0 : vocabSize * width, undefined, form);
}

/** Whether an adapter has the head, or the table that it is tied to, among what it trains. */
export function hasOwnHead({ weights }: Runtime): boolean {
  return weights.adapter !== undefined && weights.trainedTable('head') !== undefined;
}

/** Of a weight's codes. @param tensor undefined: it is not quantized */
function sizesOf(
  size: number,
  tensor: QuantizedTensor | undefined,
  form: CodesForm = codesFormOf(tensor),
): Sizes {
  const isOwn = tensor !== undefined && affineBitsOf(tensor.quantType) !== undefined;
  const codes = (size * form.bits) / 8;
  const ofBlocks = ((4 + (isOwn ? form.bits / 8 : 0)) * size) / form.blockSize; // a scale, and a zero
  return {
    bytes: codes + ofBlocks,
    madeBytes: (isOwn ? 0 : codes) + ofBlocks,
    heldBytes: weightCodesBytes(size, form),
  };
}

function grow(sum: { -readonly [Size in keyof Sizes]: number }, more: Sizes): void {
  sum.bytes += more.bytes;
  sum.madeBytes += more.madeBytes;
  sum.heldBytes += more.heldBytes;
}
