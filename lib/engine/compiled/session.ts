/**
 * ONNX Runtime sessions: which hardware runs them, and running them on host arrays.
 */
import * as ort from 'onnxruntime-node';
import { messageOf, TunebookError } from '../../types';
import { sizeOf } from '../../tensor';
import type { HostTensor } from '../../types';
import type { Provider } from '../contract/engine-types';
import { GpuMemory } from './gpu-memory';
import type { Graph, Value } from '../graph/graph';
import { checkedFeed } from '../contract/host-arrays';
import type { Feeds } from '../contract/host-arrays';
import { outputName, STOPPER, writeOnnx } from '../graph/onnx';

export interface SessionOptions {
  readonly provider: Provider;
  /** CPU threads inside one operator; 0 lets ONNX Runtime choose one per core. */
  readonly threads: number;
  /** Whether the CPU's memory for intermediate values is kept between runs. */
  readonly memoryArena: boolean;
}

// What goes wrong is thrown; ONNX Runtime would print it as well.
ort.env.logLevel = 'fatal';

// What the binding says of an output that is a sequence.
const STOPPED = /^Non tensor type is temporarily not supported/;

export class GraphSession {
  private released = false;

  private constructor(
    private readonly session: ort.InferenceSession,
    private readonly graph: Graph,
    private readonly device: GpuMemory | undefined,
  ) {}

  /** @param device keeps arrays of this session's feeds and outputs, where the provider has memory of its own */
  static async create(graph: Graph, options: SessionOptions, device?: GpuMemory): Promise<GraphSession> {
    const available = ort.listSupportedBackends().map((backend) => backend.name);
    if (!available.includes(options.provider)) {
      throw new TunebookError(
        `engine: expected one of this machine's providers (${available.join(', ')}), got '${options.provider}'. ` +
          `Choose one of these, or see what 'tunebook doctor' says about installing it.`,
      );
    }
    try {
      const session = await ort.InferenceSession.create(writeOnnx(graph), ortOptions(options));
      return new GraphSession(session, graph, device);
    } catch (error) {
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
   * @param feeds float32 or int32 arrays for (at least) all inputs.
   * @param into buffers that receive outputs; they may be views, and may be a feed's own buffer where every
   *   operator between the two is element by element.
   * @throws TunebookError for a missing input, a wrong shape or dtype.
   *
   * ONNX Runtime writes into the arrays that it is given, but its binding for Node then copies every output once
   * more into a new array of its own (as of 1.30), at the price of a fifth of a training step. The first output is a
   * sequence, which the binding cannot hand over: it stops there, after the run and before the copies. A binding
   * that does not stop gives the same values.
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
    for (const [name, value] of this.graph.inputs)
      inputs[name] = bound?.inputs.get(name) ?? asOrt(name, value, feeds[name]);
    const outputs: Record<string, HostTensor> = {};
    const fetches: Record<string, ort.Tensor | null> = { [STOPPER]: null };
    for (const [name, value] of this.graph.outputs) {
      const data = into[name] ?? newArray(value);
      outputs[name] = { data, shape: value.shape };
      fetches[outputName(name)] = bound?.outputs.get(name) ?? asOrt(name, value, outputs[name]);
    }
    try {
      await this.session.run(inputs, fetches as Record<string, ort.Tensor>);
    } catch (error) {
      if (!(error instanceof Error && STOPPED.test(error.message))) throw error;
    }
    bound?.wrote();
    return outputs;
  }

  /** Arrays for all outputs, to be handed to `run`. */
  newOutputs(): Record<string, HostTensor['data']> {
    return Object.fromEntries([...this.graph.outputs].map(([name, value]) => [name, newArray(value)]));
  }

  async dispose(): Promise<void> {
    if (this.released) return;
    this.released = true;
    await this.session.release();
  }
}

/** The memory of a provider that has its own and whose buffers the binding can hand out. */
export function deviceMemory(options: SessionOptions): GpuMemory | undefined {
  if (options.provider !== 'webgpu') return undefined;
  return new GpuMemory((model, extra) =>
    ort.InferenceSession.create(model, { ...ortOptions(options), ...extra }),
  );
}

function ortOptions(options: SessionOptions): ort.InferenceSession.SessionOptions {
  return {
    executionProviders: options.provider === 'cpu' ? ['cpu'] : [onProvider(options.provider), 'cpu'],
    graphOptimizationLevel: 'all',
    intraOpNumThreads: options.threads,
    interOpNumThreads: 1,
    enableCpuMemArena: options.memoryArena,
    // 4: fatal. Errors are thrown, and warnings of nodes placed on the CPU are expected.
    logSeverityLevel: 4,
  };
}

function onProvider(provider: Provider): ort.InferenceSession.ExecutionProviderConfig {
  // By default it keeps no buffer over 160 MB for the next run, and a new one takes longer than many an operation.
  return provider === 'webgpu' ? { name: 'webgpu', storageBufferCacheMode: 'simple' } : provider;
}

function asOrt(name: string, value: Value, feed: HostTensor | undefined): ort.Tensor {
  const { data, shape } = checkedFeed(name, value, feed);
  return new ort.Tensor(value.dtype, data, [...shape]);
}

function newArray({ dtype, shape }: Value): Float32Array | Int32Array {
  const length = sizeOf(shape);
  if (dtype === 'float32') return new Float32Array(length);
  if (dtype === 'int32') return new Int32Array(length);
  throw new Error(`internal: an output of ${dtype}`);
}
