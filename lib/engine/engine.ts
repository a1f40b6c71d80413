/**
 * The engine: runs functions of TensorFlow.js tensors on host arrays, compiled (traced to ONNX, the default) or eager
 * (plain TensorFlow.js, the reference). Both give the same results through the same interface.
 */
import { lazySchema, prettifyError } from '../schema';
import { tunebookEnvironment } from '../environment';
import { TunebookError } from '../types';
import { sizeOf } from '../tensor';
import type { HostTensor } from '../types';
import { EagerEngine } from './eager/eager';
import type {
  BuildRequest,
  BuiltFunction,
  CompiledFunction,
  CompiledVjp,
  Engine,
  EngineOptions,
  Residuals,
} from './contract/engine-types';
import type { Signature, TensorFunction, VjpRequest } from './contract/functions';
import { gpuRace, isGpuWorth } from './compiled/gpu-race';
import type { GpuMemory } from './compiled/gpu-memory';
import { deviceMemory, GraphSession } from './compiled/session';
import type { SessionOptions } from './compiled/session';
import { PROVIDERS } from './contract/engine-types';
import { traceFunction, traceVjp, UPSTREAM } from './compiled/trace';
import type { Graph, Value } from './graph/graph';
import { withDynamicSizes } from './graph/dynamic-sizes';

const optionsSchema = lazySchema((z) =>
  z.strictObject({
    kind: z.enum(['compiled', 'eager']).default('compiled'),
    provider: z
      .enum([...PROVIDERS, 'auto'])
      .default('auto')
      .transform((provider) => (provider === 'auto' ? (tunebookEnvironment().provider ?? 'auto') : provider))
      .pipe(z.enum([...PROVIDERS, 'auto'])),
    backend: z.enum(['cpu', 'wasm', 'tensorflow']).default('cpu'),
    threads: z
      .int()
      .min(0)
      .default(() => tunebookEnvironment().threads),
    memoryArena: z.boolean().default(true),
  }),
);

/**
 * Creates an engine.
 *
 * @throws {TunebookError} If an option is unknown or a backend is not installed.
 * @example
 * ```ts
 * import { createEngine, tf } from 'tunebook/engine';
 *
 * const engine = await createEngine({ provider: 'cpu' });
 * const square = await engine.compile(({ x }) => ({ y: tf.square(x) }), { x: { shape: [2], dtype: 'float32' } });
 * const { y } = await square.run({ x: { data: Float32Array.of(2, 3), shape: [2] } });
 * console.log(y.data); // 4, 9
 * await engine.dispose();
 * ```
 */
export async function createEngine(options: EngineOptions = {}): Promise<Engine> {
  const parsed = optionsSchema().safeParse(options);
  if (!parsed.success) {
    throw new TunebookError(`createEngine: ${prettifyError(parsed.error)}`);
  }
  const { kind, provider, backend, threads, memoryArena } = parsed.data;
  if (kind === 'eager') return EagerEngine.create(backend, threads);
  const chosen = provider === 'auto' ? (isGpuWorth(await gpuRace()) ? 'webgpu' : 'cpu') : provider;
  return new CompiledEngine({ provider: chosen, threads, memoryArena });
}

class CompiledEngine implements Engine {
  readonly name: string;
  compileMs = 0;
  private readonly cache = new WeakMap<
    TensorFunction,
    Map<string, Promise<CompiledFunction | CompiledVjp>>
  >();
  private readonly sessions: GraphSession[] = [];
  readonly device: GpuMemory | undefined;

  constructor(private readonly options: SessionOptions) {
    this.name = `compiled:${options.provider}`;
    this.device = deviceMemory(options);
  }

  compile(fn: TensorFunction, signature: Signature): Promise<CompiledFunction> {
    return this.cached(fn, `run ${signatureKey(signature)}`, async () => {
      const session = await this.session(() => traceFunction(fn, signature, { target: this.target }));
      return { run: (feeds, options) => session.run(feeds, options?.into) };
    });
  }

  compileVjp(request: VjpRequest): Promise<CompiledVjp> {
    const { fn, signature, wrt, output, remat = false, accumulate, outputsStay = false } = request;
    const key = `vjp ${wrt.join()} ${output} ${remat} ${outputsStay} ${accumulate?.join() ?? ''} ${signatureKey(signature)}`;
    return this.cached(fn, key, async () => {
      const started = performance.now();
      const split = traceVjp(request, this.target);
      this.compileMs += performance.now() - started;
      const forward = await this.session(() => split.forward);
      const backward = await this.session(() => split.backward);
      return splitFunction({
        ...{ forward, backward, residuals: split.residuals, outputsStay, device: this.device },
      });
    });
  }

