/**
 * Decisions of a run with several ranks, taken by all at the same step: what a signal, a clock or a callback of one
 * rank asks for, all do.
 */
import type { Ranks } from '../parallel/ranks';
import type { CallbackList } from './callbacks';
import type { TrainerControl } from './state';

/** Combines the ranks' requests. @throws the error of a callback, on all ranks */
export async function agree(
  ranks: Ranks,
  control: TrainerControl,
  { callbacks, purpose }: { callbacks: CallbackList; purpose: string },
): Promise<void> {
  if (ranks.group === undefined) return;
  await ranks.together(`callbacks in ${purpose}`, () => callbacks.rethrow());
  const names = Object.keys(control).sort() as (keyof TrainerControl)[];
  const flags = await ranks.reduce(
    names.map((name) => Number(control[name])),
    'max',
    `decisions in ${purpose}`,
  );
  for (const [i, name] of names.entries()) control[name] = flags[i] > 0;
}
