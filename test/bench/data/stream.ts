/**
 * A file larger than memory: every record of a JSONL file goes through a trainer once, mixed in a buffer, in a process of
 * its own so that the peak memory is the job's. To reach: 1 GB of records in under 1 GB. The model is as small as can be:
 * what is measured is the data's way.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { streamExamples, streamRecords } from '../../../lib/dataset';
import { AutoModelForCausalLM } from '../../../lib/pretrained';
import { Trainer, TrainingArguments } from '../../../lib/trainer';
import type { Tokenizer } from '../../../lib/types';

const LIMIT_BYTES = 1e9;
const BUFFER = 10_000;
const BATCH = 512;
/** Letters of a record. */
const LETTERS = 1000;

/** Figures of one run. */
export interface StreamBench {
  readonly fileBytes: number;
  readonly records: number;
  readonly steps: number;
  readonly seconds: number;
  readonly megabytesPerSecond: number;
  readonly peakBytes: number;
  readonly reached: boolean;
}

/** Writes the file, trains on it in a child process and measures that. */
export function benchStream(megabytes: number = 1000): StreamBench {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-bench-'));
  try {
    const file = path.join(folder, 'texts.jsonl');
    const records = writeRecords(file, megabytes);
    const words = [__filename, file, String(records), path.join(folder, 'run')];
    const child = spawnSync(process.execPath, words, { encoding: 'utf8' });
    if (child.status !== 0) throw new Error(`bench stream: the run failed\n${child.stderr}`);
    const measured = JSON.parse(child.stdout) as Pick<StreamBench, 'steps' | 'seconds' | 'peakBytes'>;
    const fileBytes = fs.statSync(file).size;
    return {
      ...{ fileBytes, records, ...measured },
      megabytesPerSecond: fileBytes / 1e6 / measured.seconds,
      reached: measured.peakBytes < LIMIT_BYTES,
    };
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

function writeRecords(file: string, megabytes: number): number {
  const output = fs.openSync(file, 'w');
  let [records, bytes] = [0, 0];
  while (bytes < megabytes * 1e6) {
    const lines = Array.from({ length: 1000 }, () => {
      const text = `record ${records++} `.repeat(Math.ceil(LETTERS / 10)).slice(0, LETTERS);
      return `${JSON.stringify({ text })}\n`;
    });
    bytes += fs.writeSync(output, lines.join(''));
  }
  fs.closeSync(output);
  return records;
}

/** The measured job: one pass. */
async function measured(file: string, records: number, outputDir: string): Promise<void> {
  const tokenizer: Tokenizer = {
    ...{ vocabSize: 53, bosTokenId: undefined, eosTokenId: 0, padTokenId: 0, modelMaxLength: 8 },
    encode: (text) => Array.from(text.slice(0, 8), (letter) => letter.charCodeAt(0) % 53),
    decode: (ids) => String(ids),
  };
  const stream = streamRecords(file, { shuffleBuffer: BUFFER });
  const trainDataset = streamExamples(stream, { tokenizer, format: 'text' });
  const model = await AutoModelForCausalLM.fromConfig(
    { model_type: 'gpt2', vocab_size: 53, n_positions: 8, n_embd: 8, n_layer: 1, n_head: 1 },
    { seed: 3, engine: { threads: 1 } },
  );
  const maxSteps = Math.floor(records / BATCH);
  const args = new TrainingArguments({
    ...{ outputDir, maxSteps, perDeviceTrainBatchSize: BATCH, loggingSteps: 1000 },
    ...{ preflight: false, dropout: false, saveStrategy: 'no', reportTo: 'none' },
  });
  const start = performance.now();
  const { globalStep } = await new Trainer({ model, args, trainDataset, callbacks: [] }).train();
  const seconds = (performance.now() - start) / 1000;
  const peakBytes = process.resourceUsage().maxRSS * 1024;
  console.log(JSON.stringify({ steps: globalStep, seconds, peakBytes }));
}

if (require.main === module && process.argv[4] !== undefined)
  void measured(process.argv[2], Number(process.argv[3]), process.argv[4]);
