/** Which families each version of transformers.js knows by config.json's `model_type`, and what it takes for granted. */
import type { Architecture } from '../../models';
import { TunebookError } from '../../types';
import type { OnnxTarget } from './onnx-types';

/** Those of transformers.js 4.3's list of causal models (models/registry.js) that load here. */
const TYPES_4 = [
  ...['gpt2', 'llama', 'mistral', 'ministral', 'qwen2', 'qwen3', 'smollm3', 'gemma', 'gemma2', 'gemma3_text'],
  ...['phi3', 'olmo2', 'olmo3', 'granite', 'stablelm', 'starcoder2', 'cohere', 'gpt_neox'],
];
/** Those of @xenova/transformers 2.17 (models.js). */
const TYPES_2 = ['gpt2', 'llama', 'mistral', 'qwen2', 'stablelm', 'starcoder2', 'gpt_neox'];

const RUNTIMES: Readonly<Record<OnnxTarget, { readonly name: string; readonly types: readonly string[] }>> = {
  'transformers.js': { name: 'transformers.js 4', types: TYPES_4 },
  'transformers.js-2': { name: 'transformers.js 2', types: TYPES_2 },
};

const INSTEAD = 'keep the checkpoint, which transformers loads';

/** @throws TunebookError for a model that the runtime would not load. */
export function requireKnownFamily(architecture: Architecture, target: OnnxTarget, where: string): void {
  const { modelType } = architecture;
  const { name, types } = RUNTIMES[target];
  if (!types.includes(modelType)) {
    const other = target === 'transformers.js-2' && TYPES_4.includes(modelType);
    throw new TunebookError(
      `${where}: expected a model of type ${types.join(', ')}, which ${name} loads, got ${modelType}. ` +
        `It would refuse the folder: ${other ? 'export for transformers.js 4' : INSTEAD}.`,
    );
  }
  if (target === 'transformers.js-2') requireCacheOfVersion2(architecture, where);
}

/** transformers.js 2 makes an empty cache by config.json; later versions ask the graph. */
function requireCacheOfVersion2(
  { modelType, width, heads, keyValueHeads, headSize }: Architecture,
  where: string,
): void {
  // It does not read num_key_value_heads of these.
  const wantedHeads = ['stablelm', 'gpt_neox', 'gpt2'].includes(modelType) ? heads : keyValueHeads;
  if (headSize === width / heads && keyValueHeads === wantedHeads) return;
  throw new TunebookError(
    `${where}: expected a ${modelType} as transformers.js 2 takes it for granted, ${wantedHeads} key-value heads of ` +
      `${width / heads} numbers, got ${keyValueHeads} of ${headSize}: it would make a cache of another shape. ` +
      'Export for transformers.js 4.',
  );
}
