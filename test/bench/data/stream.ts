/**
 * A file larger than memory, in processes of their own so that each peak is its own: gpt2-mini trains a few steps of it;
 * every record is read, mixed in a buffer and encoded once; and a stream that is taken up in the middle has to find the
 * batch that came there. To reach: 10 GB of records in under 1 GB, and the batch in under 5 s.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { streamExamples, streamRecords } from '../../../lib/dataset';
import type { ExampleStream, StreamPosition } from '../../../lib/dataset';
import { AutoModelForCausalLM } from '../../../lib/pretrained';
import { AutoTokenizer } from '../../../lib/tokenizer';
import { Trainer, TrainingArguments } from '../../../lib/trainer';
import type { Tokenizer } from '../../../lib/types';

const LIMIT_BYTES = 1e9;
const LIMIT_FIND_MS = 5000;
const BUFFER = 10_000;
const BATCH = 512;
/** Letters of a record. */
const LETTERS = 1000;
const MINI = { steps: 10, batch: 4, maxLength: 256 };

/** Figures of one run. */
export interface StreamBench {
  readonly fileBytes: number;
  readonly records: number;
  readonly seconds: number;
  readonly megabytesPerSecond: number;
  readonly peakBytes: number;
  /** A stream taken up in the middle. */
  readonly resumed: {
    /** Until the batch that comes after the middle is there. */
    readonly findMs: number;
    /** Whether it is the batch of the pass that never stopped. */
    readonly isSame: boolean;
    readonly peakBytes: number;
  };
  /** gpt2-mini with its tokenizer. */
  readonly mini: { readonly steps: number; readonly loss: number; readonly peakBytes: number };
  readonly reached: boolean;
}

type Pass = Pick<StreamBench, 'records' | 'seconds' | 'peakBytes'> & { readonly next: string };

/**
 * Writes the file, trains on it in child processes and measures those.
 * @param given megabytes of JSONL to write, or a data file, or a folder of them, with records `{ text }` (make_parquet.py)
 */
