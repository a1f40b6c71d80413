/** ONNX Runtime sessions: creating them for a provider, and running them on host arrays. */
import type * as ort from 'onnxruntime-node';
import { isMemoryError, messageOf, TunebookError } from '../../types';
import { sizeOf } from '../../tensor';
import type { HostTensor } from '../../types';
import type { Provider } from '../contract/engine-types';
import { GpuMemory } from './gpu-memory';
import { onnxRuntime } from './onnx-runtime';
import type { Graph, Value } from '../graph/graph';
import { boundShape, boundSizes, checkedFeed } from '../contract/host-arrays';
import type { Feeds } from '../contract/host-arrays';
import { outputName, STOPPER, writeOnnx } from '../graph/onnx';

/** How sessions are created. */
export interface SessionOptions {
  readonly provider: Provider;
  /** CPU threads per operator; 0: one per core. */
  readonly threads: number;
  /** Whether to keep CPU memory of intermediate values between runs. */
  readonly memoryArena: boolean;
}

// The binding's error for an output that is a sequence.
const STOPPED = /^Non tensor type is temporarily not supported/;

/** A graph loaded into ONNX Runtime. */
export class GraphSession {
  private released = false;

  /** Inputs and outputs without what lies between them: its constants may be large. */
  private readonly graph: Graph;
  /** Those whose shapes are known when the graph runs: few among the many small inputs of a model's layers. */
  private readonly dynamicInputs: ReadonlyMap<string, Value>;
  /** These inputs, and the outputs of the kind. */
  private readonly dynamicValues: ReadonlySet<Value>;

  private constructor(
    private readonly session: ort.InferenceSession,
    { inputs, outputs, dynamicSizes }: Graph,
    private readonly device: GpuMemory | undefined,
  ) {
    this.graph = { inputs: edges(inputs), outputs: edges(outputs), dynamicSizes };
    const edgeValues = [...this.graph.inputs.values(), ...this.graph.outputs.values()];
    this.dynamicValues = new Set(
      edgeValues.filter(
        ({ shape }) => dynamicSizes !== undefined && shape.some((size) => dynamicSizes.has(size)),
      ),
    );
    this.dynamicInputs = new Map([...this.graph.inputs].filter(([, value]) => this.dynamicValues.has(value)));
  }

  /**
   * Loads a graph.
   *
   * @param device Holds feeds and outputs, if the provider has memory of its own.
   * @throws {TunebookError} If the provider is not available or cannot load the graph.
   */
  static async create(graph: Graph, options: SessionOptions, device?: GpuMemory): Promise<GraphSession> {
    const available = onnxRuntime()
      .listSupportedBackends()
      .map((backend) => backend.name);
    if (!available.includes(options.provider)) {
      throw new TunebookError(
        `engine: expected one of this machine's providers (${available.join(', ')}), got '${options.provider}'. ` +
          `Choose one of these, or see what 'tunebook doctor' says about installing it.`,
      );
    }
    try {
      const { file, externalData } = writeOnnx(graph);
      const session = await onnxRuntime().InferenceSession.create(file, {
        ...ortOptions(options),
        externalData,
      });
      return new GraphSession(session, graph, device);
    } catch (error) {
      if (isMemoryError(error)) throw outOfMemory('to load a compiled function', error);
      throw new TunebookError(
        `engine: provider '${options.provider}' could not load a compiled function: ${messageOf(error)}. ` +
          (options.provider === 'cpu'
            ? `This is a defect of tunebook: please report it with the message.`
            : `Check its driver, or use provider 'cpu'.`),
        { cause: error },
      );
    }
  }

  get inputNames(): string[] {
    return [...this.graph.inputs.keys()];
  }

