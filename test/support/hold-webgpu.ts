/** A session on WebGPU that lasts as long as a test program. */
import { after, before } from 'node:test';
import { createEngine, tf } from '../../lib/engine';
import type { Engine } from '../../lib/engine';

/**
 * Keeps WebGPU started until all tests of this process have ended. It keeps shaders as long as any session lives: a
 * software driver compiles them for ten seconds, and without this it would again for each model.
 */
export function holdWebGpu(): void {
  let engine: Engine;
  before(async () => {
    engine = await createEngine({ provider: 'webgpu' });
    await engine.compile(({ x }) => ({ y: tf.neg(x) }), { x: { shape: [1], dtype: 'float32' } });
  });
  after(() => engine.dispose());
}
