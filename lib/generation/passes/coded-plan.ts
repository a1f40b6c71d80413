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
  /** ONNX Runtime's copies of those that lie in the heap, and what it holds of them. */
  copiesBytes: number;
  heldInHeapBytes: number;
  /** What ONNX Runtime holds of them. */
  heldBytes: number;
}

type Sizes = Pick<Span, 'bytes' | 'madeBytes' | 'copiesBytes' | 'heldInHeapBytes' | 'heldBytes'>;

/**
 * A function has layers of so many bytes: larger ones have larger copies while they are built, smaller ones cost a token
 * time.
 */
const GROUP_BYTES = 100 * 2 ** 20;
/**
 * ONNX Runtime (1.30) reads each array into a string, makes a tensor of that, and arranges the tensor's values anew in a third
 * place: two copies, of which the first leaves its room to what is arranged. Arrays from here on have pages of their own,
 * which the system gets back at once; smaller ones lie in the heap (glibc's), which keeps the room.
 */
const OWN_PAGES_BYTES = 32 * 2 ** 20;
const COPIES = 2;
/** Share of what is held in the heap that lies between it, too small for the next function's copies (measured: 3 to 22 %). */
const HEAP_GAPS = 0.12;
/** Of any size: code that runs for the first time, threads, what the collector has not freed yet (measured). */
const FIRST_TOKENS_BYTES = 40e6;

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
  const heldInHeap = spans.reduce((sum, { heldInHeapBytes }) => sum + heldInHeapBytes, 0);
  const copies = most(({ copiesBytes, heldInHeapBytes }) => copiesBytes - heldInHeapBytes);
  return Math.ceil(held + HEAP_GAPS * heldInHeap + copies + mostMadeBytes(spans) + FIRST_TOKENS_BYTES);
}

/** Bytes of the codes that are made for one function, at most. */
export function mostMadeBytes(spans: readonly Span[]): number {
  return Math.max(0, ...spans.map(({ madeBytes }) => madeBytes));
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
      span = { first: layer, count: 0, hasHead: false, ...noSizes() };
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
  const sizes = noSizes();
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
  const scales = (4 * size) / form.blockSize;
  const zeros = isOwn ? (size * form.bits) / 8 / form.blockSize : 0;
  const inHeap = [codes, scales, zeros].filter((bytes) => bytes < OWN_PAGES_BYTES);
  const heldBytes = weightCodesBytes(size, form);
  return {
    bytes: codes + scales + zeros,
    madeBytes: isOwn ? zeros : codes + scales,
    copiesBytes: COPIES * inHeap.reduce((sum, bytes) => sum + bytes, 0),
    heldInHeapBytes: codes < OWN_PAGES_BYTES ? heldBytes : 0,
    heldBytes,
  };
}

function noSizes(): { -readonly [Size in keyof Sizes]: number } {
  return { bytes: 0, madeBytes: 0, copiesBytes: 0, heldInHeapBytes: 0, heldBytes: 0 };
}

function grow(sum: { -readonly [Size in keyof Sizes]: number }, more: Sizes): void {
  sum.bytes += more.bytes;
  sum.madeBytes += more.madeBytes;
  sum.copiesBytes += more.copiesBytes;
  sum.heldInHeapBytes += more.heldInHeapBytes;
  sum.heldBytes += more.heldBytes;
}
