/**
 * A TensorFlow.js backend whose kernels record instead of computing. Calling a function of tensors on it once, gradients
 * included, leaves the graph that `onnx.ts` writes and ONNX Runtime executes.
 */
import type { backend_util, DataType, KernelBackend, TensorInfo } from '@tensorflow/tfjs-core';
import { TunebookError } from '../../types';
import type { EngineDtype, HostTensor } from '../../types';
import { GraphBuilder } from './graph';
import type { Attribute, GraphDtype, Value } from './graph';
import { tf } from './tf';
import type { Tensor } from './tf';

/** The backend's name in TensorFlow.js. */
export const TRACE_BACKEND = 'tunebook-trace';

interface Stored {
  /** The graph's value: computed, or a constant that is in use. */
  value?: Value;
  /** The trace of `value`: a constant may be used in several. */
  builder?: GraphBuilder;
  /** The elements of a constant. */
  host?: backend_util.BackendValues;
  dtype: DataType;
  shape: number[];
}

/** What lowerings depend on of the machine that will run the graph. */
export interface TraceTarget {
  /** False where ONNX Runtime's contributed CPU operators are missing (WebGPU, DirectML, CoreML). */
  readonly contributedOps: boolean;
}

/** Records what kernels are called with. */
export class TraceBackend implements KernelBackend {
  private readonly storage = new tf.DataStorage<Stored>(this, tf.engine());
  private builder = new GraphBuilder();
  target: TraceTarget = { contributedOps: true };

  /** Starts a trace. Tensors of the last one can only be disposed. */
  begin(target: TraceTarget): void {
    this.builder = new GraphBuilder();
    this.target = target;
  }

  // --- TensorFlow.js's interface of a backend -----------------------------------------------------

  numDataIds(): number {
    return this.storage.numDataIds();
  }
  write(values: backend_util.BackendValues, shape: number[], dtype: DataType): object {
    const dataId = {};
    this.storage.set(dataId, { host: values, dtype, shape });
    return dataId;
  }
  move(dataId: object, values: backend_util.BackendValues, shape: number[], dtype: DataType): void {
    this.storage.set(dataId, { host: values, dtype, shape });
  }
  refCount(): number {
    return 1;
  }
  incRef(): void {}
  disposeData(dataId: object): boolean {
    if (this.storage.has(dataId)) this.storage.delete(dataId);
    return true;
  }
  memory(): { unreliable: boolean } {
    return { unreliable: true };
  }
  epsilon(): number {
    return 1e-7;
  }
  floatPrecision(): 16 | 32 {
    return 32;
  }
  timerAvailable(): boolean {
    return false;
  }
  dispose(): void {}
  readSync(dataId: object): backend_util.BackendValues {
    const stored = this.storage.get(dataId);
    if (stored.host !== undefined) return stored.host;
    const from =
      stored.value?.input !== undefined ? `input '${stored.value.input}'` : stored.value?.producer?.op;
    throw new TunebookError(
      `engine.compile: expected only tensor operations, got a host read (dataSync, arraySync, data()) of a ` +
        `traced tensor of shape [${stored.shape}] made by ${from}. Its value is not known while a function is ` +
        `traced: choose with tf.where instead, or run the function on an eager engine.`,
    );
  }
  async read(dataId: object): Promise<backend_util.BackendValues> {
    return this.readSync(dataId);
  }
  time(): never {
    throw untraceable('tf.time');
  }
  readToGPU(): never {
    throw untraceable('dataToGPU');
  }
  createTensorFromGPUData(): never {
    throw untraceable('a tensor of GPU data');
  }

  // --- for kernels ---------------------------------------------------------------------------------

  input(name: string, shape: readonly number[], dtype: EngineDtype): Tensor {
    const info = this.tensor(this.builder.input(name, shape, dtype));
    return tf.engine().makeTensorFromTensorInfo(info);
  }

  /** An input whose elements are known. */
  constant({ data, shape }: HostTensor): Tensor {
    const dtype = data instanceof Float32Array ? 'float32' : data instanceof Uint8Array ? 'uint8' : 'int32';
    return tf.engine().makeTensorFromTensorInfo(this.tensor(this.builder.constant(data, shape, dtype)));
  }