  async build(request: BuildRequest): Promise<BuiltFunction> {
    return this.built(await this.session(() => this.builtGraph(request)));
  }

  async dispose(): Promise<void> {
    await this.device?.dispose();
    await Promise.all(this.sessions.splice(0).map((session) => session.dispose()));
  }

  /** Apart from `build`: its closures would keep the constants, of which the session has its own. */
  private built(session: GraphSession): BuiltFunction {
    return {
      run: (feeds, options) => session.run(feeds, options?.into),
      dispose: async () => {
        const at = this.sessions.indexOf(session);
        if (at >= 0) this.sessions.splice(at, 1);
        await session.dispose();
      },
    };
  }

  private builtGraph({ fn, signature, constants, dynamicSizes = [] }: BuildRequest): Graph {
    const graph = traceFunction(fn, signature, { target: this.target, constants });
    return dynamicSizes.length === 0 ? graph : withDynamicSizes(graph, new Set(dynamicSizes));
  }

  private get target(): { contributedOps: boolean } {
    const { provider } = this.options;
    return { contributedOps: provider === 'cpu' || provider === 'cuda' };
  }

  private async session(graph: () => Parameters<typeof GraphSession.create>[0]): Promise<GraphSession> {
    const started = performance.now();
    const session = await GraphSession.create(graph(), this.options, this.device);
    this.compileMs += performance.now() - started;
    this.sessions.push(session);
    return session;
  }

  private cached<T extends CompiledFunction | CompiledVjp>(
    fn: TensorFunction,
    key: string,
    make: () => Promise<T>,
  ): Promise<T> {
    const bySignature = this.cache.get(fn) ?? new Map<string, Promise<CompiledFunction | CompiledVjp>>();
    this.cache.set(fn, bySignature);
    const known = bySignature.get(key) as Promise<T> | undefined;
    if (known !== undefined) return known;
    const made = make();
    bySignature.set(key, made);
    made.catch(() => bySignature.delete(key));
    return made;
  }
}

function splitFunction({
  forward,
  backward,
  residuals,
  outputsStay,
  device,
}: {
  forward: GraphSession;
  backward: GraphSession;
  residuals: ReadonlyMap<string, Value>;
  outputsStay: boolean;
  device: GpuMemory | undefined;
}): CompiledVjp {
  const newBuffers = (): Record<string, HostTensor['data']> => {
    const buffers = forward.newOutputs();
    // Never read on the host: these arrays are only handles, and their memory stays untouched.
    const staying = outputsStay ? Object.keys(buffers) : [...residuals.keys()];
    device?.pin(
      staying.map((name) => buffers[name]),
      { scratch: true },
    );
    return buffers;
  };
  // Arrays of finished passes, reused so that steps allocate nothing.
  const pool: Record<string, HostTensor['data']>[] = [];
  const inUse = new WeakMap<Residuals, Record<string, HostTensor['data']>>();
  for (const [name, value] of residuals) {
    if (value.dtype !== 'float32') throw new Error(`internal: residual ${name} is ${value.dtype}`);
  }
  return {
    residualBytes: [...residuals.values()].reduce((total, { shape }) => total + bytesOf(shape), 0),
    async forward(feeds, options) {
      const buffers = pool.pop() ?? newBuffers();
      const outputs = await forward.run(feeds, { ...buffers, ...options?.into });
      const kept: Record<string, HostTensor> = {};
      for (const name of residuals.keys()) {
        kept[name] = outputs[name];
        delete outputs[name];
      }
      inUse.set(kept, buffers);
      return { outputs, residuals: kept };
    },
    async backward(feeds, kept, upstream, options) {
      const gradients = await backward.run({ ...feeds, ...kept, [UPSTREAM]: upstream }, options?.into);
      const buffers = inUse.get(kept);
      if (buffers !== undefined && inUse.delete(kept)) pool.push(buffers);
      return gradients;
    },
  };
}

/** Size of float32 values. */
function bytesOf(shape: readonly number[]): number {
  return 4 * sizeOf(shape);
}

function signatureKey(signature: Signature): string {
  return Object.entries(signature)
    .map(([name, spec]) => `${name}:${spec.dtype}[${spec.shape.join()}]`)
    .join(' ');
}
