/** A written folder in transformers.js 4 as people use it: files read by their names, a batch padded on the left. */
import { createRequire } from 'node:module';
import path from 'node:path';
import type * as Transformers from '@xenova/transformers';

/** Greedy answers to prompts, in one batch. */
export async function answersOfTransformers(
  folder: string,
  prompts: readonly string[],
  maxNewTokens: number,
): Promise<string[]> {
  const { AutoModelForCausalLM, AutoTokenizer } = createRequire(__filename)(
    '@xenova/transformers',
  ) as typeof Transformers;
  const from = { local_files_only: true } as const;
  const tokenizer = await AutoTokenizer.from_pretrained(path.resolve(folder), from);
  tokenizer.padding_side = 'left';
  const model = await AutoModelForCausalLM.from_pretrained(path.resolve(folder), { ...from, dtype: 'fp32' });
  try {
    const inputs = tokenizer([...prompts], { padding: true }) as { input_ids: Transformers.Tensor };
    const length = inputs.input_ids.dims[1];
    const options = { ...inputs, max_new_tokens: maxNewTokens, do_sample: false };
    const output = (await model.generate(options as never)) as Transformers.Tensor;
    const rows = output.slice(null, [length, output.dims[1]]);
    return tokenizer.batch_decode(rows, { skip_special_tokens: true });
  } finally {
    await model.dispose();
  }
}
