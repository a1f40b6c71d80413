/**
 * A run's checkpoints: folders `checkpoint-N` in Hugging Face's layout, complete or absent. A folder is
 * written under another name, its checksums last, and renamed; so a crash leaves no folder that looks whole.
 */
import { createHash } from 'node:crypto';
import { createReadStream, promises as fs } from 'node:fs';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import {
  openSafetensors,
  openCheckpoint,
  saveAdapter,
  savePretrained,
  storedName,
  writeSafetensors,
} from '../models';
import { writeFileAtomic } from '../files';
import type { CausalLM } from '../models';
import { TunebookError } from '../types';
import type { Optimizer } from './optimizer-types';
import { stateToJson } from './state';
import type { TrainerState } from './state';

const MANIFEST = 'checksums.json';
const STATE = 'trainer_state.json';

const stateSchema = z.object({
  best_metric: z.number().nullable(),
  best_model_checkpoint: z.string().nullable(),
  epoch: z.number(),
  global_step: z.int().min(0),
  log_history: z.array(z.object({ step: z.number(), epoch: z.number() }).catchall(z.number())),
  max_steps: z.int(),
  num_input_tokens_seen: z.number(),
  num_train_epochs: z.number(),
  tunebook: z.object({ loss_since_log: z.number(), steps_since_log: z.number(), total_loss: z.number() }),
});

export interface CheckpointContent {
  readonly model: CausalLM;
  readonly optimizer: Optimizer;
  readonly state: TrainerState;
  /** What has to be the same for a resumed run to be the same run. */
  readonly identity: Readonly<Record<string, unknown>>;
}

/** Writes `outputDir/checkpoint-N` whole, or leaves no trace. @returns its path */
export async function writeTrainerCheckpoint(outputDir: string, content: CheckpointContent): Promise<string> {
  const { model, optimizer, state, identity } = content;
  const folder = path.join(outputDir, `checkpoint-${state.globalStep}`);
  const draft = `${folder}.draft`;
  await fs.rm(draft, { recursive: true, force: true });
  await fs.mkdir(draft, { recursive: true });
  try {
    if (model.adapter === undefined) await savePretrained(model, draft);
    else await saveAdapter(model, draft);
    const slots = [...optimizer.state].map(([name, values]) => ({
      name,
      shape: [values.length],
      values,
      ...(values instanceof Uint8Array ? { dtype: 'U8' as const } : {}),
    }));
    await writeSafetensors(path.join(draft, 'optimizer.safetensors'), slots);
    await writeJson(path.join(draft, 'scheduler.json'), {
      last_epoch: state.globalStep,
      optimizer: optimizer.name,
    });
    // Data order and dropout are functions of the seed and the step, so these two numbers are the generator.
    await writeJson(path.join(draft, 'rng_state.json'), { seed: identity.seed, step: state.globalStep });
    await writeJson(path.join(draft, 'training_args.json'), identity);
    await writeJson(path.join(draft, STATE), stateToJson(state));
    const sums: Record<string, string> = {};
    for (const name of (await fs.readdir(draft)).sort()) sums[name] = await sha256(path.join(draft, name));
    await writeJson(path.join(draft, MANIFEST), sums);
    await fs.rm(folder, { recursive: true, force: true });
    await fs.rename(draft, folder);
  } catch (error) {
    await fs.rm(draft, { recursive: true, force: true });
    throw error;
  }
  return folder;
}

/** Checkpoint folders of a run, oldest first. */
export async function listCheckpoints(outputDir: string): Promise<{ folder: string; step: number }[]> {
  const names = await fs.readdir(outputDir).catch(() => [] as string[]);
  return names
    .map((name) => ({
      folder: path.join(outputDir, name),
      step: Number(/^checkpoint-(\d+)$/.exec(name)?.[1]),
    }))
    .filter(({ step }) => Number.isInteger(step))
    .sort((a, b) => a.step - b.step);
}

/**
 * Makes room for a new run: checkpoints of an earlier one move to `replaced/`, whose own content goes. So a run
 * never takes another's checkpoint for its newest, and the last run before it can still be had.
 */
export async function setAsideCheckpoints(outputDir: string): Promise<void> {
  const earlier = await listCheckpoints(outputDir);
  if (earlier.length === 0) return;
  const aside = path.join(outputDir, 'replaced');
  await fs.rm(aside, { recursive: true, force: true });
  await fs.mkdir(aside);
  for (const { folder } of earlier) await fs.rename(folder, path.join(aside, path.basename(folder)));
}

