/** Token embedding and head with another number of rows. */
import { TunebookError } from '../../types';
import { sizeOf } from '../../tensor';
import type { Architecture } from '../families/architecture';
import { overwrite, restore } from './frozen-layers';
import type { FrozenLayers, StoredWeight } from './frozen-layers';
import { allocateParameters } from './parameters';
import type { ParameterSet } from './parameters';

interface Resizable {
  readonly architecture: Architecture;
  readonly parameters: ParameterSet;
  readonly frozen?: FrozenLayers;
}

/**
 * The same model with tables of `vocabSize` rows; tables of 16 bits are changed where they are. New rows are the mean
 * of those there are, so that no new token is likelier than others (Hewitt 2021, as transformers does to rounding).
 * @throws TunebookError where the size is none
 */
export function resizedVocabulary(
  { architecture, parameters, frozen }: Resizable,
  vocabSize: number,
): { architecture: Architecture; parameters: ParameterSet; gainedCount: number } {
  if (!Number.isInteger(vocabSize) || vocabSize < 1) {
    throw new TunebookError(`resizeTokenEmbeddings: expected a number of tokens from 1, got ${vocabSize}.`);
  }
  const tables = new Set([architecture.tokenEmbedding, architecture.head]);
  const shape = [vocabSize, architecture.width];
  const resized: Architecture = {
    ...architecture,
    vocabSize,
    parameters: architecture.parameters.map((spec) => (tables.has(spec.name) ? { ...spec, shape } : spec)),
    toJson: () => ({ ...architecture.toJson(), vocab_size: vocabSize }),
  };
  const kept = allocateParameters(resized.parameters.filter(({ name }) => parameters.byName.has(name)));
  for (const { name, data } of kept.byName.values()) {
    const before = parameters.byName.get(name)?.data ?? data;
    if (tables.has(name)) copyRows(before, data, architecture.width);
    else data.set(before);
  }
  let gainedCount = 0;
  for (const name of tables) {
    const stored = frozen?.tables?.get(name);
    if (stored === undefined) continue;
    const values: Float32Array = new Float32Array(sizeOf(shape));
    copyRows(restore(stored, new Float32Array(sizeOf(stored.shape))), values, architecture.width);
    const bytes = new Uint8Array(2 * values.length);
    const table: StoredWeight = { dtype: stored.dtype, shape, bytes };
    overwrite(table, values);
    frozen?.tables?.set(name, table);
    frozen?.deviceTables?.delete(name);
    gainedCount += values.length - sizeOf(stored.shape);
  }
  return { architecture: resized, parameters: kept, gainedCount };
}

function copyRows(from: Float32Array, to: Float32Array, width: number): void {
  to.set(from.subarray(0, Math.min(from.length, to.length)));
  if (to.length <= from.length) return;
  const mean = new Float64Array(width);
  for (const [i, value] of from.entries()) mean[i % width] += value;
  const rows = from.length / width;
  for (let i = from.length; i < to.length; i++) to[i] = mean[i % width] / rows;
}
