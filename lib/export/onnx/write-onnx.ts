/**
 * The `.onnx` files of a model: laid out first, so that a disk without room is found before the first byte, written beside their
 * places, and put there together.
 */
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { makeFolder, requireFreeSpace, stageFile } from '../../files';
import type { ByteSink, StagedFile } from '../../files';
import { TunebookError } from '../../types';
import { finiteSource } from '../source/weight-source';
import type { WeightSource } from '../source/weight-source';
import type { ExportProgress } from '../proof/outcome';
import { decoderGraph } from './graph/decoder-graph';
import { onnxFilesOf } from './onnx-file';
import { formOf } from './onnx-types';
import type { OnnxVariant } from './onnx-types';

/** What is written, and how. */
export interface WriteOnnxOptions {
  readonly variants: readonly OnnxVariant[];
  /** Most bytes of weights in one file; default 2e9. */
  readonly maxFileBytes?: number;
  /** What else will be written to that disk. */
  readonly besideBytes?: number;
  /** Called with bytes written, of all, and of the file they are in. */
  readonly onProgress?: ExportProgress;
}

/** A file that was written. */
export interface WrittenOnnx {
  readonly variant: OnnxVariant;
  readonly path: string;
  /** With the weights beside it. */
  readonly sizeBytes: number;
  /** Number of files of weights beside it. */
  readonly dataFiles: number;
}

/**
 * Writes a model's files into `folder`/onnx.
 * @throws TunebookError where the disk has no room; nothing of an older export is touched then
 */
export async function writeOnnxFiles(
  weights: WeightSource,
  folder: string,
  { variants, maxFileBytes, besideBytes = 0, onProgress }: WriteOnnxOptions,
): Promise<WrittenOnnx[]> {
  const place = path.join(folder, 'onnx');
  const outputs = variants.map((variant) => {
    const keepsLogits = variant.target === 'transformers.js';
    const form = formOf(variant, weights.architecture);
    const graph = decoderGraph({ weights: finiteSource(weights), form, keepsLogits });
    const laidOut = onnxFilesOf(graph, variant.fileName, maxFileBytes);
    if (laidOut.dataFiles > 0 && variant.target === 'transformers.js-2') {
      throw new TunebookError(
        `${path.join(place, variant.fileName)}: expected a model of at most 2 GB for transformers.js 2, which reads no ` +
          'weights beside the file, got a larger one. Export for transformers.js 4.',
      );
    }
    return { variant, ...laidOut };
  });
  await makeFolder(place);
  const sizeOf = (files: readonly { sizeBytes: number }[]): number =>
    files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const totalBytes = sizeOf(outputs.flatMap(({ files }) => files));
  await requireFreeSpace(place, totalBytes + besideBytes);
  let doneBytes = 0;
  const staged: StagedFile[] = [];
  try {
    for (const { files } of outputs) {
      for (const { name, write } of files) {
        const counted = (sink: ByteSink): ByteSink => {
          return async (bytes) => {
            await sink(bytes);
            doneBytes += bytes.length;
            onProgress?.(doneBytes, totalBytes, name);
          };
        };
        staged.push(await stageFile(path.join(place, name), (sink) => write(counted(sink))));
      }
    }
    for (const file of staged) await file.commit();
  } catch (error) {
    await Promise.all(staged.map((file) => file.discard().catch(() => undefined)));
    throw error;
  }
  for (const { variant, dataFiles } of outputs) await removeLeftovers(place, variant.fileName, dataFiles);
  return outputs.map(({ variant, files, dataFiles }) => ({
    variant,
    path: path.join(place, variant.fileName),
    sizeBytes: sizeOf(files),
    dataFiles,
  }));
}

/** Weights beside an older file of that name are no part of the new one. */
async function removeLeftovers(place: string, fileName: string, dataFiles: number): Promise<void> {
  for (const name of await fs.readdir(place)) {
    if (!name.startsWith(`${fileName}_data`)) continue;
    const index = name === `${fileName}_data` ? 0 : Number(name.slice(`${fileName}_data_`.length));
    if (index >= dataFiles) await fs.rm(path.join(place, name));
  }
}