  /** The graph value of a tensor; a host constant becomes a graph constant at first use. */
  value(tensor: TensorInfo): Value {
    const stored = this.storage.get(tensor.dataId);
    if (stored.value === undefined || stored.builder !== this.builder) {
      if (stored.host === undefined) {
        throw new TunebookError(
          `engine.compile: expected tensors of this trace and constants, got one of shape [${stored.shape}] that ` +
            `another traced function made. Return it there as an output, and take it here as an input.`,
        );
      }
      stored.value = this.hostConstant(stored.host, stored.shape, tensor.dtype);
      stored.builder = this.builder;
    }
    return stored.value;
  }

  tensor(value: Value): TensorInfo {
    const dataId = {};
    const dtype: DataType = value.dtype === 'int64' || value.dtype === 'uint8' ? 'int32' : value.dtype;
    const shape = [...value.shape];
    this.storage.set(dataId, { value, builder: this.builder, dtype, shape });
    return { dataId, shape, dtype };
  }

  emit(
    op: string,
    inputs: readonly Value[],
    out: {
      shape: readonly number[];
      dtype: GraphDtype;
      attributes?: Record<string, Attribute>;
      domain?: string;
    },
  ): Value {
    return this.emitMany(op, inputs, {
      outputs: [{ shape: out.shape, dtype: out.dtype }],
      attributes: out.attributes,
      domain: out.domain,
    })[0];
  }

  emitMany(
    op: string,
    inputs: readonly Value[],
    options: {
      outputs: readonly { shape: readonly number[]; dtype: GraphDtype }[];
      attributes?: Record<string, Attribute>;
      domain?: string;
    },
  ): Value[] {
    return this.builder.node(op, inputs, options);
  }

  /** An int64 vector, as ONNX takes shapes, axes and sizes. */
  int64(values: readonly number[]): Value {
    return this.builder.constant(BigInt64Array.from(values.map(BigInt)), [values.length], 'int64');
  }

  scalar(value: number, dtype: 'float32' | 'int32' = 'float32'): Value {
    const data = dtype === 'float32' ? Float32Array.of(value) : Int32Array.of(value);
    return this.builder.constant(data, [], dtype, value);
  }

  /** A constant of equal elements, stored as one number. */
  filled(value: number, shape: readonly number[], dtype: 'float32' | 'int32' | 'bool'): Value {
    const data =
      dtype === 'float32'
        ? Float32Array.of(value)
        : dtype === 'int32'
          ? Int32Array.of(value)
          : Uint8Array.of(value ? 1 : 0);
    const scalar = this.builder.constant(data, [], dtype, value);
    if (shape.length === 0) return scalar;
    const [expanded] = this.builder.node('Expand', [scalar, this.int64(shape)], {
      outputs: [{ shape, dtype }],
    });
    return Object.assign(expanded, { fill: value });
  }

  /** A constant; equal elements are stored as one number. */
  hostConstant(host: backend_util.BackendValues, shape: readonly number[], dtype: DataType): Value {
    if (dtype !== 'float32' && dtype !== 'int32' && dtype !== 'bool') {
      throw new TunebookError(
        `engine.compile: expected float32, int32 or bool tensors, got a ${dtype} constant.`,
      );
    }
    const numbers = host as ArrayLike<number>;
    const first = numbers[0];
    let uniform = numbers.length > 0;
    for (let i = 1; i < numbers.length && uniform; i++) uniform = numbers[i] === first;
    if (uniform && numbers.length > 1) return this.filled(Number(first), shape, dtype);
    const data =
      dtype === 'float32'
        ? Float32Array.from(numbers)
        : dtype === 'int32'
          ? Int32Array.from(numbers)
          : Uint8Array.from(numbers);
    return this.builder.constant(data, shape, dtype, uniform ? Number(first) : undefined);
  }
}

function untraceable(what: string): TunebookError {
  return new TunebookError(
    `engine.compile: expected only tensor operations, got ${what}. Call it outside the traced function.`,
  );
}

let instance: TraceBackend | undefined;

/** The one tracing backend, registered with TensorFlow.js on first use. */
export function traceBackend(): TraceBackend {
  if (instance === undefined) {
    const backend = new TraceBackend();
    tf.registerBackend(TRACE_BACKEND, () => backend, 0);
    instance = backend;
  }
  return instance;
}

/** Whether operations are being recorded: fused operators then use their recorded form. */
export function isTracing(): boolean {
  return instance !== undefined && tf.getBackend() === TRACE_BACKEND;
}
