/**
 * What an adapter says of its base: how it was quantized while the adapter was trained, and a few of its weights. PEFT's
 * adapter_config.json has no place for them and would warn: `tunebook_base.json` beside it has, which other tools pass over.
 */
import path from 'node:path';
import { isJsonObject, readJsonObjectIfPresent, writeFileAtomic } from '../../files';
import { differingParameters } from '../../models';
import type { ModelWeights, WeightSample } from '../../models';
import { quantizationConfigFromJson } from '../../quantization';
import type { QuantizationConfig } from '../../quantization';
import { firstOf, TunebookError } from '../../types';

const FILE = 'tunebook_base.json';
/** More digits than float16 and bfloat16 tell apart. */
const DIGITS = 6;

/**
 * Writes it.
 * @returns names of the files written
 */
export async function saveBaseFile(folder: string, weights: ModelWeights): Promise<string[]> {
  const quantization = weights.frozen?.quantization;
  const sample = Object.entries(weights.sample()).map(([name, values]) => [
    name,
    values.map((value) => Number(value.toPrecision(DIGITS))),
  ]);
  const content = {
    version: 1,
    ...(quantization?.isQuantizing === true ? { quantization_config: quantization.toJson() } : {}),
    weights: Object.fromEntries(sample) as WeightSample,
  };
  const text = JSON.stringify(content, null, 2).replace(/\[[^[\]{}]*\]/g, (list) =>
    list.replace(/\s+/g, ' '),
  );
  await writeFileAtomic(path.join(folder, FILE), `${text}\n`);
  return [FILE];
}

/** @throws TunebookError where the file is damaged or of a later version */
async function readBaseFile(
  folder: string,
): Promise<{ quantization: Record<string, unknown> | undefined; sample: WeightSample } | undefined> {
  const file = path.join(folder, FILE);
  const read = await readJsonObjectIfPresent(file);
  if (read === undefined) return undefined;
  const { version, quantization_config: quantization, weights = {} } = read;
  const isRight =
    version === 1 &&
    (quantization === undefined || isJsonObject(quantization)) &&
    isJsonObject(weights) &&
    Object.values(weights).every(
      (values) => Array.isArray(values) && values.every((value) => typeof value === 'number'),
    );
  if (isRight) return { quantization, sample: weights as WeightSample };
  throw new TunebookError(
    `${file}: expected version 1 with a quantization_config or weights, got ${JSON.stringify(read).slice(0, 80)}. ` +
      'Save the adapter again, or remove the file and say how the base was quantized.',
  );
}

/**
 * How the base of a saved adapter is to be quantized.
 * @param adapter its folder; undefined: no adapter
 * @param given what was asked for, which counts more
 * @throws TunebookError where tunebook_base.json is damaged or of a later version
 */
export async function baseQuantization(
  adapter: string | undefined,
  given?: QuantizationConfig,
): Promise<QuantizationConfig | undefined> {
  if (adapter === undefined || given !== undefined) return given;
  const quantization = (await readBaseFile(adapter))?.quantization;
  return quantization && quantizationConfigFromJson({ quantization_config: quantization });
}

/**
 * What is wrong where a model's weights are not those that the adapter was trained on: a sampled one differs by more than
 * its type may round it. Undefined where nothing is, and for an adapter that does not say.
 * @throws TunebookError where tunebook_base.json is damaged or of a later version
 */
export async function otherBaseError(
  folder: string,
  weights: ModelWeights,
): Promise<TunebookError | undefined> {
  const saved = await readBaseFile(folder);
  const differing = saved === undefined ? [] : differingParameters(saved.sample, weights.sample());
  if (differing.length === 0) return undefined;
  return new TunebookError(
    `${folder}: the adapter was made for another base model of this shape: other values in ` +
      `${firstOf(differing, { most: 3, separator: ', ' })}. Load the base that its adapter_config.json names; if you ` +
      `mean this one, remove "weights" from its ${FILE}.`,
  );
}
