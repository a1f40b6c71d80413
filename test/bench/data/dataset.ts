/**
 * How long a label file takes: 170,000 generated athletes x 27 times, CSV to JSONL, in a process of its own so
 * that the peak memory is the job's. To reach: under 60 s and 2 GB on 2 cores.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { generateSample, loadCalibration } from '../../../data/hyrox/generate';
import { buildDataset } from '../../../lib/hyrox';

/** Figures of one run. */
export interface DatasetBench {
  athletes: number;
  records: number;
  csvBytes: number;
  jsonlBytes: number;
  /** Reading, checking, labelling and writing. */
  seconds: number;
  /** Of all threads: says the same on a busy machine. */
  processorSeconds: number;
  peakBytes: number;
  /** Both limits held. */
  reached: boolean;
}

const LIMIT_SECONDS = 60;
const LIMIT_BYTES = 2e9;

/** Generates the table, builds the labels in a child process and measures it. */
export async function benchDataset(athletes: number = 170000): Promise<DatasetBench> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-bench-'));
  try {
    const input = path.join(folder, 'races.csv');
    fs.writeFileSync(input, generateSample(loadCalibration(), { athletes, seed: 7 }));
    const child = spawnSync(process.execPath, [__filename, input, path.join(folder, 'races.jsonl')], {
      encoding: 'utf8',
    });
    if (child.status !== 0) throw new Error(`bench dataset: the build failed\n${child.stderr}`);
    const measured = JSON.parse(child.stdout) as Omit<DatasetBench, 'athletes' | 'csvBytes' | 'reached'>;
    const reached = measured.seconds < LIMIT_SECONDS && measured.peakBytes < LIMIT_BYTES;
    return { athletes, csvBytes: fs.statSync(input).size, ...measured, reached };
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** The measured job. */
async function measured(input: string, output: string): Promise<void> {
  const start = process.hrtime.bigint();
  const before = process.cpuUsage();
  const { records, sizeBytes } = await buildDataset({ input, output });
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  const { user, system } = process.cpuUsage(before);
  const processorSeconds = (user + system) / 1e6;
  const peakBytes = process.resourceUsage().maxRSS * 1024;
  console.log(JSON.stringify({ records, jsonlBytes: sizeBytes, seconds, processorSeconds, peakBytes }));
}

if (require.main === module && process.argv[3] !== undefined) void measured(process.argv[2], process.argv[3]);
