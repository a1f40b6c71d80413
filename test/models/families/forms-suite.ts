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

/** One case for each feature of the decoders. */
export const REPRESENTATIVES = [
  'qwen2 with a window', // biases of queries, keys and values; a window in the upper layers
  'qwen3', // norms of heads, tied
  'gemma2', // soft caps, norms after, alternating windows, tied, gains plus one
  'gemma3', // two rotary bases
  'phi3 longrope', // fused projections, rotary tables by length
  'phi4-mini', // partial rotary
  'olmo3', // norms of whole projections, after alone; yarn
  'smollm3', // layers without positions
  'granite', // scales
  'stablelm parallel', // parallel residual, LayerNorm
  'starcoder2', // no gate, biases everywhere
  'cohere', // logit scale, rotary pairs side by side
  'glm4', // fused gate and up, biases
  'pythia', // queries, keys and values interleaved
] as const;

export type Representative = (typeof REPRESENTATIVES)[number];

export function configOf(name: Representative): Record<string, unknown> {
  return cases[name].config;
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

/** Whether all cases are tried in all forms, which takes two minutes (TUNEBOOK_LONG_TESTS=1), or a choice in which each is tried once. */
export const IS_ALL = LONG.skip === false;

/** Cases that are tried on a GPU. */
export const ON_GPU: readonly Representative[] = IS_ALL ? REPRESENTATIVES : ['gemma2', 'phi3 longrope'];

/** Logits, tokens across the windows' and the tables' borders, and an adapter's gradients with checkpointing. */
export interface Given {
  readonly logits: Float32Array;
  readonly tokens: readonly number[];
  readonly gradients: Float32Array;
}

export async function givenBy(model: CausalLM, newTokens = IS_ALL ? 12 : 0): Promise<Given> {
  const { logits } = await model.forward({ inputIds: ids });
  const asked = {
    inputIds: [ids[0].slice(0, prompt)],
    maxNewTokens: newTokens,
    eosTokenId: null,
    doSample: false,
  };
  const tokens = newTokens === 0 ? [] : (await model.generate({ ...asked, dtype: 'float32' })).newTokens[0];
  putAdapter(model);
  const attentionMask = ids.map((row) => row.map(() => 1));
  const batch = goldenBatch({ inputIds: ids, attentionMask, labels: ids });
  const gradients = allocateGradients(model.trainableParameters());
  const request = { batch, lossScale: 1 / countLabels(batch), accumulate: false };
  await forwardBackward(model, gradients, { ...request, gradientCheckpointing: true });
  return { logits: logits.data.slice(), tokens, gradients: gradients.flat };
}

const norm = (values: Float32Array): number =>
  Math.sqrt(values.reduce((sum, x) => sum + x * x, 0) / values.length);

/** Within `relative` of what the values come to (their root mean square). */
export function assertGiven(got: Given, wanted: Given, relative: number): void {
  const within = (values: Float32Array): Tolerance => ({ absolute: relative * norm(values), relative });
  assertClose(got.logits, wanted.logits, within(wanted.logits), 'logits');
  assertClose(got.gradients, wanted.gradients, within(wanted.gradients), 'gradients');
  assert.deepEqual(got.tokens, wanted.tokens);
}
