/**
 * How an adapter's base was quantized while it was trained. PEFT's adapter_config.json has no place for it and would warn of
 * one: `tunebook_base.json` beside it says so, which other tools pass over.
 */
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { isJsonObject, readJsonObjectIfPresent, writeFileAtomic } from '../../files';
import { quantizationConfigFromJson } from '../../quantization';
import type { QuantizationConfig } from '../../quantization';
import { TunebookError } from '../../types';

const FILE = 'tunebook_base.json';

/**
 * Writes it; an older file goes where the base is not quantized.
 * @returns names of the files written
 */
export async function saveBaseQuantization(
  folder: string,
  quantization: QuantizationConfig | undefined,
): Promise<string[]> {
  const file = path.join(folder, FILE);
  if (quantization?.isQuantizing !== true) {
    await fs.rm(file, { force: true });
    return [];
  }
  const content = { version: 1, quantization_config: quantization.toJson() };
  await writeFileAtomic(file, `${JSON.stringify(content, null, 2)}\n`);
  return [FILE];
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
  const file = path.join(adapter, FILE);
  const read = await readJsonObjectIfPresent(file);
  if (read === undefined) return undefined;
  const { version, quantization_config: config } = read;
  if (version !== 1 || !isJsonObject(config))
    throw new TunebookError(
      `${file}: expected version 1 with a quantization_config, got ${JSON.stringify(read).slice(0, 80)}. ` +
        'Save the adapter again, or remove the file and say how the base was quantized.',
    );
  return quantizationConfigFromJson({ quantization_config: config });
}
