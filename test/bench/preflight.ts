/**
 * Bench of the preflight: what it says that a run will take, beside what the run then takes. Each configuration runs
 * in processes of its own: one with the preflight, whose run is timed, and one without, whose memory is measured.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { encodeRecords, instructionTemplate, loadRecords } from '../../lib/dataset';
import { AutoModelForCausalLM, getPeftModel } from '../../lib/pretrained';
import { createEngine } from '../../lib/engine';
import { architectureOf, LoraConfig, peakMemoryBytes } from '../../lib/models';
import type { CausalLM } from '../../lib/pretrained';
import { AutoTokenizer } from '../../lib/tokenizer';
import { Trainer, TrainingArguments } from '../../lib/trainer';
import type { PreflightReport, ArgumentOptions } from '../../lib/trainer';
import { ROOT } from '../support/paths';
import { SHAPES } from './families';
import { randomModel } from './mistral';

interface Configuration {
  readonly name: string;
  readonly model: () => Promise<CausalLM>;
  readonly options: Partial<ArgumentOptions>;
  /** Whose tokenizer makes the examples. Default 'gpt2-mini'. */
  readonly tokenizer?: string;
  /** Whether the model generates after the run. */
  readonly generates?: boolean;
}

const mini = (): Promise<CausalLM> => AutoModelForCausalLM.fromPretrained('gpt2-mini');
const LORA = { r: 16, targetModules: ['c_attn'] };

const CONFIGURATIONS: readonly Configuration[] = [
  {
    name: 'gpt2-mini, all weights, 16 by length, evaluations and checkpoints',
    model: mini,
    options: {
      maxSteps: 16,
      perDeviceTrainBatchSize: 16,
      groupByLength: true,
      evalStrategy: 'steps',
      evalSteps: 8,
      saveSteps: 8,
    },
  },
  {
    name: 'gpt2-mini, LoRA, 8 x 2 accumulated',
    model: async () => getPeftModel(await mini(), new LoraConfig(LORA)),
    options: { maxSteps: 16, perDeviceTrainBatchSize: 8, gradientAccumulationSteps: 2 },
  },
  {
    name: 'gpt2-mini, all weights, gradient checkpointing, 8-bit AdamW',
    model: mini,
    options: { maxSteps: 16, perDeviceTrainBatchSize: 8, gradientCheckpointing: true, optim: 'adamw_8bit' },
  },
  {
    name: 'GPT-2 124M (random weights), LoRA, batch 2',
    model: async () =>
      getPeftModel(await AutoModelForCausalLM.fromConfig({ model_type: 'gpt2' }), new LoraConfig(LORA)),
    options: { maxSteps: 8, perDeviceTrainBatchSize: 2 },
  },
  ...['SmolLM2-135M', 'Gemma-3-270M'].map((name) => ({
    name: `${name} (random weights, NF4), LoRA, batch 2, checkpointing, then 16 tokens`,
    model: async () =>
      getPeftModel(
        await randomModel(await createEngine(), architectureOf(SHAPES[name])),
        new LoraConfig({ r: 8, targetModules: ['q_proj', 'v_proj'] }),
      ),
    options: { maxSteps: 4, perDeviceTrainBatchSize: 2, gradientCheckpointing: true },
    ...{ tokenizer: 'mistral-mini', generates: true },
  })),
];

export interface PreflightBench {
  readonly name: string;
  readonly preflightSeconds: number;
  readonly predictedSeconds: number;
  readonly lowSeconds: number;
  readonly highSeconds: number;
  readonly actualSeconds: number;
  /** Predicted over actual, less one. */
  readonly timeError: number;
  readonly predictedBytes: number;
  /** Peak of the process with and without the preflight. */
  readonly actualBytes: number;
  readonly actualBytesWithout: number;
  readonly memoryError: number;
  /** The same once it has generated, where it does. */
  readonly generation?: {
    readonly predictedBytes: number;
    readonly actualBytes: number;
    readonly memoryError: number;
  };
}

interface Measured {
  readonly report?: PreflightReport;
  readonly seconds: number;
  readonly peakBytes: number;
  readonly generationPeakBytes?: number;
}

/** @param only numbers of the configurations, from 0; default all */
export function benchPreflight(only?: readonly number[]): PreflightBench[] {
  return CONFIGURATIONS.flatMap(({ name }, index) => {
    if (only !== undefined && !only.includes(index)) return [];
    console.error(name);
    const [checked, without] = [measure(index, true), measure(index, false)];
    const { report } = checked;
    if (report === undefined) throw new Error('internal: no report');
    const predictedSeconds = report.timeMs.expected / 1000;
    const { generationPeakBytes } = checked;
    return {
      name,
      preflightSeconds: report.preflightMs / 1000,
      predictedSeconds,
      lowSeconds: report.timeMs.low / 1000,
      highSeconds: report.timeMs.high / 1000,
      actualSeconds: checked.seconds,
      timeError: predictedSeconds / checked.seconds - 1,
      predictedBytes: report.peakMemoryBytes,
      actualBytes: checked.peakBytes,
      actualBytesWithout: without.peakBytes,
      memoryError: report.peakMemoryBytes / checked.peakBytes - 1,
      ...(generationPeakBytes === undefined
        ? {}
        : {
            generation: {
              predictedBytes: report.generationMemoryBytes,
              actualBytes: generationPeakBytes,
              memoryError: report.generationMemoryBytes / generationPeakBytes - 1,
            },
          }),
    };
  });
}

function measure(index: number, preflight: boolean): Measured {
  const { stdout, status } = spawnSync(process.execPath, [__filename, String(index), String(preflight)], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) throw new Error(`bench: configuration ${index} ended with ${status}`);
  return JSON.parse(stdout.slice(stdout.lastIndexOf('\n{') + 1)) as Measured;
}

async function child(index: number, preflight: boolean): Promise<void> {
  const { model: make, options, tokenizer: name = 'gpt2-mini', generates = false } = CONFIGURATIONS[index];
  const tokenizer = await AutoTokenizer.fromPretrained(name);
  const { records } = await loadRecords(path.join(ROOT, 'data/hyrox/hyrox-sample.jsonl'), {});
  const template = instructionTemplate({ system: 'You are a Hyrox coach. Give feedback on the race.' });
  const { examples } = encodeRecords(records, { tokenizer, template, maxLength: 320, labels: 'response' });
  const outputDir = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-bench-'));
  let report: PreflightReport | undefined;
  const model = await make();
  const trainer = new Trainer({
    model,
    args: new TrainingArguments({ outputDir, learningRate: 1e-4, preflight, ...options }),
    trainDataset: examples.slice(0, 2000),
    evalDataset: examples.slice(2000, 2100),
    callbacks: [{ onPreflight: (context) => void (report = context.report) }],
  });
  const { metrics } = await trainer.train();
  fs.rmSync(outputDir, { recursive: true });
  const result: Measured = {
    report,
    seconds: metrics.train_runtime,
    peakBytes: peakMemoryBytes(),
    ...(generates ? { generationPeakBytes: await peakOfTokens(model) } : {}),
  };
  console.log(`\n${JSON.stringify(result)}`);
}

/** The peak once the model has generated some tokens. */
async function peakOfTokens(model: CausalLM): Promise<number> {
  const inputIds = [Array.from({ length: 16 }, (_, i) => i)];
  await model.generate({ inputIds, maxNewTokens: 16, eosTokenId: null });
  return peakMemoryBytes();
}

if (require.main === module) void child(Number(process.argv[2]), process.argv[3] === 'true');
