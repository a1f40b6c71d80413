/**
 * Writes a random checkpoint of Mistral-7B's shape: real configuration, sharded safetensors in bfloat16, one
 * tensor in memory at a time. Run: node .build/test/bench/mistral-checkpoint.js FOLDER [LAYERS]
 */
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { architectureOf, storedName } from '../../lib/models';
import { writeCheckpoint } from '../../lib/checkpoint';
import type { TensorSource } from '../../lib/checkpoint';
import { fillNormal } from '../../lib/random';

/** Numbers that are drawn; tensors repeat them from different places, which is fast and random enough for timing. */
const DRAWN = 1 << 20;

/**
 * @param folder made if missing; needs 14.5 GB for all 32 layers
 * @param options.narrower what the real widths are divided by, a power of two up to 8
 * @returns bytes written
 */
export async function writeMistralCheckpoint(
  folder: string,
  options: { layers?: number; narrower?: number } = {},
): Promise<number> {
  const { layers = 32, narrower = 1 } = options;
  const architecture = architectureOf({
    model_type: 'mistral',
    vocab_size: 32000,
    hidden_size: 4096 / narrower,
    intermediate_size: 14336 / narrower,
    num_hidden_layers: layers,
    num_attention_heads: 32 / narrower,
    num_key_value_heads: 8 / narrower,
    max_position_embeddings: 32768,
    rms_norm_eps: 1e-5,
    rope_theta: 10000,
    sliding_window: 4096,
  });
  const drawn = new Float32Array(DRAWN);
  fillNormal(drawn, 0.02, 1);
  const sources = architecture.parameters.map(({ name, shape, init }, index): TensorSource => ({
    name: storedName(architecture, name),
    shape,
    values: () => {
      const values = new Float32Array(shape.reduce((product, n) => product * n, 1));
      if ('value' in init) return values.fill(init.value);
      for (let at = 0, piece = index; at < values.length; piece++) {
        const from = (piece * 7919 * 64) % (DRAWN / 2);
        const part = drawn.subarray(from, from + Math.min(DRAWN / 2, values.length - at));
        values.set(part, at);
        at += part.length;
      }
      return values;
    },
  }));
  const { sizeBytes } = await writeCheckpoint(folder, sources, { dtype: 'BF16' });
  const config = { ...architecture.toJson(), dtype: 'bfloat16' };
  await fs.writeFile(path.join(folder, 'config.json'), `${JSON.stringify(config, null, 2)}\n`);
  return sizeBytes;
}

if (require.main === module) {
  const [folder, layers] = process.argv.slice(2);
  void writeMistralCheckpoint(folder, layers === undefined ? {} : { layers: Number(layers) }).then((bytes) =>
    console.log(`${folder}: ${bytes} bytes`),
  );
}
