/**
 * A run's checkpoints: folders `checkpoint-N` in Hugging Face's layout, complete or absent. A folder is written as a
 * draft, checksums last, and renamed, so that a crash leaves no folder that looks whole.
 */
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { fileDigest, readJsonObject, writeFileAtomic, makeFolders } from '../../files';
import { openCheckpoint, openSafetensors, writeSafetensors } from '../../checkpoint';
import { saveAdapter, savePretrained } from '../../pretrained';
import { storedName } from '../../models';
import type { CausalLM } from '../../pretrained';
import { messageOf, TunebookError } from '../../types';
import { checkpointFault, draftOf, MANIFEST, rotateCheckpoints } from './checkpoint-folders';
import type { Optimizer } from '../optimizers/optimizer-types';
import { progressFromJson, stateToJson } from '../state/state';
import type { TrainerState } from '../state/state';

const STATE = 'trainer_state.json';
const OPTIMIZER = 'optimizer.safetensors';

export interface CheckpointContent {
  readonly model: CausalLM;
  readonly optimizer: Optimizer;
  readonly state: TrainerState;
  /** What a resumed run must have in common with this one. */
  readonly identity: Readonly<Record<string, unknown>>;
}

/**
 * Writes a whole checkpoint folder, or leaves no trace; an older one stays until the new one is complete.
 * @param folder default: checkpoint-N of the output folder, see `checkpointName`
 */
export async function writeTrainerCheckpoint(folder: string, content: CheckpointContent): Promise<void> {
  const { model, optimizer, state, identity } = content;
  const draft = draftOf(folder);
  try {
    await fs.rm(draft, { recursive: true, force: true });
    await makeFolders(draft);
    if (model.adapter === undefined) await savePretrained(model, draft);
    else await saveAdapter(model, draft);
    const slots = [...optimizer.state].map(([name, values]) => ({
      name,
      shape: [values.length],
      values,
      ...(values instanceof Uint8Array ? { dtype: 'U8' as const } : {}),
    }));
    await writeSafetensors(path.join(draft, OPTIMIZER), slots);
    await writeJson(path.join(draft, 'scheduler.json'), {
      last_epoch: state.globalStep,
      optimizer: optimizer.name,
    });
    // Data order and dropout are functions of seed and step: these two numbers are the generator's state.
    await writeJson(path.join(draft, 'rng_state.json'), { seed: identity.seed, step: state.globalStep });
    await writeJson(path.join(draft, 'training_args.json'), identity);
    await writeJson(path.join(draft, STATE), stateToJson(state));
    const sums: Record<string, string> = {};
    for (const name of (await fs.readdir(draft)).sort())
      sums[name] = await fileDigest(path.join(draft, name));
    await writeJson(path.join(draft, MANIFEST), sums);
    // A crash between these two leaves a whole draft, which the next resume renames.
    await fs.rm(folder, { recursive: true, force: true });
    await fs.rename(draft, folder);
  } catch (error) {
    await fs.rm(draft, { recursive: true, force: true }).catch(() => undefined);
    throw error;
  }
}

/**
 * Writes a run's next checkpoint, and deletes those above the limit; never the best one.
 * @param last a sentence about the checkpoint before
 * @throws TunebookError with what to do
 */
export async function addCheckpoint(
  folder: string,
  content: CheckpointContent,
  { limit, last }: { limit: number | undefined; last: string },
): Promise<void> {
  const { state } = content;
  await writeTrainerCheckpoint(folder, content).catch((cause: unknown) => {
    throw new TunebookError(
      `trainer: checkpoint-${state.globalStep} could not be written. ${messageOf(cause)}\n${last} ` +
        'The model in memory has all steps: save it elsewhere (savePretrained, saveAdapter), or free space and ' +
        'resume with train({ resumeFromCheckpoint: true }).',
      { cause },
    );
  });
  if (limit === undefined) return;
  const best = state.bestModelCheckpoint === undefined ? [] : [state.bestModelCheckpoint];
  await rotateCheckpoints(path.dirname(folder), limit, [folder, ...best]);
}

export interface ReadOptions {
  /** Resume with changed arguments or data: name the changes through `warn` instead of throwing. */
  readonly ignoreChanges?: boolean;
  readonly warn?: (message: string) => void;
}

/**
 * Restores a checkpoint's weights, optimizer state and trainer state.
 * @throws TunebookError where it is damaged or of another run, naming the changed arguments
 */
export async function readTrainerCheckpoint(
  folder: string,
  content: CheckpointContent,
  options: ReadOptions = {},
): Promise<void> {
  const fault = await checkpointFault(folder);
  if (fault !== undefined) {
    throw new TunebookError(`${folder}: expected a whole checkpoint, but ${fault}. Resume from another one.`);
  }
  const changed = changesOf(await readJsonObject(path.join(folder, 'training_args.json')), content.identity);
  if (changed.length > 0) {
    const list = `${folder}: the run that it belongs to was another one:\n${changed.join('\n')}\n`;
    if (options.ignoreChanges !== true) {
      throw new TunebookError(
        `${list}Use the same arguments and data, start anew in another outputDir, or go on all the same with ` +
          `train({ resumeFromCheckpoint, ignoreChanges: true }).`,
      );
    }
    options.warn?.(`${list}Going on all the same (ignoreChanges).`);
  }
  const state = progressFromJson(await readJsonObject(path.join(folder, STATE)));
  await loadWeights(content.model, folder);
  await loadOptimizer(content.optimizer, folder, state.globalStep, options);
  content.model.engine.device?.invalidate();
  Object.assign(content.state, state);
}

function changesOf(saved: Record<string, unknown>, now: Readonly<Record<string, unknown>>): string[] {
  const names = [...new Set([...Object.keys(saved), ...Object.keys(now)])];
  return names
    .filter((name) => JSON.stringify(saved[name]) !== JSON.stringify(now[name]))
    .map((name) => `- ${name}: ${JSON.stringify(saved[name])} then, ${JSON.stringify(now[name])} now`);
}

async function loadOptimizer(
  optimizer: Optimizer,
  folder: string,
  steps: number,
  options: ReadOptions,
): Promise<void> {
  const file = await openSafetensors(path.join(folder, OPTIMIZER));
  try {
    const sizes = [...optimizer.state].map(([name, values]) => [name, values.length] as const);
    const fits = sizes.every(([name, size]) => file.header.tensors.get(name)?.shape.join() === String(size));
    if (!fits || file.header.tensors.size !== sizes.length) {
      if (options.ignoreChanges !== true)
        throw new TunebookError(`${folder}: its optimizer state does not fit ${optimizer.name}.`);
      options.warn?.(`${folder}: its optimizer state does not fit ${optimizer.name}, which begins anew.`);
      return;
    }
    for (const [name, values] of optimizer.state) {
      if (values instanceof Uint8Array) values.set(await file.readBytes(name));
      else await file.readInto(name, values);
    }
  } finally {
    await file.close();
  }
  optimizer.stepCount = steps;
}

/** Loads a checkpoint's weights (or its adapter's) into the model that it was made from. */
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
    model.engine.device?.invalidate(model.trainableParameters().map(({ data }) => data));
  } finally {
    await checkpoint.close();
  }
}

async function writeJson(file: string, value: unknown): Promise<void> {
  await writeFileAtomic(file, `${JSON.stringify(value, null, 2)}\n`);
}
