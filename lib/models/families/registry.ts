/**
 * The families of models by config.json's `model_type`. To add one: a row of `DECODER_FAMILIES`, a file that describes it
 * and a line here, or `registerFamily` from outside.
 */
import { isJsonObject } from '../../files';
import { quantizationConfigFromJson } from '../../quantization';
import { TunebookError } from '../../types';
import type { Architecture } from './architecture';
import { gpt2 } from './gpt2';
import { gptNeox } from './gpt-neox';
import { gemma3 } from './gemma3';
import { describedDecoder } from './decoder-config';
import { DECODER_FAMILIES } from './decoder-families';
import { whyUnsupported } from './unsupported';

/** Describes the model of a config.json. @throws TunebookError that lists every field that it cannot use */
export type Family = (config: Record<string, unknown>) => Architecture;

const FAMILIES = new Map<string, Family>([
  ['gpt2', gpt2],
  ['gpt_neox', gptNeox],
  ['gemma3', gemma3],
  ...Object.entries(DECODER_FAMILIES).map(([modelType, family]): [string, Family] => [
    modelType,
    (config) => describedDecoder(modelType, family, config),
  ]),
]);

/**
 * Makes models of another `model_type` known: they load, train, take adapters, generate and are saved as the
 * built-in ones.
 * @throws TunebookError where the type is known already
 * @example
 * ```ts
 * import { architectureOf, gpt2, registerFamily } from 'tunebook/models';
 *
 * registerFamily('my-gpt2', (config) => ({ ...gpt2({ ...config, model_type: 'gpt2' }), modelType: 'my-gpt2' }));
 * console.log(architectureOf({ model_type: 'my-gpt2', n_layer: 2 }).layers); // 2
 * ```
 */
export function registerFamily(modelType: string, family: Family): void {
  if (FAMILIES.has(modelType)) {
    throw new TunebookError(
      `registerFamily: expected a new model_type, got '${modelType}', which is known. Choose another name.`,
    );
  }
  FAMILIES.set(modelType, family);
}

/**
 * Describes the model of a config.json without allocating it.
 * @throws TunebookError for a family, or a quantization of the weights, that is not supported; it names the nearest that is
 */
export function architectureOf(config: Record<string, unknown>): Architecture {
  const { model_type: modelType } = config;
  const family = typeof modelType === 'string' ? FAMILIES.get(modelType) : undefined;
  if (family !== undefined) {
    for (const half of [config, config.text_config]) if (isJsonObject(half)) quantizationConfigFromJson(half);
    return family(config);
  }
  const why = typeof modelType === 'string' ? whyUnsupported(modelType) : undefined;
  throw new TunebookError(
    why ??
      `config.json: expected model_type ${[...FAMILIES.keys()].join(' or ')}, got ${JSON.stringify(modelType)}. ` +
        'Choose a model of one of these types, or describe it: see registerFamily.',
  );
}
