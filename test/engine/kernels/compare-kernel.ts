/**
 * Runs one kernel case on an engine and on the reference, TensorFlow.js's cpu backend: values, and gradients
 * wherever TensorFlow.js registers one.
 */
import assert from 'node:assert/strict';
import { tf } from '../../../lib/engine';
import type { Engine, NamedTensors, Tensor, TensorFunction } from '../../../lib/engine';
import { assertClose } from '../../support/assert-close';
import { buildCase, normal } from './kernel-case';
import type { BuiltCase, KernelCase } from './kernel-case';

/** What is compared: `subject` must come within the case's tolerance of `reference`. */
export interface Engines {
  readonly subject: Engine;
  readonly reference: Engine;
}

/** @param seed of the inputs */
export async function compareKernel(
  engines: Engines,
  kernel: string,
  test: KernelCase,
  seed: number,
): Promise<void> {
  const built = buildCase(test, seed);
  const { signature, feeds, floats } = built;
  const tolerance = { absolute: test.tolerance ?? 2e-5, relative: test.tolerance ?? 2e-5 };
  const traced = numeric((inputs) => runKernel(kernel, test, built.isList, inputs), built);
  const plain =
    test.reference === undefined
      ? traced
      : numeric((inputs) => [test.reference?.(inputs, test.attrs ?? {}) as Tensor], built);

  const expected = await (await engines.reference.compile(plain, signature)).run(feeds);
  const actual = await (await engines.subject.compile(traced, signature)).run(feeds);
  assert.deepEqual(Object.keys(actual), Object.keys(expected));
  for (const [name, { data, shape }] of Object.entries(expected)) {
    assert.deepEqual(actual[name].shape, shape, `${name}: shape`);
    assert.equal(actual[name].data.constructor, data.constructor, `${name}: dtype`);
    assertClose(actual[name].data, data, tolerance, name);
  }

  for (const [output, { data, shape }] of Object.entries(expected)) {
    const differentiable = data instanceof Float32Array && floats.length > 0 && test.noGradient === undefined;
    if (!differentiable || tf.getGradient(kernel) === undefined) continue;
    const upstream = normal(shape, 77);
    const gradientsOf = async (engine: Engine, fn: TensorFunction): ReturnType<typeof gradients> =>
      gradients(engine, { fn, signature, wrt: floats, output }, feeds, upstream);
    const wanted = await gradientsOf(engines.reference, plain);
    const found = await gradientsOf(engines.subject, traced);
    assert.deepEqual(Object.keys(found), Object.keys(wanted));
    for (const [name, gradient] of Object.entries(wanted)) {
      assert.deepEqual(found[name].shape, gradient.shape, `${name} of ${output}: shape`);
      assertClose(found[name].data, gradient.data, tolerance, `${name} of ${output}`);
    }
  }
}

async function gradients(
  engine: Engine,
  request: Parameters<Engine['compileVjp']>[0],
  feeds: Parameters<Awaited<ReturnType<Engine['compile']>>['run']>[0],
  upstream: ReturnType<typeof normal>,
): Promise<Awaited<ReturnType<Awaited<ReturnType<Engine['compile']>>['run']>>> {
  const vjp = await engine.compileVjp(request);
  const { residuals } = await vjp.forward(feeds);
  return vjp.backward(feeds, residuals, upstream);
}

function runKernel(kernel: string, test: KernelCase, isList: boolean, inputs: NamedTensors): Tensor[] {
  // TensorFlow.js takes the inputs of some kernels as a list, and saves them for the gradient as one.
  const given = (isList ? Object.values(inputs) : inputs) as NamedTensors;
  const result = tf.engine().runKernel(kernel, given, (test.attrs ?? {}) as never) as Tensor | Tensor[];
  // Statistics that a fused kernel also returns are no outputs of its plain form.
  if (test.reference !== undefined && Array.isArray(result)) return result.slice(0, 1);
  return Array.isArray(result) ? result : [result];
}

/** Outputs by number; booleans as int32, which engines hand out. */
function numeric(fn: (inputs: NamedTensors) => Tensor[], built: BuiltCase): TensorFunction {
  return (tensors) =>
    Object.fromEntries(
      fn(built.kernelInputs(tensors)).map((y, i) => [`y${i}`, y.dtype === 'bool' ? tf.cast(y, 'int32') : y]),
    );
}

/** For a test's title. */
export function describeInputs(test: KernelCase): string {
  return Object.entries(test.inputs)
    .map(([name, s]) => `${name} ${s.constant ? 'constant ' : ''}${s.dtype ?? 'float32'}[${s.shape}]`)
    .join(', ');
}
