/**
 * Makes data/models/gpt2-mini and data/models/mistral-mini: the architectures and tokenizers of the real models at
 * a size that ships with the project, pre-trained on the text that data/corpus generates. Seeded; about twenty
 * minutes each on two quiet cores:
 *
 *   npm run build && node .build/data/models/pretrain.js [gpt2-mini | mistral-mini] [--steps 1600] [--rest 120]
 *     [--threads 2] [--from FOLDER] [--responses] [--out FOLDER]
 *
 * Phase 1 trains on the tokens that occur in the text alone (a few thousand of the vocabulary), which makes the
 * head ten times cheaper; phase 2 (`--rest`) goes on with the whole vocabulary, so that tokens never seen become
 * unlikely. A run that was interrupted goes on from its checkpoint. `--from` starts from a model's weights instead of
 * random ones: that is how a model gets to know what is new in the corpus. With `--responses` it learns no record that
 * is asked about, only what follows from it: records are drawn at random.
 */
import path from 'node:path';
import { promises as fs } from 'node:fs';
import { parseArgs } from 'node:util';
import { packExamples } from '../../lib/dataset';
import { AutoModelForCausalLM, savePretrained } from '../../lib/pretrained';
import type { CausalLM } from '../../lib/pretrained';
import { AutoTokenizer } from '../../lib/tokenizer';
import { Trainer, TrainingArguments } from '../../lib/trainer';
import type { EncodedExample } from '../../lib/types';
import { seededRandom } from '../../lib/random';
import { coachDocument } from '../corpus/coach';
import { raceCorpus } from '../corpus/generate';
import { PACKAGE_ROOT } from '../../lib/environment';

const CONFIGS: Record<string, { vocab_size: number } & Record<string, unknown>> = {
  'gpt2-mini': {
    model_type: 'gpt2',
    vocab_size: 50257,
    n_positions: 512,
    n_embd: 96,
    n_layer: 6,
    n_head: 6,
    resid_pdrop: 0,
    embd_pdrop: 0,
    attn_pdrop: 0,
    bos_token_id: 50256,
    eos_token_id: 50256,
  },
  // Widths are multiples of 64, the block size of 4-bit weights; two query heads share a key (four in the real one).
  'mistral-mini': {
    model_type: 'mistral',
    vocab_size: 32000,
    hidden_size: 128,
    intermediate_size: 384,
    num_hidden_layers: 6,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    max_position_embeddings: 2048,
    sliding_window: 512,
    rms_norm_eps: 1e-5,
    rope_theta: 10000,
    tie_word_embeddings: true,
    bos_token_id: 1,
    eos_token_id: 2,
  },
};
const SEED = 20260;
const RESPONSE = '### Response:\n';
/** Tokens of a row, which hold the longest documents, and rows of a step. Mistral's tokenizer makes a third more of a text. */
const BATCHES: Record<string, { length: number; rows: number }> = {
  'gpt2-mini': { length: 320, rows: 13 },
  'mistral-mini': { length: 512, rows: 4 },
};

/** One document in so many is a coach's talk: for the base of adapters, which has to know all words beforehand. */
const COACH_EVERY: Record<string, number> = { 'mistral-mini': 4 };

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      steps: { type: 'string', default: '1600' },
      rest: { type: 'string', default: '120' },
      threads: { type: 'string', default: '0' },
      from: { type: 'string' },
      responses: { type: 'boolean', default: false },
      out: { type: 'string' },
    },
  });
  const [name = 'gpt2-mini'] = positionals;
  const [config, batch] = [CONFIGS[name], BATCHES[name]];
  if (config === undefined) throw new Error(`expected ${Object.keys(CONFIGS).join(' or ')}, got ${name}`);
  const [steps, rest, threads] = [values.steps, values.rest, values.threads].map(Number);
  const work = path.join(PACKAGE_ROOT, 'outputs', 'pretraining', name);

  const wantedTokens = (steps + rest) * batch.rows * batch.length;
  const documents = await encodedCorpus(name, {
    tokens: wantedTokens,
    length: batch.length,
    responses: values.responses,
  });
  const held = documents.splice(0, 200);
  console.log(`${name}: ${documents.length} documents`);

  const used = [...new Set([...documents, ...held].flatMap((d) => d.inputIds as number[]))].sort(
    (a, b) => a - b,
  );
  const compact = new Map(used.map((id, i) => [id, i]));
  const recode = (d: EncodedExample): EncodedExample => {
    const small = (id: number): number => compact.get(id) ?? 0;
    return { inputIds: d.inputIds.map(small), labels: d.labels.map((id) => (id < 0 ? id : small(id))) };
  };
  console.log(`phase 1: ${used.length} tokens of the vocabulary`);
  const cut = Math.round((documents.length * steps) / (steps + rest));
  const small = await AutoModelForCausalLM.fromConfig(
    { ...config, vocab_size: used.length },
    { seed: SEED, engine: { threads } },
  );
  if (values.from !== undefined) {
    const before = await AutoModelForCausalLM.fromPretrained(path.resolve(values.from));
    copyWeights(before, small, used);
    await before.dispose();
  }
  await train(small, documents.slice(0, cut).map(recode), held.map(recode), {
    ...batch,
    steps,
    learningRate: values.from === undefined ? 3e-3 : 2e-3,
    outputDir: path.join(work, 'phase-1'),
  });

  const model = await AutoModelForCausalLM.fromConfig(config, { seed: SEED, engine: { threads } });
  if (values.from !== undefined) {
    const before = await AutoModelForCausalLM.fromPretrained(path.resolve(values.from));
    copyWeights(before, model, range(model.architecture.vocabSize));
    await before.dispose();
  }
  copyWeights(small, model, range(used.length), used);
  await train(model, documents.slice(cut), held, {
    ...batch,
    steps: rest,
    learningRate: 1e-3,
    outputDir: path.join(work, 'phase-2'),
  });

  const folder = path.resolve(values.out ?? path.join(PACKAGE_ROOT, 'data', 'models', name));
  await savePretrained(model, folder, { dtype: 'F16' });
  for (const file of ['tokenizer.json', 'tokenizer_config.json', 'special_tokens_map.json']) {
    await fs.rm(path.join(folder, file), { force: true });
  }
  console.log(`wrote ${folder}`);
}

