/**
 * A checkpoint opened for its weights alone: they are read one by one, for what passes through memory once. What a
 * checkpoint says against its configuration is found here: its quantization, and a head of its own.
 */
import path from 'node:path';
import { openCheckpoint } from '../checkpoint';
import type { Checkpoint } from '../checkpoint';
import { readJsonObject, readJsonObjectIfPresent } from '../files';
import { resolveModelFolder } from '../hub';
import type { HubOptions } from '../hub';
import { architectureOf, CheckpointWeights, isTied } from '../models';
import type { Architecture } from '../models';
import { quantizationConfigFromJson } from '../quantization';
import type { QuantizationConfig } from '../quantization';
import { sizeOf } from '../tensor';
import { TunebookError } from '../types';

/** How weights are read. */
export interface OpenPretrainedOptions {
  /** Quantizes linear weights as they are read, for those that an adapter was trained on. */
  quantizationConfig?: QuantizationConfig;
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
  const { folder, written } = await usableModel(idOrFolder);
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

/**
 * A model's folder and its config.json as it is written. One that cannot be used is refused before its weights are
 * downloaded or opened.
 */
export async function usableModel(
  idOrFolder: string,
  hub: HubOptions = {},
): Promise<{ readonly folder: string; readonly written: Record<string, unknown> }> {
  const usableConfig = async (folder: string): Promise<Record<string, unknown>> => {
    const remedy = 'Download or save the model again.';
    const config = await readJsonObject(path.join(folder, 'config.json'), { remedy });
    architectureOf(config);
    return config;
  };
  const folder = await resolveModelFolder(
    idOrFolder,
    hub,
    async (fetched) => void (await usableConfig(fetched)),
  );
  return { folder, written: await usableConfig(folder) };
}

/** A checkpoint's own quantization, which cannot be overridden. */
export function quantizationOf(
  folder: string,
  config: Readonly<Record<string, unknown>>,
  wanted: QuantizationConfig | undefined,
): QuantizationConfig | undefined {
  const stored = quantizationConfigFromJson(config);
  if (stored === undefined) return wanted;
  if (wanted !== undefined && wanted.description !== stored.description) {
    throw new TunebookError(
      `${folder}: its weights are quantized already (${stored.description}) and cannot be quantized otherwise ` +
        `(${wanted.description}). Leave quantizationConfig out, or load the 16-bit model.`,
    );
  }
  return stored;
}

const HEAD = 'lm_head.weight';
/** Values compared at a time. */
const PIECE = 1 << 20;

/**
 * The configuration, untied if the checkpoint's head differs from the embedding, as in transformers; a warning says
 * so.
 */
export async function untiedWhereHeadDiffers(
  config: Readonly<Record<string, unknown>>,
  checkpoint: Checkpoint,
): Promise<Record<string, unknown>> {
  const architecture = architectureOf({ ...config });
  const { tokenEmbedding, prefix } = architecture;
  if (!isTied(architecture)) return { ...config };
  const stored = (...names: string[]): string | undefined =>
    checkpoint.names.find((name) => names.includes(architecture.canonicalName?.(name) ?? name));
  const [head, embedding] = [stored(HEAD), stored(prefix + tokenEmbedding, tokenEmbedding)];
  if (head === undefined || embedding === undefined) return { ...config };
  if (await isSame(checkpoint, head, embedding)) return { ...config };
  console.warn(
    `${checkpoint.folder}: config.json ties the head to the embedding, but ${head} has other values: it is used as it is. ` +
      'Set tie_word_embeddings to false there.',
  );
  return { ...config, tie_word_embeddings: false };
}

async function isSame(checkpoint: Checkpoint, a: string, b: string): Promise<boolean> {
  const [one, other] = [checkpoint.info(a), checkpoint.info(b)];
  const size = sizeOf(one.shape);
  if (size !== sizeOf(other.shape)) return false;
  // Codes of MLX are no numbers that can be read as such.
  if (one.dtype === 'U32' || other.dtype === 'U32')
    return Buffer.compare(await checkpoint.readBytes(a), await checkpoint.readBytes(b)) === 0;
  for (let start = 0; start < size; start += PIECE) {
    const range = { start, count: Math.min(PIECE, size - start) };
    const [left, right] = [await checkpoint.read(a, range), await checkpoint.read(b, range)];
    if (left.some((value, i) => value !== right[i])) return false;
  }
  return true;
}
