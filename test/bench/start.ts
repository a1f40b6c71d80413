/**
 * What people wait for before anything is computed: the command `run` until its first cell has printed, the first import
 * in a cell, and the preflights of the built-in models. To reach: 1.5 s, 0.7 s and 3 s on two quiet cores. Processor time
 * stands beside each wait, since it says the same on a busy machine.
 */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { encodeRecords, instructionTemplate, loadRecords } from '../../lib/dataset';
import { textGenerator } from '../../lib/generation';
import { LoraConfig } from '../../lib/models';
import { AutoModelForCausalLM, getPeftModel } from '../../lib/pretrained';
import type { CausalLM } from '../../lib/pretrained';
import { BitsAndBytesConfig } from '../../lib/quantization';
import { AutoTokenizer } from '../../lib/tokenizer';
import { Trainer, TrainingArguments } from '../../lib/trainer';
import { writeNotebook } from '../../lib/notebook/format';
import { makeNotebook } from '../support/make-notebook';
import { CLI, ROOT } from '../support/paths';
import { median } from './median';
import { benchNotebook } from './notebook';
import { childrenProcessorSeconds } from './processor-time';

/** A wait, and the processor time of all processes behind it. */
export interface Wait {
  readonly seconds: number;
  readonly processorSeconds: number;
}

/** What a start takes. */
export interface StartBench {
  /** From the call of `tunebook run` to the first cell's output. */
  readonly firstOutputSeconds: number;
  /** The same where that cell imports the library. */
  readonly firstImportOutputSeconds: number;
  /** The whole of such a run, its end included. */
  readonly run: Wait;
  /** The cell with the import alone, in a kernel that is there. */
  readonly importSeconds: number;
  /** Preflights by model, as notebooks 01 and 02 set their runs. */
  readonly preflights: Readonly<Record<string, Wait>>;
  /** The limits held. */
  readonly reached: boolean;
}

const LIMITS = { firstOutputSeconds: 1.5, importSeconds: 0.7, preflightSeconds: 3 };
const MARK = 'the first output';

/** Runs a notebook by the command. @returns when its output came and when the command ended, seconds after the call */
function timeRun(notebook: string, output: string): Promise<{ first: number; whole: number }> {
  const started = performance.now();
  const since = (): number => (performance.now() - started) / 1000;
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [CLI, 'run', notebook, '-o', output], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let [first, said] = [NaN, ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      if (Number.isNaN(first) && said.includes(`\n${MARK}`)) first = since();
    });
    child.on('error', reject);
    child.on('close', (status) => {
      if (status === 0 && !Number.isNaN(first)) resolve({ first, whole: since() });
      else reject(new Error(`bench start: the run ended with ${status}: ${said}`));
    });
  });
}

