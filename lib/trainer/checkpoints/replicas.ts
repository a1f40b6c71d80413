/**
 * The replicas of a run with several ranks: alike when they start, given rank 0's checkpoint, and compared again with
 * each one that is written.
 */
import { createHash } from 'node:crypto';
import { packageVersion } from '../../environment';
import type { CausalLM } from '../../pretrained';
import { TunebookError } from '../../types';
import type { Ranks } from '../parallel/ranks';
import { progressFromJson, stateToJson } from '../state/state';
import type { CheckpointContent } from './checkpoints';

/** Hash of a value, as a number that a float64 holds exactly. */
function hashNumber(...parts: (string | Uint8Array)[]): number {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest().readUIntBE(0, 6);
}

function weightsHash(model: CausalLM): number {
  const parts = model.trainableParameters().map(({ data }) => bytesOf(data));
  return hashNumber(...parts);
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

/**
 * Compares what the ranks were given: version, arguments, data, model and its weights.
 * @throws TunebookError on all ranks, that names what differs, and where
 */
export async function requireSameRun(
  ranks: Ranks,
  { identity, model }: { identity: Readonly<Record<string, unknown>>; model: CausalLM },
): Promise<void> {
  if (ranks.group === undefined) return;
  const own = new Map([
    ["tunebook's version", hashNumber(packageVersion())],
    ['trainable weights', weightsHash(model)],
    ...Object.keys(identity)
      .sort()
      .map((name): [string, number] => [name, hashNumber(JSON.stringify(identity[name]) ?? '')]),
  ]);
  const first = new Map(await ranks.share([...own], 'identity of the run'));
  const names = [...first.keys()];
  // Options that only some ranks have count as differences of all.
  const isOther = names.map((name) => own.get(name) !== first.get(name));
  const extra = [...own.keys()].some((name) => !first.has(name));
  const others = await ranks.reduce(
    [...isOther, extra].map((differs) => (differs ? ranks.rank : 0)),
    'max',
    'identity of the run',
  );
  const faults = [...names, 'names of arguments'].flatMap((name, i) =>
    others[i] > 0 ? [`- ${name}: rank ${others[i]} has others than rank 0`] : [],
  );
  if (faults.length > 0)
    throw ranks.common(
      new TunebookError(
        `trainer: expected all ranks to have the same run, but\n${faults.join('\n')}\n` +
          'Give each rank the same files and arguments.',
      ),
    );
}

/** @throws TunebookError on all ranks, where weights that began alike are so no more */
export async function requireSameWeights(ranks: Ranks, model: CausalLM, step: number): Promise<void> {
  if (ranks.group === undefined) return;
  const purpose = `weights of step ${step}`;
  const hash = weightsHash(model);
  const [first] = await ranks.reduce([ranks.isFirst ? hash : 0], 'max', purpose);
  const [other] = await ranks.reduce([hash === first ? 0 : ranks.rank], 'max', purpose);
  if (other > 0)
    throw ranks.common(
      new TunebookError(
        `trainer: expected the same weights on all ranks after step ${step}, but rank ${other} has others than ` +
          'rank 0: its processor computes otherwise (another instruction set, other threads), or its memory is ' +
          'faulty. Use machines of one kind; the last checkpoint is sound.',
      ),
    );
}

/** Gives rank 0's trained weights to all. */
export async function shareWeights(ranks: Ranks, model: CausalLM): Promise<void> {
  if (ranks.group === undefined) return;
  const parameters = model.trainableParameters().map(({ data }) => data);
  for (const data of parameters) await ranks.group.broadcast(data, { purpose: 'weights' });
  if (!ranks.isFirst) model.engine.device?.invalidate(parameters);
}

/** Gives rank 0's checkpoint (weights, optimizer, state) to all: only its disk needs to have it. */
export async function shareCheckpoint(
  ranks: Ranks,
  { model, optimizer, state }: CheckpointContent,
  checkpoint: string | undefined,
): Promise<string | undefined> {
  if (ranks.group === undefined) return checkpoint;
  const first = await ranks.share({ checkpoint, state: stateToJson(state) }, 'state of the run');
  if (first.checkpoint === undefined) return undefined;
  await shareWeights(ranks, model);
  for (const values of optimizer.state.values())
    await ranks.group.broadcast(values, { purpose: 'optimizer state' });
  if (!ranks.isFirst) {
    Object.assign(state, progressFromJson(first.state));
    optimizer.stepCount = state.globalStep;
    model.engine.device?.invalidate();
  }
  return first.checkpoint;
}
