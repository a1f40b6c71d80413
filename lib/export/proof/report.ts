/** `export-report.json` beside exports: what each file is, and how far its answers are from the model's. */
import path from 'node:path';
import { readJsonObjectIfPresent, writeFileAtomic } from '../../files';
import { addCardSection } from '../../pretrained';
import type { Agreement } from './agreement';
import type { Proof } from './prove';

const REPORT = 'export-report.json';

/** What is known of one export. */
export interface ExportEntry {
  /** 'gguf', 'onnx', ... */
  readonly target: string;
  readonly type: string;
  readonly model: string;
  /** Whether the file was read back and its values compared. */
  readonly isReadBack: boolean;
  /** JSON has no undefined: null where answers were not compared. */
  readonly agreement: Agreement | null;
  readonly isProven: boolean;
  readonly words: readonly string[];
}

/**
 * Adds an export to the report of its folder, and to the folder's model card where tunebook wrote one; what they say of
 * other files stays.
 * @returns the report's path
 */
export async function writeExportReport(
  file: string,
  { agreement, ...found }: Omit<ExportEntry, 'agreement' | 'isReadBack'> & Pick<Proof, 'agreement'>,
): Promise<string> {
  const entry: ExportEntry = { ...found, isReadBack: true, agreement: agreement ?? null };
  const report = path.join(path.dirname(path.resolve(file)), REPORT);
  const before = (await readJsonObjectIfPresent(report)) ?? {};
  const exports = { ...before, [path.basename(file)]: entry };
  await writeFileAtomic(report, `${JSON.stringify(exports, null, 2)}\n`);
  await addCardSection(path.dirname(report), {
    title: `Export ${path.basename(file)}`,
    text: `${entry.target}, ${entry.type}. ${entry.words.join(' ')}`,
  });
  return report;
}
