/**
 * The global norm of all gradients, for clipping and for the log (Pascanu et al. 2013).
 */
import { tf } from '../engine';
import type { Engine, TensorFunction } from '../engine';
import type { Gradients } from '../models';

const CHUNK = 1 << 20;

const sumOfSquares: TensorFunction = ({ x }) => ({ sum: tf.sum(tf.square(x)) });

/** @returns the Euclidean norm; partial sums are added in double precision */
export async function gradientNorm(
  engine: Engine,
  gradients: Pick<Gradients, 'flat' | 'byName'>,
): Promise<number> {
  let total = 0;
  for (const data of engine.device === undefined ? chunks(gradients.flat) : gradients.byName.values()) {
    const shape = [data.length];
    const compiled = await engine.compile(sumOfSquares, { x: { shape, dtype: 'float32' } });
    total += (await compiled.run({ x: { data, shape } })).sum.data[0];
  }
  return Math.sqrt(total);
}

function* chunks(flat: Float32Array): Generator<Float32Array> {
  for (let start = 0; start < flat.length; start += CHUNK)
    yield flat.subarray(start, Math.min(start + CHUNK, flat.length));
}
