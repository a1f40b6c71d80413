/**
 * A GPT-2 of one layer and examples of uneven lengths, for tests of what an argument does. Its linear weights have
 * over 4096 values each, so 8-bit state is used for them.
 */
import type { DataCollator } from '../../lib/dataset';
import { AutoModelForCausalLM } from '../../lib/pretrained';
import type { CausalLM } from '../../lib/pretrained';
import { Trainer, TrainingArguments } from '../../lib/trainer';
import type { TrainerCallback, ArgumentOptions } from '../../lib/trainer';
import type { EncodedExample } from '../../lib/types';

const CONFIG = {
  ...{ model_type: 'gpt2', vocab_size: 53, n_positions: 32, n_embd: 32, n_layer: 1, n_head: 2, n_inner: 128 },
  ...{ resid_pdrop: 0.1, embd_pdrop: 0.1, attn_pdrop: 0.1, initializer_range: 0.2 },
};

export async function smallModel(overrides: Record<string, unknown> = {}): Promise<CausalLM> {
  return AutoModelForCausalLM.fromConfig({ ...CONFIG, ...overrides }, { seed: 3, engine: { threads: 1 } });
}

/** Eleven examples of 4 to 15 tokens, the first two of each without label. */
export const examples: EncodedExample[] = Array.from({ length: 11 }, (_, i) => {
  const inputIds = Array.from({ length: 4 + ((i * 7) % 12) }, (__, t) => (i * 13 + t * t * 5 + t) % 53);
  return { inputIds, labels: inputIds.map((id, t) => (t < 2 ? -100 : id)) };
});

export interface Run {
  readonly trainer: Trainer;
  readonly losses: number[];
  /** All trainable parameters, one after the other. */
  readonly weights: number[];
  readonly metrics: Readonly<Record<string, number>>;
}

/** Trains a fresh small model; without dropout and with every step in the log unless told otherwise. */
export async function run(
  options: Partial<ArgumentOptions> & { outputDir: string },
  more: {
    model?: CausalLM;
    data?: readonly EncodedExample[];
    evalData?: readonly EncodedExample[];
    callbacks?: TrainerCallback[];
    dataCollator?: DataCollator;
    resume?: boolean;
  } = {},
): Promise<Run> {
  const model = more.model ?? (await smallModel());
  const args = new TrainingArguments({
    ...{ maxSteps: 4, perDeviceTrainBatchSize: 4, learningRate: 1e-3, lrSchedulerType: 'constant' },
    ...{ loggingSteps: 1, saveStrategy: 'no', dropout: false, preflight: false },
    ...options,
  });
  const { data = examples, evalData, callbacks = [], resume = false } = more;
  const trainer = new Trainer({
    ...{ model, args, trainDataset: data, evalDataset: evalData, callbacks },
    ...(more.dataCollator ? { dataCollator: more.dataCollator } : {}),
  });
  const { metrics } = await trainer.train({ resumeFromCheckpoint: resume });
  return {
    trainer,
    metrics,
    losses: trainer.state.logHistory.flatMap((entry) => (entry.loss === undefined ? [] : [entry.loss])),
    weights: model.trainableParameters().flatMap((parameter) => [...parameter.data]),
  };
}