/** Copies all weights; of the token embedding, row `from[i]` of the source to row `to[i]` of the target. */
function copyWeights(
  source: CausalLM,
  target: CausalLM,
  from: readonly number[],
  to: readonly number[] = range(from.length),
): void {
  const { tokenEmbedding, width } = target.architecture;
  for (const [name, { data }] of target.weights.parameters.byName) {
    const values = source.weights.parameter(name).data;
    if (name !== tokenEmbedding) data.set(values);
    else from.forEach((row, i) => data.set(values.subarray(row * width, (row + 1) * width), to[i] * width));
  }
}

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** Documents between the tokenizer's marks, cut to `length` tokens, until there are `tokens` of them. */
async function encodedCorpus(
  name: string,
  wanted: { tokens: number; length: number; responses: boolean },
): Promise<EncodedExample[]> {
  const tokenizer = await AutoTokenizer.fromPretrained(name);
  const end = tokenizer.eosTokenId ?? 0;
  const begin = tokenizer.bosTokenId ?? end;
  const documents: EncodedExample[] = [];
  let tokens = 0;
  const coach = seededRandom(SEED + 1);
  const encode = (part: string): number[] => [...tokenizer.encode(part, { addSpecialTokens: false })];
  for (const race of raceCorpus({ seed: SEED, documents: Math.ceil(wanted.tokens / 50) })) {
    const isTalk = documents.length % (COACH_EVERY[name] ?? Infinity) === 1;
    const text = isTalk ? coachDocument(coach) : race;
    const answerAt = wanted.responses ? text.indexOf(RESPONSE) : -1;
    const prompt = answerAt < 0 ? '' : text.slice(0, answerAt + RESPONSE.length);
    const asked = [begin, ...(prompt === '' ? [] : encode(prompt))];
    const inputIds = [...asked, ...encode(text.slice(prompt.length)), end].slice(0, wanted.length);
    const labels = inputIds.map((id, i) => (prompt !== '' && i < asked.length ? -100 : id));
    documents.push({ inputIds, labels });
    tokens += inputIds.length;
    if (tokens > wanted.tokens) break;
  }
  return documents;
}

async function train(
  model: CausalLM,
  documents: readonly EncodedExample[],
  held: readonly EncodedExample[],
  options: { rows: number; length: number; steps: number; learningRate: number; outputDir: string },
): Promise<void> {
  const { rows, length } = options;
  const trainer = new Trainer({
    model,
    args: new TrainingArguments({
      outputDir: options.outputDir,
      maxSteps: options.steps,
      perDeviceTrainBatchSize: rows,
      perDeviceEvalBatchSize: rows,
      learningRate: options.learningRate,
      lrSchedulerType: 'cosine',
      warmupRatio: 0.03,
      weightDecay: 0.1,
      adamBeta2: 0.98,
      loggingSteps: 50,
      evalStrategy: 'steps',
      evalSteps: 250,
      saveSteps: 250,
      saveTotalLimit: 1,
      seed: SEED,
    }),
    trainDataset: packExamples(documents, { maxLength: length }),
    evalDataset: packExamples(held, { maxLength: length }),
  });
  const { stopped } = await trainer.train({ resumeFromCheckpoint: true });
  if (stopped !== 'finished') throw new Error(`stopped early (${stopped}); the same command goes on`);
  console.log(await trainer.evaluate());
}

void main();
