/** A checkpoint opened for its weights alone: they are read one by one, for what passes through memory once. */
import path from 'node:path';
import { openCheckpoint } from '../checkpoint';
import type { Checkpoint } from '../checkpoint';
import { readJsonObject, readJsonObjectIfPresent } from '../files';
import { resolveModelFolder } from '../hub';
import { architectureOf, CheckpointWeights } from '../models';
import type { Architecture } from '../models';
import type { BitsAndBytesConfig } from '../quantization';
import { quantizationOf } from './auto';
import { untiedWhereHeadDiffers } from './own-head';

/** How weights are read. */
export interface OpenPretrainedOptions {
  /** Quantizes linear weights as they are read, for those that an adapter was trained on. */
  quantizationConfig?: BitsAndBytesConfig;
}

/** A checkpoint whose weights are read when they are asked for; `close` it when done. */
export interface OpenPretrained {
  readonly folder: string;
  readonly architecture: Architecture;
  readonly checkpoint: Checkpoint;
  readonly weights: CheckpointWeights;
  readonly generationConfig: Readonly<Record<string, unknown>> | undefined;
  close(): Promise<void>;
}

/**
 * Opens a checkpoint as `AutoModelForCausalLM.fromPretrained` does, and reads no weight yet.
 * @throws {TunebookError} Where files are missing, damaged or of another model; every wrong tensor is listed.
 */
export async function openPretrained(
  idOrFolder: string,
  { quantizationConfig }: OpenPretrainedOptions = {},
): Promise<OpenPretrained> {
  const folder = await resolveModelFolder(idOrFolder);
  const written = await readJsonObject(path.join(folder, 'config.json'), {
    remedy: 'Download or save the model again.',
  });
  architectureOf(written); // a configuration that cannot be used is refused before the weights are opened
  const checkpoint = await openCheckpoint(folder);
  try {
    await checkpoint.verify();
    const config = await untiedWhereHeadDiffers(written, checkpoint);
    const architecture = architectureOf(config);
    const weights = new CheckpointWeights(architecture, checkpoint, {
      quantization: quantizationOf(folder, config, quantizationConfig),
      keepStored: true,
    });
    const generationConfig = await readJsonObjectIfPresent(path.join(folder, 'generation_config.json'));
    return { folder, architecture, checkpoint, weights, generationConfig, close: () => checkpoint.close() };
  } catch (error) {
    await checkpoint.close();
    throw error;
  }
}