/** What is wrong with a checkpoint, or nothing. */
export async function checkpointFault(folder: string): Promise<string | undefined> {
  let sums: Record<string, unknown>;
  try {
    sums = JSON.parse(await fs.readFile(path.join(folder, MANIFEST), 'utf8')) as Record<string, unknown>;
  } catch {
    return `${MANIFEST} is missing or damaged`;
  }
  for (const [name, expected] of Object.entries(sums)) {
    const found = await sha256(path.join(folder, path.basename(name))).catch(() => undefined);
    if (found === undefined) return `${name} is missing`;
    if (found !== expected) return `${name} has changed since it was written`;
  }
  return undefined;
}

/** The newest checkpoint that is whole; damaged ones are named through `warn`. */
export async function newestWhole(
  outputDir: string,
  warn: (message: string) => void,
): Promise<string | undefined> {
  for (const { folder } of (await listCheckpoints(outputDir)).reverse()) {
    const fault = await checkpointFault(folder);
    if (fault === undefined) return folder;
    warn(`${folder}: damaged (${fault}); using the one before it.`);
  }
  return undefined;
}

/**
 * Puts a checkpoint's weights, optimizer state and trainer state back.
 * @throws TunebookError where it is damaged, or was made by another run (`identity` tells which argument changed)
 */
export async function readTrainerCheckpoint(folder: string, content: CheckpointContent): Promise<void> {
  const fault = await checkpointFault(folder);
  if (fault !== undefined) {
    throw new TunebookError(`${folder}: expected a whole checkpoint, but ${fault}. Resume from another one.`);
  }
  const saved = await readJson(path.join(folder, 'training_args.json'));
  const changed = Object.entries(content.identity)
    .filter(([key, value]) => JSON.stringify(saved[key]) !== JSON.stringify(value))
    .map(([key, value]) => `- ${key}: ${JSON.stringify(saved[key])} then, ${JSON.stringify(value)} now`);
  if (changed.length > 0) {
    throw new TunebookError(
      `${folder}: the run that it belongs to was another one:\n${changed.join('\n')}\n` +
        `Use the same arguments and data, or start anew in another outputDir.`,
    );
  }
  await loadWeights(content.model, folder);
  const { optimizer, state } = content;
  const file = await openSafetensors(path.join(folder, 'optimizer.safetensors'));
  try {
    for (const [name, values] of optimizer.state) {
      if (values instanceof Uint8Array) values.set(await file.readBytes(name));
      else await file.readInto(name, values);
    }
  } finally {
    await file.close();
  }
  const json = stateSchema.parse(await readJson(path.join(folder, STATE)));
  optimizer.stepCount = json.global_step;
  Object.assign(state, {
    globalStep: json.global_step,
    epoch: json.epoch,
    numInputTokensSeen: json.num_input_tokens_seen,
    logHistory: json.log_history,
    bestMetric: json.best_metric,
    bestModelCheckpoint: json.best_model_checkpoint,
    lossSinceLog: json.tunebook.loss_since_log,
    stepsSinceLog: json.tunebook.steps_since_log,
    totalLoss: json.tunebook.total_loss,
  } satisfies Partial<TrainerState>);
}

/** Reads a checkpoint's weights (or its adapter's) into the model that it was made from. */
export async function loadWeights(model: CausalLM, folder: string): Promise<void> {
  const { adapter } = model;
  const checkpoint = await openCheckpoint(folder, {
    baseName: adapter === undefined ? 'model' : 'adapter_model',
  });
  try {
    for (const parameter of model.trainableParameters()) {
      const name = adapter?.storedName(parameter.name) ?? storedName(model.architecture, parameter.name);
      await checkpoint.readInto(name, parameter.data);
    }
  } finally {
    await checkpoint.close();
  }
}

/** Deletes the oldest checkpoints over the limit, never the best nor the newest. */
export async function rotateCheckpoints(
  outputDir: string,
  limit: number,
  best: string | null,
): Promise<void> {
  const all = await listCheckpoints(outputDir);
  const deletable = all.slice(0, -1).filter(({ folder }) => folder !== best);
  const excess = all.length - Math.max(limit, best === null || all.at(-1)?.folder === best ? 1 : 2);
  for (const { folder } of deletable.slice(0, Math.max(0, excess))) {
    // The manifest goes first: what is left of an interrupted deletion is not taken for a checkpoint.
    await fs.rm(path.join(folder, MANIFEST), { force: true });
    await fs.rm(folder, { recursive: true, force: true });
  }
}

async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

async function readJson(file: string): Promise<Record<string, unknown>> {
  const parsed: unknown = JSON.parse(await fs.readFile(file, 'utf8'));
  if (typeof parsed !== 'object' || parsed === null)
    throw new TunebookError(`${file}: expected a JSON object.`);
  return parsed as Record<string, unknown>;
}

async function writeJson(file: string, value: unknown): Promise<void> {
  await writeFileAtomic(file, `${JSON.stringify(value, null, 2)}\n`);
}
