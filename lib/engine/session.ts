/**
 * ONNX Runtime sessions: which hardware runs them, and running them on host arrays.
 */
import * as ort from 'onnxruntime-node';
import { TunebookError } from '../types';
import type { HostTensor } from '../types';
import type { Graph, Value } from './graph';
import { outputName, writeOnnx } from './onnx';

/** Where compiled functions run. */
export type Provider = 'cpu' | 'webgpu' | 'cuda' | 'dml' | 'coreml';
export const PROVIDERS: readonly Provider[] = ['cpu', 'webgpu', 'cuda', 'dml', 'coreml'];

export interface SessionOptions {
  readonly provider: Provider;
  /** CPU threads inside one operator; 0 lets ONNX Runtime choose one per core. */
  readonly threads: number;
}

/** Host arrays by name; `into` buffers are written in place and returned as outputs. */
export type Feeds = Readonly<Record<string, HostTensor>>;

export class GraphSession {
  private constructor(
    private readonly session: ort.InferenceSession,
    private readonly graph: Graph,
  ) {}

  static async create(graph: Graph, options: SessionOptions): Promise<GraphSession> {
    const available = ort.listSupportedBackends().map((backend) => backend.name);
    if (!available.includes(options.provider)) {
      throw new TunebookError(
        `engine: expected one of this machine's providers (${available.join(', ')}), got '${options.provider}'. ` +
          `Choose one of these, or see what 'tunebook doctor' says about installing it.`,
      );
    }
    try {
      const session = await ort.InferenceSession.create(writeOnnx(graph), {
        executionProviders: options.provider === 'cpu' ? ['cpu'] : [options.provider, 'cpu'],
        graphOptimizationLevel: 'all',
        intraOpNumThreads: options.threads,
        interOpNumThreads: 1,
        // 3: errors. Placement warnings ("some nodes run on the CPU") are expected here.
        logSeverityLevel: 3,
      });
      return new GraphSession(session, graph);
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
   */
  async run(
    feeds: Feeds,
    into: Readonly<Record<string, Float32Array>> = {},
  ): Promise<Record<string, HostTensor>> {
    const inputs: Record<string, ort.Tensor> = {};
    for (const [name, value] of this.graph.inputs) inputs[name] = asOrt(name, value, feeds[name]);
    const fetches: Record<string, ort.Tensor | null> = {};
    for (const [name, value] of this.graph.outputs) {
      const buffer = into[name];
      fetches[outputName(name)] =
        buffer === undefined ? null : asOrt(name, value, { data: buffer, shape: value.shape });
    }
    const results = await this.session.run(inputs, fetches as Record<string, ort.Tensor>);
    const outputs: Record<string, HostTensor> = {};
    for (const [name, value] of this.graph.outputs) {
      const data: unknown = into[name] ?? results[outputName(name)].data;
      if (!(data instanceof Float32Array) && !(data instanceof Int32Array)) {
        throw new Error(`internal: output ${name} has type ${results[outputName(name)].type}`);
      }
      outputs[name] = { data, shape: value.shape };
    }
    return outputs;
  }

  async dispose(): Promise<void> {
    await this.session.release();
  }
}

function asOrt(name: string, value: Value, tensor: HostTensor | undefined): ort.Tensor {
  if (tensor === undefined) {
    throw new TunebookError(`engine.run: expected input '${name}' ${describe(value)}, got nothing.`);
  }
  const dtype = tensor.data instanceof Float32Array ? 'float32' : 'int32';
  const sameShape =
    tensor.shape.length === value.shape.length && tensor.shape.every((s, i) => s === value.shape[i]);
  if (dtype !== value.dtype || !sameShape) {
    throw new TunebookError(
      `engine.run: expected '${name}' ${describe(value)}, got ${dtype} [${tensor.shape.join(', ')}]. ` +
        `A compiled function is made for one set of shapes: compile it for these.`,
    );
  }
  if (tensor.data.length !== value.shape.reduce((product, size) => product * size, 1)) {
    throw new TunebookError(
      `engine.run: expected '${name}' with ${value.shape.join(' x ')} elements, got ${tensor.data.length}.`,
    );
  }
  return new ort.Tensor(dtype, tensor.data, [...tensor.shape]);
}

function describe(value: Value): string {
  return `${value.dtype} [${value.shape.join(', ')}]`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
