/**
 * Kernels for TensorFlow.js's WebAssembly backend: the one that our gradients need and it lacks; a fast matrix product
 * for transposed matrices and batches, for which its own is 10 to 30 times slower than for two plain matrices (XNNPACK);
 * and detours around kernels that are wrong for some types in version 4.22.
 */
import type { KernelConfig, TensorInfo } from '@tensorflow/tfjs-core';
import { tf } from '../graph/tf';
import { sizeOf } from '../../tensor';

/** The members of every TensorFlow.js backend that are used here. */
interface HostBackend {
  write(values: ArrayLike<number>, shape: readonly number[], dtype: string): object;
  readSync(dataId: object): ArrayLike<number>;
  disposeData(dataId: object, force?: boolean): boolean;
}

/** The members of TensorFlow.js's BackendWasm that are used here. */
interface WasmBackend extends HostBackend {
  dataIdNextNumber: number;
  readonly dataIdMap: { get(dataId: object): { readonly id: number; readonly memoryOffset: number } };
  readonly wasm: {
    readonly tfjs: {
      registerTensor(id: number, size: number, memoryOffset: number): void;
      disposeData(id: number): void;
    };
    cwrap(name: string, returns: null, takes: readonly string[]): (...args: unknown[]) => void;
  };
  makeOutput(shape: readonly number[], dtype: string): TensorInfo;
}

/** Kernels that read or write elements of the wrong size; the cpu backend's replace them. */
const WRONG_FOR: Record<
  string,
  (inputs: Record<string, TensorInfo>, attrs: Record<string, unknown>) => boolean
> = {
  Cast: ({ x }, { dtype }) => dtype === 'bool' && x.dtype !== 'bool',
  ClipByValue: ({ x }) => x.dtype !== 'float32',
  FloorDiv: ({ a }) => a.dtype === 'float32',
  OneHot: (_, { dtype }) => dtype !== 'int32',
  Sum: ({ x }) => x.dtype === 'bool',
};

interface MatMulAttrs {
  transposeA: boolean;
  transposeB: boolean;
}

let registered = false;

/** Registers the kernels, before the backend starts. */
export function registerWasmKernels(): void {
  if (registered) return;
  registered = true;
  register('UnsortedSegmentSum', {
    kernelFunc: ({ inputs, attrs, backend }) => {
      const { x, segmentIds } = inputs as Record<string, TensorInfo>;
      const { numSegments } = attrs as unknown as { numSegments: number };
      const [rows, tail] = [sizeOf(segmentIds.shape), x.shape.slice(segmentIds.shape.length)];
      return run('ScatterNd', backend, {
        inputs: {
          indices: { ...segmentIds, shape: [rows, 1] },
          updates: { ...x, shape: [rows, ...tail] },
        },
        attrs: { shape: [numSegments, ...tail] },
      });
    },
  });
  for (const [kernelName, isWrong] of Object.entries(WRONG_FOR)) detour(kernelName, isWrong);
  let multiply: (...args: unknown[]) => void;
  register('BatchMatMul', {
    setupFunc: (backend) => {
      const [id, shape, flag] = ['number', 'array', 'number'];
      multiply = (backend as WasmBackend).wasm.cwrap('BatchMatMul', null, [
        ...[id, shape, 'number'],
        ...[id, shape, 'number'],
        ...[flag, flag, id],
      ]);
    },
    kernelFunc: ({ inputs, attrs, backend }) => {
      const { a, b } = inputs as Record<string, TensorInfo>;
      return matMul({
        a,
        b,
        attrs: attrs as unknown as MatMulAttrs,
        backend: backend as WasmBackend,
        multiply,
      });
    },
  });
}

