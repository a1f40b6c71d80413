/**
 * The eager engine: runs functions operation by operation on a TensorFlow.js backend. The reference for compiled
 * functions, and the place to debug in.
 */
import { createRequire } from 'node:module';
import path from 'node:path';
import { tunebookEnvironment } from '../../environment';
import { messageOf, TunebookError } from '../../types';
import type { HostTensor } from '../../types';
import type {
  BuildRequest,
  BuiltFunction,
  CompiledFunction,
  CompiledVjp,
  Engine,
} from '../contract/engine-types';
import { boundShape, boundSizes, checkedFeed, signatureOf } from '../contract/host-arrays';
import type { Feeds } from '../contract/host-arrays';
import { tf } from '../graph/tf';
import type { NamedTensors, Tensor } from '../graph/tf';
import { checkVjpRequest, differentiable, namedTensors, requireInfluence } from '../contract/functions';
import type { Signature, TensorFunction, TensorSpec, VjpRequest } from '../contract/functions';
import { enableWasm } from './wasm';

/** Runs functions as they are. */
export class EagerEngine implements Engine {
  readonly compileMs = 0;
  private constructor(
    readonly name: string,
    private readonly backend: string,
  ) {}

  static async create(backend: 'cpu' | 'wasm' | 'tensorflow', threads: number): Promise<EagerEngine> {
    if (backend === 'wasm') await enableWasm(threads);
    if (backend === 'tensorflow') loadNative();
    if (!(await tf.setBackend(backend))) {
      throw new TunebookError(
        `createEngine: TensorFlow.js's '${backend}' backend did not start on this machine.`,
      );
    }
    await tf.ready();
    return new EagerEngine(`eager:${backend}`, backend);
  }

  async compile(fn: TensorFunction, signature: Signature): Promise<CompiledFunction> {
    return { run: (feeds, options) => this.run(fn, signature, feeds, options?.into) };
  }

  /** No residuals: the backward pass runs the function again, on TensorFlow.js's tape. */
  async compileVjp(request: VjpRequest): Promise<CompiledVjp> {
    const { fn, signature, wrt, output, accumulate = [] } = request;
    checkVjpRequest(request);
    return {
      residualBytes: 0,
      forward: async (feeds, options) => ({
        outputs: await this.run(fn, signature, feeds, options?.into),
        residuals: {},
      }),
      backward: (feeds, _residuals, upstream, options) => {
        const withUpstream: Record<string, TensorSpec> = {
          ...signature,
          upstream: { shape: upstream.shape, dtype: 'float32' },
        };
        for (const name of accumulate) withUpstream[`acc_${name}`] = signature[name];
        const gradients: TensorFunction = (inputs) => {
          const { upstream: dy, ...rest } = inputs;
          const xs = wrt.map((name) => rest[name]);
          const value = (): Tensor => differentiable(namedTensors(fn(rest)), output);
          const { grads } = tf.engine().gradients(value, xs, dy, true);
          wrt.forEach((name, i) => requireInfluence(grads[i], name, output));
          return Object.fromEntries(
            wrt.map((name, i) => [
              `d_${name}`,
              accumulate.includes(name) ? tf.add(grads[i], rest[`acc_${name}`]) : grads[i],
            ]),
          );
        };
        return this.run(gradients, withUpstream, { ...feeds, upstream }, options?.into);
      },
    };
  }

  async build({ fn, signature, constants = {}, dynamicSizes = [] }: BuildRequest): Promise<BuiltFunction> {
    const fixed = signatureOf(constants);
    return {
      run: (feeds, options) => {
        const inputs = Object.entries(signature);
        const sizes = boundSizes(inputs, feeds, new Set(dynamicSizes));
        const bound = inputs.map(([name, spec]) => [name, { ...spec, shape: boundShape(spec.shape, sizes) }]);
        const all: Signature = { ...Object.fromEntries(bound), ...fixed };
        return this.run(fn, all, { ...feeds, ...constants }, options?.into);
      },
      dispose: async () => {},
    };
  }

  async dispose(): Promise<void> {}

  private async run(
    fn: TensorFunction,
    signature: Signature,
    feeds: Feeds,
    into: Readonly<Record<string, Float32Array>> = {},
  ): Promise<Record<string, HostTensor>> {
    // The backend has started, so this is immediate; nothing may run between it and the function.
    void tf.setBackend(this.backend);
    const results = tf.tidy(() => {
      const tensors: NamedTensors = {};
      for (const [name, spec] of Object.entries(signature)) tensors[name] = asTensor(name, spec, feeds[name]);
      return namedTensors(fn(tensors));
    });
    try {
      const outputs: Record<string, HostTensor> = {};
      for (const [name, tensor] of Object.entries(results)) {
        const data = await tensor.data();
        if (into[name] !== undefined) into[name].set(data);
        outputs[name] = { data: into[name] ?? asHostArray(tensor.dtype, data), shape: tensor.shape };
      }
      return outputs;
    } finally {
      tf.dispose(results);
    }
  }
}

function asTensor(name: string, spec: Signature[string], feed: HostTensor | undefined): Tensor {
  const { data, shape } = checkedFeed(name, spec, feed);
  // A copy: backends may keep the array, and later steps write to ours again.
  if (spec.dtype === 'uint8') return tf.tensor(Int32Array.from(data), [...shape], 'int32');
  return tf.tensor(data.slice(), [...shape], spec.dtype);
}

/** The values in the tensor's own type: TensorFlow.js keeps the source's array where a cast loses nothing. */
function asHostArray(dtype: string, data: ArrayLike<number>): Float32Array | Int32Array {
  if (dtype === 'int32') return data instanceof Int32Array ? data : Int32Array.from(data);
  return data instanceof Float32Array ? data : Float32Array.from(data);
}

/**
 * Loads TensorFlow's native library from @tensorflow/tfjs-node-gpu or tfjs-node: installed here, in the user's project,
 * or in the folder TUNEBOOK_TFJS_NODE. TensorFlow.js keeps engine and kernels on the global object, so the backend
 * registers with ours even if the package has its own copy.
 */
function loadNative(): void {
  if (tf.findBackend('tensorflow') !== null) return;
  const failures: string[] = [];
  const installed = ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'];
  const fromProject = createRequire(path.join(process.cwd(), 'package.json'));
  const places: [NodeRequire, string][] = [
    ...installed.map((name): [NodeRequire, string] => [createRequire(__filename), name]),
    ...installed.map((name): [NodeRequire, string] => [fromProject, name]),
  ];
  const named = tunebookEnvironment().tfjsNodeFolder;
  if (named !== undefined) places.unshift([fromProject, path.resolve(named)]);
  for (const [load, place] of places) {
    try {
      load(place);
      if (tf.findBackend('tensorflow') !== null) return;
      failures.push(`${place} brought no native backend`);
    } catch (error) {
      failures.push(`${place}: ${messageOf(error).split('\n')[0]}`);
    }
  }
  throw new TunebookError(
    `createEngine: expected @tensorflow/tfjs-node-gpu or @tensorflow/tfjs-node for backend 'tensorflow', got none ` +
      `that loads (${[...new Set(failures)].join('; ')}). Run 'npm install @tensorflow/tfjs-node-gpu' (Linux, ` +
      `CUDA 11, Node < 23), or use the compiled engine, which needs neither.`,
  );
}