  /**
   * Runs the graph.
   *
   * @param feeds Arrays for (at least) all inputs.
   * @param into Arrays that receive outputs; they may be views, and may be a feed's own array if every operator between
   *   the two is elementwise.
   * @throws {TunebookError} If an input is missing or has another shape or dtype.
   *
   * ONNX Runtime writes into the given arrays, but its Node binding then copies every output into a new array (as of
   * 1.30), which costs a fifth of a training step. The first output is a sequence, which the binding cannot return: it
   * throws there, after the run and before the copies. A binding that does not throw gives the same values.
   */
  async run(
    feeds: Feeds,
    into: Readonly<Record<string, HostTensor['data']>> = {},
  ): Promise<Record<string, HostTensor>> {
    if (this.released) {
      throw new TunebookError(
        'engine.run: expected an engine in use, got a function of one after dispose().',
      );
    }
    const bound = this.device === undefined ? undefined : await this.device.bind(this.graph, feeds, into);
    const inputs: Record<string, ort.Tensor> = {};
    const sizes = boundSizes(this.dynamicInputs, feeds, this.graph.dynamicSizes);
    const running = (value: Value): Value =>
      this.dynamicValues.has(value) ? { ...value, shape: boundShape(value.shape, sizes) } : value;
    for (const [name, value] of this.graph.inputs)
      inputs[name] = bound?.inputs.get(name) ?? asOrt(name, running(value), feeds[name]);
    const outputs: Record<string, HostTensor> = {};
    const fetches: Record<string, ort.Tensor | null> = { [STOPPER]: null };
    for (const [name, graphValue] of this.graph.outputs) {
      const value = running(graphValue);
      const data = into[name] ?? newArray(value);
      outputs[name] = { data, shape: value.shape };
      fetches[outputName(name)] = bound?.outputs.get(name) ?? asOrt(name, value, outputs[name]);
    }
    try {
      await this.session.run(inputs, fetches as Record<string, ort.Tensor>);
    } catch (error) {
      if (isMemoryError(error)) throw outOfMemory('for what is computed', error);
      if (!(error instanceof Error && STOPPED.test(error.message))) throw error;
    }
    bound?.wrote();
    return outputs;
  }

  /** New arrays for all outputs, to pass to `run`. */
  newOutputs(): Record<string, HostTensor['data']> {
    return Object.fromEntries([...this.graph.outputs].map(([name, value]) => [name, newArray(value)]));
  }

  /** Frees the session; a second call is a no-op. */
  async dispose(): Promise<void> {
    if (this.released) return;
    this.released = true;
    await this.session.release();
  }
}

/** What to do about it depends on what is computed. */
function outOfMemory(what: string, error: unknown): TunebookError {
  return new TunebookError(
    `engine: expected memory ${what}, got none (out of memory: ${messageOf(error)}).`,
    {
      cause: error,
    },
  );
}

/** The device memory of a provider whose buffers the binding can expose; undefined for the others. */
export function deviceMemory(options: SessionOptions): GpuMemory | undefined {
  if (options.provider !== 'webgpu') return undefined;
  return new GpuMemory((model, extra) =>
    onnxRuntime().InferenceSession.create(model, { ...ortOptions(options), ...extra }),
  );
}

function ortOptions(options: SessionOptions): ort.InferenceSession.SessionOptions {
  return {
    executionProviders: options.provider === 'cpu' ? ['cpu'] : [onProvider(options.provider), 'cpu'],
    graphOptimizationLevel: 'all',
    intraOpNumThreads: options.threads,
    interOpNumThreads: 1,
    enableCpuMemArena: options.memoryArena,
    // A pattern is one more block for all values of a run, made in a shape's second run beside what the first one took:
    // a quarter of a small model's memory, touched for the first time once more, and no faster after it.
    enableMemPattern: false,
    // Each session has threads of its own, which go on looking for work for 40 ms after a run (as of 1.30): beside the next
    // session's, that is a thread too many for the cores.
    extra: { session: { force_spinning_stop: '1' } },
    // 4: fatal. Errors are thrown, and warnings of nodes placed on the CPU are expected.
    logSeverityLevel: 4,
  };
}

function onProvider(provider: Provider): ort.InferenceSession.ExecutionProviderConfig {
  // By default buffers over 160 MB are not reused between runs, and a new one takes longer than many operators.
  return provider === 'webgpu' ? { name: 'webgpu', storageBufferCacheMode: 'simple' } : provider;
}

function edges(values: ReadonlyMap<string, Value>): Map<string, Value> {
  return new Map([...values].map(([name, { id, dtype, shape }]) => [name, { id, dtype, shape }]));
}

function asOrt(name: string, value: Value, feed: HostTensor | undefined): ort.Tensor {
  const { data, shape } = checkedFeed(name, value, feed);
  return new (onnxRuntime().Tensor)(value.dtype, data, [...shape]);
}

function newArray({ dtype, shape }: Value): Float32Array | Int32Array {
  const length = sizeOf(shape);
  if (dtype === 'float32') return new Float32Array(length);
  if (dtype === 'int32') return new Int32Array(length);
  throw new Error(`internal: an output of ${dtype}`);
}
