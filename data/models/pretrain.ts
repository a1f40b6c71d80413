/**
 * Makes data/models/gpt2-mini: GPT-2's architecture and tokenizer at a size that ships with the project,
 * pre-trained on the text that data/corpus generates. Seeded; about twenty minutes on two quiet cores:
 *
 *   npm run build && node .build/data/models/pretrain.js
 *
 * Phase 1 trains on the tokens that occur in the text alone (a few thousand of 50,257), which makes the head
 * ten times cheaper; phase 2 goes on with the whole vocabulary, so that tokens never seen become unlikely.
 */
import path from 'node:path';
import { promises as fs } from 'node:fs';
import { packExamples } from '../../lib/dataset';
import { AutoModelForCausalLM, savePretrained } from '../../lib/models';
import type { CausalLM } from '../../lib/models';
import { AutoTokenizer } from '../../lib/tokenizer';
import { Trainer, TrainingArguments } from '../../lib/trainer';
import type { EncodedExample } from '../../lib/types';
import { raceCorpus } from '../corpus/generate';

const WIDTH = 96;
const CONFIG = {
  model_type: 'gpt2',
  vocab_size: 50257,
  n_positions: 512,
  n_embd: WIDTH,
  n_layer: 6,
  n_head: 6,
  resid_pdrop: 0,
  embd_pdrop: 0,
  attn_pdrop: 0,
  bos_token_id: 50256,
  eos_token_id: 50256,
};
const SEED = 20260;
const BLOCK = 256;
const BATCH = 16;

async function main(): Promise<void> {
  const [phase1Steps, phase2Steps, threads] = [1600, 120, 0].map((fallback, i) =>
    Number(process.argv[2 + i] ?? fallback),
  );
  const root = path.resolve(__dirname, '..', '..', '..');
  const work = path.join(root, 'outputs', 'pretraining');
  const tokenizer = await AutoTokenizer.fromPretrained('gpt2');
  const eos = tokenizer.eosTokenId ?? 0;

  const wantedTokens = (phase1Steps + phase2Steps) * BATCH * BLOCK;
  const documents: EncodedExample[] = [];
  let tokens = 0;
  for (const text of raceCorpus({ seed: SEED, documents: Math.ceil(wantedTokens / 100) })) {
    const inputIds = [eos, ...tokenizer.encode(text), eos].slice(0, BLOCK);
    documents.push({ inputIds, labels: inputIds });
    tokens += inputIds.length;
    if (tokens > wantedTokens) break;
  }
  const held = documents.splice(0, 200);
  console.log(`${documents.length} documents, ${tokens} tokens`);

  const used = [...new Set([...documents, ...held].flatMap((d) => d.inputIds as number[]))].sort(
    (a, b) => a - b,
  );
  const compact = new Map(used.map((id, i) => [id, i]));
  const recode = (d: EncodedExample): EncodedExample => {
    const inputIds = d.inputIds.map((id) => compact.get(id) ?? 0);
    return { inputIds, labels: inputIds };
  };
  console.log(`phase 1: ${used.length} tokens of the vocabulary`);
  const cut = Math.round((documents.length * phase1Steps) / (phase1Steps + phase2Steps));
  const small = await AutoModelForCausalLM.fromConfig(
    { ...CONFIG, vocab_size: used.length },
    { seed: SEED, engine: { threads } },
  );
  await train(small, documents.slice(0, cut).map(recode), held.map(recode), {
    steps: phase1Steps,
    learningRate: 3e-3,
    outputDir: path.join(work, 'phase-1'),
  });

  const model = await AutoModelForCausalLM.fromConfig(CONFIG, { seed: SEED, engine: { threads } });
  for (const [name, parameter] of model.parameters.byName) {
    const source = small.parameter(name).data;
    if (name !== 'wte.weight') parameter.data.set(source);
    else
      for (const [id, row] of compact)
        parameter.data.set(source.subarray(row * WIDTH, (row + 1) * WIDTH), id * WIDTH);
  }
  await train(model, documents.slice(cut), held, {
    steps: phase2Steps,
    learningRate: 1e-3,
    outputDir: path.join(work, 'phase-2'),
  });

  const folder = path.join(root, 'data', 'models', 'gpt2-mini');
  await savePretrained(model, folder, { dtype: 'F16' });
  for (const file of ['tokenizer.json', 'tokenizer_config.json', 'special_tokens_map.json']) {
    await fs.rm(path.join(folder, file), { force: true });
  }
  console.log(`wrote ${folder}`);
}

async function train(
  model: CausalLM,
  documents: readonly EncodedExample[],
  held: readonly EncodedExample[],
  options: { steps: number; learningRate: number; outputDir: string },
): Promise<void> {
  const trainer = new Trainer({
    model,
    args: new TrainingArguments({
      outputDir: options.outputDir,
      maxSteps: options.steps,
      perDeviceTrainBatchSize: BATCH,
      perDeviceEvalBatchSize: BATCH,
      learningRate: options.learningRate,
      lrSchedulerType: 'cosine',
      warmupRatio: 0.03,
      weightDecay: 0.1,
      adamBeta2: 0.98,
      loggingSteps: 50,
      evalStrategy: 'steps',
      evalSteps: 500,
      saveSteps: 1000,
      saveTotalLimit: 1,
      seed: SEED,
    }),
    trainDataset: packExamples(documents, { maxLength: BLOCK }),
    evalDataset: packExamples(held, { maxLength: BLOCK }),
  });
  await trainer.train({ resumeFromCheckpoint: true });
  console.log(await trainer.evaluate());
}

void main();
