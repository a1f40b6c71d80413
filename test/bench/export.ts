/**
 * A tuned model in llama.cpp against tunebook, over the test records of its run: the same texts, and how many are exactly
 * the record's. Needs node-llama-cpp (TUNEBOOK_LLAMA_CPP).
 */
import { promises as fs } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { instructionTemplate, loadRecords } from '../../lib/dataset';
import { exportGguf } from '../../lib/export';
import { openLlamaCpp } from '../../lib/export/proof/llama-cpp';
import { openModelSource } from '../../lib/export/source/open-source';
import { isFolder } from '../../lib/files';
import { textGenerator } from '../../lib/generation';
import { loadPrompt } from '../../lib/prompts';
import { quantizationConfigOf } from '../../lib/quantization';

/** What one type gave. */
export interface ExportBench {
  readonly type: string;
  readonly rows: number;
  readonly sameText: number;
  /** Answers that are the record's, in tunebook and there. */
  readonly exactHere: number;
  readonly exactThere: number;
  readonly megabytes: number;
}

const TYPES = ['f16', 'q8_0', 'q4_0'] as const;
const MAX_NEW_TOKENS = 80;

/**
 * @param folder what a run wrote: `model` or `adapter`, and `splits/test.jsonl`
 * @param onType called as each type is done
 */
export async function benchExport(
  folder: string,
  { rows = 160, system }: { readonly rows?: number; readonly system?: string },
  onType: (result: ExportBench) => void,
): Promise<ExportBench[]> {
  const isAdapter = await isFolder(path.join(folder, 'adapter'));
  const place = path.join(folder, isAdapter ? 'adapter' : 'model');
  const quantizationConfig = quantizationConfigOf(isAdapter ? 'nf4' : undefined);
  const { records } = await loadRecords(path.join(folder, 'splits', 'test.jsonl'));
  const asked = records.slice(0, rows);
  const template = (await loadPrompt(place))?.template;
  const form = system === undefined && template !== undefined ? template : instructionTemplate({ system });
  const prompts = asked.map((record) => form.formatPrompt(record));
  const source = await openModelSource(place, { quantizationConfig }, 'bench');
  const { tokenizer } = source;
  const { vocabSize } = source.weights.architecture;
  const opened = await source.open();
  const here = await textGenerator({
    ...{ model: opened.model, tokenizer, maxNewTokens: MAX_NEW_TOKENS, doSample: false },
  })(prompts);
  await opened.close();
  await source.close();
  const exact = (answers: readonly string[]): number =>
    answers.filter((answer, i) => answer.trim() === form.formatResponse(asked[i]).trim()).length;
  const scratch = await fs.mkdtemp(path.join(os.tmpdir(), 'tunebook-bench-'));
  const results: ExportBench[] = [];
  try {
    for (const type of TYPES) {
      const file = path.join(scratch, `${type}.gguf`);
      await exportGguf(place, file, { type, quantizationConfig, check: false });
      const llama = await openLlamaCpp(file, { contextSize: 512, vocabSize });
      if (llama === undefined) throw new Error('bench export needs TUNEBOOK_LLAMA_CPP: see .ci/run');
      const there: string[] = [];
      for (const prompt of prompts) {
        const ids = await llama.answer(await llama.promptIds(prompt), MAX_NEW_TOKENS);
        there.push(tokenizer.decode(ids, { skipSpecialTokens: true }));
      }
      await llama.close();
      const result = {
        ...{ type, rows: prompts.length, exactHere: exact(here), exactThere: exact(there) },
        sameText: there.filter((text, i) => text === here[i]).length,
        megabytes: (await fs.stat(file)).size / 1e6,
      };
      results.push(result);
      onType(result);
    }
  } finally {
    await fs.rm(scratch, { recursive: true, force: true });
  }
  return results;
}
