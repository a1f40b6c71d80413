/**
 * A result file to a label file in one call: what `tunebook dataset build` does.
 */
import fs from 'node:fs';
import path from 'node:path';
import { labelAsPublished, type FeedbackRecord } from './as-published.js';
import { readRaces } from './read.js';

export interface BuildOptions {
  /** Result file. */
  input: string;
  /** JSONL to write. */
  output: string;
  mode: 'asPublished';
}

/** Reads, labels and writes. */
export async function buildDataset(options: BuildOptions): Promise<{ output: string; records: number }> {
  const { table } = readRaces(options.input, { onProblem: 'keep' });
  const { records } = labelAsPublished(table);
  writeJsonLines(options.output, records);
  return { output: options.output, records: records.length };
}

/** Writes beside the target and renames. */
export function writeJsonLines(file: string, records: readonly FeedbackRecord[]): void {
  const temporary = path.join(path.dirname(file), `.${path.basename(file)}.${process.pid}.tmp`);
  try {
    fs.writeFileSync(temporary, records.map((record) => `${JSON.stringify(record)}\n`).join(''));
    fs.renameSync(temporary, file);
  } finally {
    fs.rmSync(temporary, { force: true });
  }
}
