/**
 * The global norm of all gradients, for clipping and for the log (Pascanu et al. 2013).
 */
import { requireObject } from '../../types';
import { signatureOf, tf } from '../../engine';
import type { Engine, TensorFunction } from '../../engine';

import type { Gradients } from '../../models';

const CHUNK = 1 << 20;

const sumOfSquares: TensorFunction = ({ x }) => ({ sum: tf.sum(tf.square(x)) });

/**
 * The norm of all gradients together.
 * @returns the Euclidean norm; partial sums are added in double precision
 */
export async function gradientNorm(engine: Engine, gradients: Gradients): Promise<number> {
  requireObject(engine, { where: 'gradientNorm', what: 'an engine' });
  requireObject(gradients, { where: 'gradientNorm', what: 'gradients', fields: ['flat'] });
  if (engine.device !== undefined) return deviceNorm(engine, gradients);
  let total = 0;
  for (const data of chunks(gradients.flat)) {
    const shape = [data.length];
    const compiled = await engine.compile(sumOfSquares, { x: { shape, dtype: 'float32' } });
    total += (await compiled.run({ x: { data, shape } })).sum.data[0];
  }
  return Math.sqrt(total);
}

/** All arrays in one function, so that the host waits once; rows first, which a GPU sums in parallel. */
const sumsOfSquares: TensorFunction = (inputs) => ({
  sums: tf.stack(Object.values(inputs).map((x) => tf.sum(tf.sum(tf.square(x), -1)))),
});

async function deviceNorm(engine: Engine, { byName, shapes }: Gradients): Promise<number> {
  const feeds = Object.fromEntries(
    [...byName].map(([name, data]) => [name, { data, shape: shapes.get(name) ?? [data.length] }]),
  );
  const compiled = await engine.compile(sumsOfSquares, signatureOf(feeds));
  const { sums } = await compiled.run(feeds);
  return Math.sqrt((sums.data as Float32Array).reduce((total, sum) => total + sum, 0));
}

function* chunks(flat: Float32Array): Generator<Float32Array> {
  for (let start = 0; start < flat.length; start += CHUNK)
    yield flat.subarray(start, Math.min(start + CHUNK, flat.length));
}