export function benchStream(
  given: number | string = 1000,
  onPart: (name: string, part: object) => void = () => undefined,
): StreamBench {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-bench-'));
  try {
    const file = typeof given === 'string' ? given : path.join(folder, 'texts.jsonl');
    const records = typeof given === 'number' ? writeRecords(file, given) : countedRecords(file);
    const part = <T extends object>(name: string): T => {
      const words = [__filename, name, file, folder, String(records)];
      const child = spawnSync(process.execPath, words, { encoding: 'utf8' });
      if (child.status !== 0) throw new Error(`bench stream: the ${name} failed\n${child.stderr}`);
      const figures = JSON.parse(child.stdout.trim().split('\n').at(-1) ?? '') as T;
      onPart(name, figures);
      return figures;
    };
    const mini = part<StreamBench['mini']>('mini');
    const { next, ...pass } = part<Pass>('pass');
    const { next: found, ...resumed } = part<{ next: string; findMs: number; peakBytes: number }>('resume');
    const fileBytes = streamRecords(file).files.reduce((sum, one) => sum + fs.statSync(one).size, 0);
    const isSame = found === next;
    const isSmall = [pass, resumed, mini].every(({ peakBytes }) => peakBytes < LIMIT_BYTES);
    return {
      ...{ fileBytes, ...pass, resumed: { ...resumed, isSame }, mini },
      megabytesPerSecond: fileBytes / 1e6 / pass.seconds,
      reached: isSmall && isSame && resumed.findMs < LIMIT_FIND_MS,
    };
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** @returns how many */
function writeRecords(file: string, megabytes: number): number {
  const lines = Array.from({ length: 2 * BUFFER }, (_, record) => {
    const text = `record ${record} `.repeat(Math.ceil(LETTERS / 10)).slice(0, LETTERS);
    return `${JSON.stringify({ text })}\n`;
  });
  const block = Buffer.from(lines.join(''));
  const output = fs.openSync(file, 'w');
  let [records, bytes] = [0, 0];
  for (; bytes < megabytes * 1e6; records += lines.length) bytes += fs.writeSync(output, block);
  fs.closeSync(output);
  return records;
}

/** Those of a file that was given, in a process of its own: reading is asynchronous. */
function countedRecords(file: string): number {
  const child = spawnSync(process.execPath, [__filename, 'count', file, ''], { encoding: 'utf8' });
  if (child.status !== 0) throw new Error(`bench stream: cannot count the records\n${child.stderr}`);
  return Number(child.stdout);
}

/** Letters as tokens: the way of the data without the time of a tokenizer. */
const LETTER_TOKENS: Tokenizer = {
  ...{ vocabSize: 53, bosTokenId: undefined, eosTokenId: 0, padTokenId: 0, modelMaxLength: 8 },
  encode: (text) => Array.from(text.slice(0, 8), (letter) => letter.charCodeAt(0) % 53),
  decode: (ids) => String(ids),
};

const peakBytes = (): number => process.resourceUsage().maxRSS * 1024;

/** Draws every example once; the position in the middle goes to a file, the batch after it is known by its hash. */
async function wholePass(
  file: string,
  { folder, records }: { folder: string; records: number },
): Promise<void> {
  const middle = Math.floor(records / 2);
  const hash = createHash('sha256');
  let count = 0;
  const start = performance.now();
  for await (const { example, next } of examplesOf(file).examples()) {
    count++;
    if (count === middle) fs.writeFileSync(path.join(folder, 'position.json'), JSON.stringify(next));
    else if (count > middle && count <= middle + BATCH) hash.update(JSON.stringify(example));
    if (count === records) break;
  }
  const seconds = (performance.now() - start) / 1000;
  print({ records: count, seconds, peakBytes: peakBytes(), next: hash.digest('hex') });
}

/** The batch after a position. */
async function resumed(file: string, folder: string): Promise<void> {
  const position = JSON.parse(fs.readFileSync(path.join(folder, 'position.json'), 'utf8')) as StreamPosition;
  const hash = createHash('sha256');
  let left = BATCH;
  const start = performance.now();
  for await (const { example } of examplesOf(file).examples(position)) {
    hash.update(JSON.stringify(example));
    if (--left === 0) break;
  }
  print({ findMs: performance.now() - start, peakBytes: peakBytes(), next: hash.digest('hex') });
}

const examplesOf = (file: string): ExampleStream =>
  streamExamples(streamRecords(file, { shuffleBuffer: BUFFER }), {
    ...{ tokenizer: LETTER_TOKENS, format: 'text' },
  });

const print = (figures: object): void => console.log(JSON.stringify(figures));

async function count(file: string): Promise<void> {
  const stream = streamRecords(file);
  if (stream.files.every((one) => one.endsWith('.parquet'))) {
    const { asyncBufferFromFile, parquetMetadataAsync } = await import('hyparquet');
    let rows = 0;
    for (const one of stream.files)
      rows += Number((await parquetMetadataAsync(await asyncBufferFromFile(one))).num_rows);
    console.log(rows);
    return;
  }
  const rows = stream.records();
  while ((await rows.next()).done !== true);
  console.log(stream.counts.records);
}

async function miniSteps(file: string, outputDir: string): Promise<void> {
  const tokenizer = await AutoTokenizer.fromPretrained('gpt2-mini');
  const trainDataset = streamExamples(streamRecords(file, { shuffleBuffer: BUFFER }), {
    ...{ tokenizer, format: 'text', maxLength: MINI.maxLength },
  });
  const model = await AutoModelForCausalLM.fromPretrained('gpt2-mini');
  const args = new TrainingArguments({
    ...{ outputDir, maxSteps: MINI.steps, perDeviceTrainBatchSize: MINI.batch, loggingSteps: 1 },
    ...{ saveStrategy: 'no', reportTo: 'none' },
  });
  const trainer = new Trainer({ model, args, trainDataset, callbacks: [] });
  const { globalStep } = await trainer.train();
  const loss = trainer.state.logHistory.findLast((entry) => entry.loss !== undefined)?.loss;
  print({ steps: globalStep, loss, peakBytes: peakBytes() });
}

if (require.main === module && process.argv[4] !== undefined) {
  const [, , name, file, folder, records] = process.argv;
  if (name === 'count') void count(file);
  else if (name === 'mini') void miniSteps(file, folder);
  else if (name === 'pass') void wholePass(file, { folder, records: Number(records) });
  else void resumed(file, folder);
}