/** The product matrix by matrix; each pair and its result are views of the backend's memory. */
function matMul(call: {
  a: TensorInfo;
  b: TensorInfo;
  attrs: MatMulAttrs;
  backend: WasmBackend;
  multiply: (...args: unknown[]) => void;
}): TensorInfo {
  const { backend, attrs, multiply } = call;
  if (call.a.dtype !== 'float32' || call.b.dtype !== 'float32')
    throw new Error(`matMul: expected float32 on the wasm backend, got ${call.a.dtype} and ${call.b.dtype}`);
  const a = attrs.transposeA ? transposed(call.a, backend) : call.a;
  const b = attrs.transposeB ? transposed(call.b, backend) : call.b;
  const [[m, k], [inner, n]] = [a.shape.slice(-2), b.shape.slice(-2)];
  if (k !== inner)
    throw new Error(`matMul: expected equal inner sizes, got [${call.a.shape}] and [${call.b.shape}]`);
  const batch = tf.broadcast_util.assertAndGetBroadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
  const out = backend.makeOutput([...batch, m, n], 'float32');

  const views: number[] = [];
  const view = (tensor: TensorInfo, index: number, size: number): number => {
    const { memoryOffset } = backend.dataIdMap.get(tensor.dataId);
    const id = backend.dataIdNextNumber++;
    backend.wasm.tfjs.registerTensor(id, size, memoryOffset + 4 * index * size);
    views.push(id);
    return id;
  };
  const [aShape, bShape] = [shapeBytes([1, m, k]), shapeBytes([1, k, n])];
  const pairs = sizeOf(batch);
  // XNNPACK caches a right side's packed form with its view: one that serves all pairs is packed once.
  const shared = sizeOf(b.shape.slice(0, -2)) === 1 && pairs > 0 ? view(b, 0, k * n) : undefined;
  for (let i = 0; i < pairs; i++) {
    const left = view(a, broadcastIndex(i, batch, a.shape.slice(0, -2)), m * k);
    const right = shared ?? view(b, broadcastIndex(i, batch, b.shape.slice(0, -2)), k * n);
    multiply(left, aShape, 3, right, bShape, 3, false, false, view(out, i, m * n));
  }
  for (const id of views) backend.wasm.tfjs.disposeData(id);
  if (a !== call.a) backend.disposeData(a.dataId);
  if (b !== call.b) backend.disposeData(b.dataId);
  return out;
}

function transposed(x: TensorInfo, backend: WasmBackend): TensorInfo {
  const perm = x.shape.map((_, axis) => axis);
  const rank = perm.length;
  [perm[rank - 2], perm[rank - 1]] = [rank - 1, rank - 2];
  return run('Transpose', backend, { inputs: { x }, attrs: { perm } });
}

/** The index in a batch of shape `from` that broadcasts to element `index` of a batch of shape `batch`. */
function broadcastIndex(index: number, batch: readonly number[], from: readonly number[]): number {
  let [result, stride, rest] = [0, 1, index];
  for (let axis = batch.length - 1; axis >= 0; axis--) {
    const size = from[axis - batch.length + from.length] ?? 1;
    if (size > 1) result += (rest % batch[axis]) * stride;
    stride *= size;
    rest = Math.floor(rest / batch[axis]);
  }
  return result;
}

function detour(kernelName: string, isWrong: (typeof WRONG_FOR)[string]): void {
  const own = tf.getKernel(kernelName, 'wasm');
  const borrowed = tf.getKernel(kernelName, 'cpu');
  register(kernelName, {
    setupFunc: own.setupFunc,
    kernelFunc: (call) => {
      const inputs = call.inputs as Record<string, TensorInfo>;
      if (!isWrong(inputs, call.attrs as Record<string, unknown>)) return own.kernelFunc(call);
      const [backend, cpu] = [call.backend as WasmBackend, tf.findBackend('cpu') as unknown as HostBackend];
      const copies = Object.entries(inputs).map(([name, { dataId, shape, dtype }]): [string, TensorInfo] => [
        name,
        { dataId: cpu.write(backend.readSync(dataId), shape, dtype), shape, dtype },
      ]);
      const result = borrowed.kernelFunc({
        ...call,
        inputs: Object.fromEntries(copies),
        backend: cpu,
      }) as TensorInfo;
      const { shape, dtype } = result;
      const written = backend.write(typed(cpu.readSync(result.dataId), dtype), shape, dtype);
      for (const { dataId } of [...copies.map(([, copy]) => copy), result]) cpu.disposeData(dataId, true);
      return { dataId: written, shape, dtype };
    },
  });
}

function typed(values: ArrayLike<number>, dtype: string): ArrayLike<number> {
  if (dtype === 'float32') return Float32Array.from(values);
  return dtype === 'int32' ? Int32Array.from(values) : Uint8Array.from(values);
}

function register(kernelName: string, config: Pick<KernelConfig, 'kernelFunc' | 'setupFunc'>): void {
  if (tf.getKernel(kernelName, 'wasm') !== undefined) tf.unregisterKernel(kernelName, 'wasm');
  tf.registerKernel({ kernelName, backendName: 'wasm', ...config });
}

function run(
  kernelName: string,
  backend: unknown,
  call: { inputs: Record<string, TensorInfo>; attrs: Record<string, unknown> },
): TensorInfo {
  const kernel = tf.getKernel(kernelName, 'wasm');
  if (kernel === undefined) throw new Error(`internal: the wasm backend has no kernel ${kernelName}`);
  return kernel.kernelFunc({
    inputs: call.inputs,
    attrs: call.attrs as never,
    backend: backend as object,
  }) as TensorInfo;
}

function shapeBytes(shape: readonly number[]): Uint8Array {
  return new Uint8Array(Int32Array.from(shape).buffer);
}