/** Starts a few times and gives medians. */
export async function benchStart(rounds = 5): Promise<StartBench> {
  // In the project, where people's notebooks lie.
  const folder = path.join(ROOT, 'outputs', 'bench', `start-${process.pid}`);
  const write = (name: string, source: string): string => {
    writeNotebook(path.join(folder, name), makeNotebook([source]));
    return path.join(folder, name);
  };
  const output = path.join(folder, 'out.ipynb');
  fs.mkdirSync(folder, { recursive: true });
  try {
    const print = `console.log('${MARK}');`;
    const plain = write('plain.ipynb', print);
    const imports = write('imports.ipynb', `import * as tb from 'tunebook';\n${print}\ntb.projectPath('a');`);
    const times = { plain: [] as number[], imports: [] as number[], whole: [] as number[] };
    const before = childrenProcessorSeconds();
    for (let round = -1; round < rounds; round++) {
      const one = await timeRun(plain, output);
      const other = await timeRun(imports, output);
      if (round < 0) continue;
      times.plain.push(one.first);
      times.imports.push(other.first);
      times.whole.push(other.whole);
    }
    const processorSeconds = (childrenProcessorSeconds() - before) / (2 * rounds + 2);
    const { importSeconds } = await benchNotebook(1);
    const preflights: Record<string, Wait> = {};
    for (const name of ['gpt2-mini', 'mistral-mini'] as const) preflights[name] = await preflightOf(name);
    const firstOutputSeconds = median(times.plain);
    return {
      firstOutputSeconds,
      firstImportOutputSeconds: median(times.imports),
      run: { seconds: median(times.whole), processorSeconds },
      importSeconds,
      preflights,
      reached:
        firstOutputSeconds <= LIMITS.firstOutputSeconds &&
        importSeconds <= LIMITS.importSeconds &&
        Object.values(preflights).every(({ seconds }) => seconds <= LIMITS.preflightSeconds),
    };
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs of the built-in models, as notebooks 01 and 02 set them, and the records that they are watched on. */
const RUNS = {
  'gpt2-mini': {
    args: {
      ...{ maxSteps: 480, perDeviceTrainBatchSize: 2, perDeviceEvalBatchSize: 32, learningRate: 5e-4 },
      ...{ evalSteps: 160, saveSteps: 160, groupByLength: true },
    },
    watched: 96,
  },
  'mistral-mini': {
    args: {
      ...{ maxSteps: 160, perDeviceTrainBatchSize: 8, perDeviceEvalBatchSize: 8, learningRate: 8e-3 },
      ...{ evalSteps: 80, saveSteps: 80, groupByLength: true, gradientCheckpointing: true },
    },
    watched: 64,
  },
};

/** The preflight of a built-in model's run as its notebook sets it. */
async function preflightOf(name: 'gpt2-mini' | 'mistral-mini'): Promise<Wait> {
  const tokenizer = await AutoTokenizer.fromPretrained(name);
  const file = path.join(ROOT, 'data/hyrox/hyrox-sample-corrected.jsonl');
  const { records } = await loadRecords(file, {});
  const template = instructionTemplate({ system: 'You are a Hyrox coach. Give feedback on the race.' });
  const { examples } = encodeRecords(records, { tokenizer, template, maxLength: 384, labels: 'response' });
  const outputDir = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-bench-'));
  const model = await notebookModel(name);
  try {
    const trainer = new Trainer({
      model,
      args: new TrainingArguments({ outputDir, evalStrategy: 'steps', ...RUNS[name].args }),
      trainDataset: examples.slice(0, 1900),
      evalDataset: examples.slice(1900, 1900 + RUNS[name].watched),
      callbacks: [],
    });
    // As in its notebook, the model has answered before.
    await textGenerator({ model, tokenizer, maxNewTokens: 2 })([template.formatPrompt(records[0])]);
    const started = process.cpuUsage();
    const { preflightMs } = await trainer.preflight();
    const { user, system } = process.cpuUsage(started);
    return { seconds: preflightMs / 1000, processorSeconds: (user + system) / 1e6 };
  } finally {
    await model.dispose();
    fs.rmSync(outputDir, { recursive: true });
  }
}

async function notebookModel(name: 'gpt2-mini' | 'mistral-mini'): Promise<CausalLM> {
  const engine = { provider: 'cpu' } as const;
  if (name === 'gpt2-mini') return AutoModelForCausalLM.fromPretrained(name, { engine });
  const quantizationConfig = new BitsAndBytesConfig({
    ...{ loadIn4bit: true, bnb4bitQuantType: 'nf4', bnb4bitUseDoubleQuant: true },
  });
  const base = await AutoModelForCausalLM.fromPretrained(name, { engine, quantizationConfig });
  const targetModules = ['q_proj', 'v_proj'];
  return getPeftModel(base, new LoraConfig({ r: 16, loraAlpha: 32, loraDropout: 0.05, targetModules }));
}

/** The waits as lines of a table. */
export function startRows(result: StartBench): [name: string, value: string][] {
  const { firstOutputSeconds, firstImportOutputSeconds, run, importSeconds, preflights, reached } = result;
  const shown = ({ seconds, processorSeconds }: Wait): string =>
    `${seconds.toFixed(2)} s, ${processorSeconds.toFixed(2)} s of processors`;
  return [
    ['tunebook run to the first output', `${firstOutputSeconds.toFixed(2)} s`],
    ['  of a cell that imports the library', `${firstImportOutputSeconds.toFixed(2)} s`],
    ['  to its end', shown(run)],
    ["import from 'tunebook', second cell", `${importSeconds.toFixed(2)} s`],
    ...Object.entries(preflights).map(([name, wait]): [string, string] => [
      `preflight of ${name}`,
      shown(wait),
    ]),
    ['limits (1.5 s, 0.7 s, 3 s) held', String(reached)],
  ];
}
