/** What the tests of weights in other forms and places share: the model's folder, and what a model gives. */
import assert from 'node:assert/strict';
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { writeSafetensors } from '../../../lib/checkpoint';
import { allocateGradients, countLabels, forwardBackward, storedName } from '../../../lib/models';
import type { CausalLM } from '../../../lib/pretrained';
import { assertClose } from '../../support/assert-close';
import type { Tolerance } from '../../support/assert-close';
import { LONG } from '../../support/long';
import { familyModel, putAdapter } from './family-model';
import { goldenBatch, readGolden } from './golden-run';

const { ids, prompt, cases } = readGolden('families/golden.json') as {
  ids: number[][];
  prompt: number;
  cases: Record<string, { config: Record<string, unknown> }>;
};

/** Whether all cases are tried in all forms, which takes minutes (TUNEBOOK_LONG_TESTS=1), or a choice in which each feature is tried once. */
export const IS_ALL = LONG.skip === false;

/** Cases that have each feature of the decoders once. */
export type Representative =
  | 'qwen2 with a window' // biases of queries, keys and values; a window in the upper layers
  | 'qwen3' // norms of heads, tied
  | 'gemma2' // soft caps, norms after, alternating windows, tied, gains plus one
  | 'gemma3' // two rotary bases
  | 'phi3 longrope' // fused projections, rotary tables by length
  | 'phi4-mini' // partial rotary
  | 'olmo3' // norms of whole projections, after alone; yarn
  | 'smollm3' // layers without positions
  | 'granite' // scales
  | 'stablelm parallel' // parallel residual, LayerNorm
  | 'starcoder2' // no gate, biases everywhere
  | 'cohere' // logit scale, rotary pairs side by side
  | 'glm4' // fused gate and up, biases
  | 'pythia'; // queries, keys and values interleaved

/** The cases that a form is tried with. @param few those of the default run */
export function casesOf(few: readonly Representative[]): readonly string[] {
  return IS_ALL ? Object.keys(cases) : few;
}

export function configOf(name: string): Record<string, unknown> {
  return cases[name].config;
}

/** The case with four layers at least: where two are at work, two have to lie on disk. */
export function deepConfigOf(name: string): Record<string, unknown> {
  const config = configOf(name);
  const layers = Math.max(4, Number(config.num_hidden_layers));
  const deep = (value: unknown): unknown =>
    Array.isArray(value)
      ? Array.from({ length: layers }, (_, layer): unknown => value[layer % value.length])
      : value;
  const { layer_types, no_rope_layers } = config;
  return {
    ...{ ...config, num_hidden_layers: layers },
    ...(layer_types === undefined ? {} : { layer_types: deep(layer_types) }),
    ...(no_rope_layers === undefined ? {} : { no_rope_layers: deep(no_rope_layers) }),
  };
}

/** Writes the case's model as transformers would. */
export async function writeFamily(
  config: Record<string, unknown>,
  folder: string,
  dtype: 'F32' | 'BF16' = 'F32',
): Promise<void> {
  const model = await familyModel(config);
  const tensors = [...model.weights.parameters.byName.values()].map((one) => ({
    name: storedName(model.architecture, one.name),
    dtype,
    shape: one.shape,
    values: one.data,
  }));
  await fs.writeFile(path.join(folder, 'config.json'), JSON.stringify(config));
  await writeSafetensors(path.join(folder, 'model.safetensors'), tensors);
  await model.dispose();
}

/** Cases that are tried on a GPU. */
export const ON_GPU = casesOf(['gemma2', 'phi3 longrope']);

/** What a model gives of the golden batch. */
export interface Given {
  readonly logits: Float32Array;
  /** Tokens across the windows' and the tables' borders, with a cache and without. */
  readonly tokens: readonly number[];
  readonly uncached: readonly number[];
  readonly loss: number;
  /** An adapter's gradients with checkpointing, and without. */
  readonly gradients: readonly Float32Array[];
}

/** By default tokens are not tried, and gradients with checkpointing alone. */
export async function givenBy(model: CausalLM, newTokens = IS_ALL ? 12 : 0): Promise<Given> {
  const { logits } = await model.forward({ inputIds: ids });
  const greedy = async (useCache: boolean): Promise<number[]> => {
    const asked = { inputIds: [ids[0].slice(0, prompt)], maxNewTokens: newTokens, useCache };
    const { newTokens: rows } = await model.generate({
      ...{ ...asked, eosTokenId: null, padTokenId: 0, doSample: false, dtype: 'float32' },
    });
    return rows[0];
  };
  const tokens = newTokens === 0 ? [] : await greedy(true);
  const uncached = newTokens === 0 ? [] : await greedy(false);
  putAdapter(model);
  const attentionMask = ids.map((row) => row.map(() => 1));
  const batch = goldenBatch({ inputIds: ids, attentionMask, labels: ids });
  const request = { batch, lossScale: 1 / countLabels(batch), accumulate: false };
  let loss = NaN;
  const gradients: Float32Array[] = [];
  for (const gradientCheckpointing of IS_ALL ? [true, false] : [true]) {
    const made = allocateGradients(model.trainableParameters());
    loss = await forwardBackward(model, made, { ...request, gradientCheckpointing });
    gradients.push(made.flat);
  }
  return { logits: logits.data.slice(), tokens, uncached, loss, gradients };
}

const norm = (values: Float32Array): number =>
  Math.sqrt(values.reduce((sum, x) => sum + x * x, 0) / values.length);

/** Within `relative` of what the values come to (their root mean square). */
export function assertGiven(got: Given, wanted: Given, relative: number): void {
  const within = (values: Float32Array): Tolerance => ({ absolute: relative * norm(values), relative });
  assertClose(got.logits, wanted.logits, within(wanted.logits), 'logits');
  assert.ok(Math.abs(got.loss - wanted.loss) < relative * wanted.loss, `loss ${got.loss}, ${wanted.loss}`);
  assert.equal(got.gradients.length, wanted.gradients.length);
  for (const [way, values] of wanted.gradients.entries())
    assertClose(got.gradients[way], values, within(values), `gradients ${way}`);
  assert.deepEqual(got.tokens, wanted.tokens, 'with a cache');
  assert.deepEqual(got.uncached, wanted.tokens, 'without a cache');
}
