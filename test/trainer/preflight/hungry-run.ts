/**
 * The preflight of a run that takes much memory, as a process of its own: what was let go by another test would be
 * taken again, and not be seen. Prints a HungryEnd in JSON.
 */
import { spawnSync } from 'node:child_process';
import { AutoModelForCausalLM } from '../../../lib/pretrained';
import { peakMemoryBytes } from '../../../lib/models';
import { Trainer, TrainingArguments } from '../../../lib/trainer';

export const HUNGRY_TOKENS = 512;

export interface HungryRequest {
  readonly outputDir: string;
  readonly batch: number;
  /** Bytes that the process may take beside those that it has with the model. */
  readonly budget: number;
  readonly autoFindBatchSize: boolean;
}

export interface HungryEnd {
  /** Why the run was refused. */
  readonly refusal?: string;
  readonly microBatchSize: number;
  readonly globalStep: number;
  /** Resident bytes before the preflight, and how many more it took. */
  readonly before: number;
  readonly taken: number;
}

export function runHungry(request: HungryRequest): HungryEnd {
  const { stdout, stderr } = spawnSync(process.execPath, [__filename, JSON.stringify(request)], {
    encoding: 'utf8',
    env: { ...process.env, TUNEBOOK_THREADS: '1', NODE_TEST_CONTEXT: undefined },
  });
  const line = stdout.split('\n').find((text) => text.startsWith('{'));
  if (line === undefined) throw new Error(`no outcome:\n${stdout}${stderr}`);
  return JSON.parse(line) as HungryEnd;
}

async function main(): Promise<void> {
  const { outputDir, batch, budget, autoFindBatchSize } = JSON.parse(process.argv[2]) as HungryRequest;
  // Next to no weights, but eight heads that each look at 512 x 512 tokens: some 75 MB for each example of a batch.
  const model = await AutoModelForCausalLM.fromConfig({
    ...{ model_type: 'gpt2', vocab_size: 53, n_positions: HUNGRY_TOKENS, n_embd: 64, n_layer: 2, n_head: 8 },
    ...{ n_inner: 256, resid_pdrop: 0, embd_pdrop: 0, attn_pdrop: 0 },
  });
  const inputIds = Array.from({ length: HUNGRY_TOKENS }, (_, i) => i % 53);
  const before = process.memoryUsage.rss();
  const args = new TrainingArguments({
    ...{
      outputDir,
      autoFindBatchSize,
      maxSteps: 1,
      perDeviceTrainBatchSize: batch,
      maxMemory: before + budget,
    },
  });
  const trainDataset = Array.from({ length: batch }, () => ({ inputIds, labels: inputIds }));
  const trainer = new Trainer({ model, args, trainDataset, callbacks: [] });
  const refusal = await trainer.preflight().then(
    () => undefined,
    (error: Error) => error.message,
  );
  const { microBatchSize, globalStep } = trainer.state;
  const taken = peakMemoryBytes() - before;
  const end: HungryEnd = {
    refusal,
    microBatchSize,
    globalStep,
    before,
    taken,
  };
  console.log(JSON.stringify(end));
}

if (require.main === module) void main();
