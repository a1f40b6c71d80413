/** Tiny models whose weights are a function of their names, as test/golden/families/make.py fills them. */
import { allocateParameters, architectureOf, LoraConfig, storedName } from '../../../lib/models';
import { CausalLM, getPeftModel } from '../../../lib/pretrained';
import { createEngine } from '../../../lib/engine';
import type { EngineOptions } from '../../../lib/engine';

/** uint32 of each element of an array: FNV-1a of the name, and MurmurHash3's finalizer of its sum with the index. */
function hashes(name: string, count: number): Uint32Array {
  let seed = 2166136261;
  for (const byte of Buffer.from(name)) seed = Math.imul(seed ^ byte, 16777619) >>> 0;
  return Uint32Array.from({ length: count }, (_, i) => {
    let x = (Math.imul(i, 2654435761) + seed) >>> 0;
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b) >>> 0;
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35) >>> 0;
    return (x ^ (x >>> 16)) >>> 0;
  });
}

/** Uniform around 0, around `gain` for norms' gains. */
function fill(
  data: Float32Array,
  name: string,
  { gain, amplitude }: { gain: number; amplitude: number },
): void {
  const base = name.includes('norm') && name.endsWith('weight') ? gain : 0;
  hashes(name, data.length).forEach((hash, i) => {
    data[i] = base + amplitude * ((hash >>> 8) / 2 ** 23 - 1);
  });
}

/** The model of a case. */
export async function familyModel(
  config: Record<string, unknown>,
  options: EngineOptions = { provider: 'cpu', threads: 1 },
): Promise<CausalLM> {
  const architecture = architectureOf(config);
  const parameters = allocateParameters(architecture.parameters);
  const gain = architecture.modelType.startsWith('gemma') ? 2 : 1;
  for (const { name, data } of parameters.byName.values())
    fill(data, storedName(architecture, name), { gain, amplitude: 0.375 });
  return new CausalLM({ architecture, parameters }, await createEngine(options));
}

/** Puts the case's adapter on its model. */
export function putAdapter(model: CausalLM): void {
  getPeftModel(model, new LoraConfig({ r: 2, loraAlpha: 4, targetModules: 'all-linear', loraDropout: 0 }));
  for (const { name, data } of model.trainableParameters())
    fill(data, storedName(model.architecture, name), { gain: 0, amplitude: 0.25 });
}

/** An array's norm, and its products with two arrays of signs. */
export function sketch(name: string, values: Float32Array): number[] {
  const product = (which: number): number => {
    const signs = hashes(`${name}#${which}`, values.length);
    return values.reduce((sum, value, i) => sum + value * (1 - 2 * (signs[i] >>> 31)), 0);
  };
  return [Math.sqrt(values.reduce((sum, value) => sum + value * value, 0)), product(0), product(1)];
}
