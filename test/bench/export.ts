/**
 * A tuned model in other runtimes against tunebook, over the test records of its run: the same texts, how many are exactly
 * the record's, and how near a tie was where a text differs. Needs node-llama-cpp (TUNEBOOK_LLAMA_CPP) and chromium.
 */
import { promises as fs } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { instructionTemplate, loadRecords } from '../../lib/dataset';
import { openModelSource } from '../../lib/export/source/open-source';
import { isFolder } from '../../lib/files';
import { textGenerator } from '../../lib/generation';
import { segmentF1, verdictAccuracy } from '../../lib/hyrox';
import { loadPrompt } from '../../lib/prompts';
import { quantizationConfigOf } from '../../lib/quantization';
import { exportRuntimes } from './export-runtimes';
import type { Asked } from './export-runtimes';
import { modelOf } from './export-weights';
import { marginOf } from './margin';

/** What one type gave in one runtime. */
export interface ExportBench {
  readonly runtime: string;
  readonly type: string;
  readonly rows: number;
  readonly sameText: number;
  /** Of the other texts: those that tunebook gives too with the weights as the file has them. */
  readonly byWeights: number;
  /** The task, in tunebook and there. */
  readonly here: TaskFigures;
  readonly there: TaskFigures;
  /** Where texts differ first: how much likelier tunebook's token is than its second, in nats; rows in order. */
  readonly margins: readonly number[];
  readonly megabytes: number;
  readonly seconds: number;
}

/** How right answers are: those that are the record's, the share of right verdicts, micro F1 of the segments. */
export interface TaskFigures {
  readonly exact: number;
  readonly verdicts: number | null;
  readonly segments: number | null;
}

/** What is compared. */
export interface ExportBenchOptions {
  readonly rows?: number;
  readonly system?: string;
  /** Parts of runtimes' names and types, with commas between them: 'browser fp32,transformers.js'. */
  readonly only?: string;
  /** Folder that @xenova/transformers 2 is installed into. */
  readonly transformers2?: string;
}

/** As many as notebook 02 takes, the longer of the two. */
const MAX_NEW_TOKENS = 112;

/**
 * @param folder what a run wrote: `model` or `adapter`, and `splits/test.jsonl`
 * @param onType called as each type is done
 */
export async function benchExport(
  folder: string,
  { rows = 160, system, only = '', transformers2 }: ExportBenchOptions,
  onType: (result: ExportBench) => void,
): Promise<ExportBench[]> {
  const isAdapter = await isFolder(path.join(folder, 'adapter'));
  const place = path.join(folder, isAdapter ? 'adapter' : 'model');
  const quantizationConfig = quantizationConfigOf(isAdapter ? 'nf4' : undefined);
  const { records: all } = await loadRecords(path.join(folder, 'splits', 'test.jsonl'));
  const records = all.slice(0, rows);
  const template = (await loadPrompt(place))?.template;
  const form = system === undefined && template !== undefined ? template : instructionTemplate({ system });
  const prompts = records.map((record) => form.formatPrompt(record));
  const source = await openModelSource(place, { quantizationConfig }, 'bench');
  const { tokenizer } = source;
  const { model, close } = await source.open();
  const asked: Asked = {
    ...{ place, quantizationConfig, tokenizer, prompts, maxNewTokens: MAX_NEW_TOKENS },
    vocabSize: source.weights.architecture.vocabSize,
    records: records.map((record) =>
      Object.fromEntries(Object.entries(record).map(([field, value]) => [field, String(value)])),
    ),
  };
  // A 4-bit base would answer by codes of 8 bits, which round activations as no export does.
  const here = await textGenerator({
    ...{ model, tokenizer, maxNewTokens: MAX_NEW_TOKENS, doSample: false, dtype: 'float32' },
  })(prompts);
  const truths = records.map((record) => form.formatResponse(record));
  const figures = (answers: readonly string[]): TaskFigures => ({
    exact: answers.filter((answer, i) => answer.trim() === truths[i].trim()).length,
    verdicts: verdictAccuracy(truths, answers).accuracy,
    segments: segmentF1(truths, answers).micro,
  });

  const results: ExportBench[] = [];
  for (const runtime of exportRuntimes(transformers2)) {
    const { name, type } = runtime;
    if (!only.split(',').some((part) => `${name} ${type}`.includes(part))) continue;
    const scratch = await fs.mkdtemp(path.join(os.tmpdir(), 'tunebook-bench-'));
    try {
      const runner = await runtime.open(scratch, asked);
      const there: string[] = [];
      const started = performance.now();
      for (let row = 0; row < prompts.length; row++) there.push(await runner.answer(row));
      const seconds = (performance.now() - started) / 1000;
      await runner.close();
      const differing = [...there.keys()].filter((row) => there[row] !== here[row]);
      const margins: number[] = [];
      for (const row of differing) {
        const texts = { prompt: prompts[row], here: here[row], there: there[row] };
        margins.push(await marginOf({ model, tokenizer, maxNewTokens: MAX_NEW_TOKENS }, texts));
      }
      let byWeights = 0;
      if (differing.length > 0) {
        const restored = await modelOf(source.weights, runtime.roundTrip(source.weights));
        const answers = await textGenerator({
          ...{ model: restored, tokenizer, maxNewTokens: MAX_NEW_TOKENS, doSample: false, dtype: 'float32' },
        })(differing.map((row) => prompts[row]));
        await restored.dispose();
        byWeights = differing.filter((row, i) => there[row] === answers[i]).length;
      }
      const result = {
        ...{ runtime: name, type, rows: prompts.length, here: figures(here), there: figures(there) },
        ...{
          ...{ sameText: prompts.length - margins.length, byWeights, margins },
          megabytes: runner.megabytes,
          seconds,
        },
      };
      results.push(result);
      onType(result);
    } finally {
      await fs.rm(scratch, { recursive: true, force: true });
    }
  }
  await close();
  await source.close();
  return results;
}
