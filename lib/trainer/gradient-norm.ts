/**
 * The global norm of all gradients, for clipping and for the log (Pascanu et al. 2013).
 */
import { tf } from '../engine';
import type { Engine, TensorFunction } from '../engine';

const CHUNK = 1 << 20;

const sumOfSquares: TensorFunction = ({ x }) => ({ sum: tf.sum(tf.square(x)) });

/** @param flat float32 [N] @returns the Euclidean norm; partial sums are added in double precision */
export async function gradientNorm(engine: Engine, flat: Float32Array): Promise<number> {
  let total = 0;
  for (let start = 0; start < flat.length; start += CHUNK) {
    const data = flat.subarray(start, Math.min(start + CHUNK, flat.length));
    const shape = [data.length];
    const compiled = await engine.compile(sumOfSquares, { x: { shape, dtype: 'float32' } });
    total += (await compiled.run({ x: { data, shape } })).sum.data[0];
  }
  return Math.sqrt(total);
}
