/**
 * Counts the remaining work of a run: how often each batch shape runs, how many evaluations and checkpoints there will
 * be. Nothing is computed here.
 */
import { tokenCount } from '../../dataset';
import type { DataCollator } from '../../dataset';
import { countLabels, rowBucket } from '../../models';
import type { EncodedExample } from '../../types';
import type { CheckedArguments } from '../arguments/schema';
import { epochSteps, stepsPerEpoch } from '../step/run-steps';
import type { TrainerState } from '../state/state';
import { cut } from '../step/training-step';

/** Batches of one shape and one row bucket of the head. */
export interface PieceKind {
  readonly shape: readonly [number, number];
  /** Example numbers of one such batch. */
  readonly examples: readonly number[];
  /** How often, in the whole run, such a batch is first in its step, and how often it is accumulated. */
  first: number;
  added: number;
}

export interface Forecast {
  readonly steps: number;
  readonly tokens: number;
  /** The longest batch's kind first, the others by their share of the work. */
  readonly kinds: readonly PieceKind[];
  /** A step with a batch of the first kind. */
  readonly longestGroup: readonly (readonly number[])[];
  readonly evaluations: number;
  readonly checkpoints: number;
}

/** Steps whose batches are examined; a longer run is extrapolated from them. */
const SAMPLE = 1500;

export function forecastRun(run: {
  values: CheckedArguments;
  state: TrainerState;
  dataset: readonly EncodedExample[];
  collate: DataCollator;
}): Forecast {
  const { values, state, dataset } = run;
  const steps = state.maxSteps - state.globalStep;
  const perEpoch = stepsPerEpoch(values, dataset.length);
  const stride = Math.max(1, Math.ceil(steps / SAMPLE));
  const kinds = new Map<string, PieceKind & { readonly group: readonly (readonly number[])[] }>();
  const position = state.epochsDone * perEpoch + state.stepInEpoch;
  let [epoch, groups]: [number, number[][][]] = [-1, []];
  let [longest, tokens, looked] = [-1, 0, 0];
  for (let step = 0; step < steps; step += stride) {
    const at = position + step;
    if (Math.floor(at / perEpoch) !== epoch) {
      epoch = Math.floor(at / perEpoch);
      groups = epochSteps(values, dataset, epoch);
    }
    const group = groups[at % perEpoch];
    looked++;
    for (const [i, examples] of group.flatMap((batch) => cut(batch, state.microBatchSize)).entries()) {
      const batch = run.collate(examples.map((n) => dataset[n]));
      const rows = rowBucket(countLabels(batch));
      const key = `${batch.shape.join('x')} ${rows}`;
      const kind = kinds.get(key) ?? { shape: batch.shape, examples, group, first: 0, added: 0 };
      kinds.set(key, kind);
      if (i === 0) kind.first++;
      else kind.added++;
      tokens += examples.reduce((total, n) => total + tokenCount(dataset[n]), 0);
      longest = Math.max(longest, volume(batch.shape));
    }
  }
  const scale = steps / Math.max(1, looked);
  const all = [...kinds.values()].map((kind) => ({
    ...kind,
    first: kind.first * scale,
    added: kind.added * scale,
  }));
  const share = (kind: PieceKind): number => (kind.first + kind.added) * volume(kind.shape);
  const byShare = all.sort((a, b) => share(b) - share(a));
  const first = byShare.find((kind) => volume(kind.shape) === longest);
  return {
    steps,
    tokens: Math.round(tokens * scale),
    kinds: first === undefined ? [] : [first, ...byShare.filter((kind) => kind !== first)],
    longestGroup: first?.group ?? [],
    evaluations: times(values.evalStrategy, values.evalSteps ?? values.loggingSteps, state, perEpoch),
    checkpoints: times(values.saveStrategy, values.saveSteps, state, perEpoch) + 1,
  };
}

/** Padded tokens; attention's quadratic cost orders shapes with equal tokens. */
function volume([B, T]: readonly [number, number]): number {
  return B * T * (1 + T / 1e6);
}

function times(
  strategy: CheckedArguments['saveStrategy'],
  every: number,
  state: TrainerState,
  perEpoch: number,
): number {
  if (strategy === 'no') return 0;
  const { globalStep, maxSteps } = state;
  if (strategy === 'steps') return Math.floor(maxSteps / every) - Math.floor(globalStep / every);
  return Math.ceil(maxSteps / perEpoch) - Math.floor(globalStep / perEpoch);
}
