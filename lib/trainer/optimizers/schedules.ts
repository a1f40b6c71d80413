/**
 * Learning-rate schedules, by the names and formulas of transformers' get_scheduler.
 */
import { requireObject } from '../../types';

/** A learning-rate schedule, by Hugging Face's name. */
export type ScheduleName =
  | 'constant'
  | 'constant_with_warmup'
  | 'linear'
  | 'cosine'
  | 'cosine_with_restarts'
  | 'cosine_with_min_lr'
  | 'polynomial'
  | 'inverse_sqrt';
/** Names that `lrSchedulerType` takes. */
export const SCHEDULES: readonly ScheduleName[] = [
  'constant',
  'constant_with_warmup',
  'linear',
  'cosine',
  'cosine_with_restarts',
  'cosine_with_min_lr',
  'polynomial',
  'inverse_sqrt',
];

/** Settings of single schedules. */
export interface ScheduleSettings {
  /** cosine_with_restarts: number of hard restarts; default 1. */
  readonly numCycles?: number;
  /** cosine_with_min_lr: the final rate as a share of the first; default 0. */
  readonly minLrRate?: number;
  /** polynomial: the final rate; default 1e-7. */
  readonly lrEnd?: number;
  /** polynomial: exponent; default 1 (linear). */
  readonly power?: number;
  /** inverse_sqrt: steps after which the rate has fallen by sqrt(2); default the warm-up, or 10,000 without one. */
  readonly timescale?: number;
}

/** The settings of each schedule. */
export const SCHEDULE_SETTINGS: Readonly<Partial<Record<ScheduleName, readonly (keyof ScheduleSettings)[]>>> =
  {
    cosine_with_restarts: ['numCycles'],
    cosine_with_min_lr: ['minLrRate'],
    polynomial: ['lrEnd', 'power'],
    inverse_sqrt: ['timescale'],
  };

/** A schedule and what it needs to know. */
export interface ScheduleOptions extends ScheduleSettings {
  readonly name: ScheduleName;
  readonly learningRate: number;
  readonly warmupSteps: number;
  readonly totalSteps: number;
}

/** The rate of optimizer step `step` = 0, 1, ... */
export function learningRateAt(options: ScheduleOptions, step: number): number {
  requireObject(options, {
    ...{ where: 'learningRateAt', what: 'options { name, learningRate, warmupSteps, totalSteps }' },
    fields: ['name', 'learningRate'],
  });
  const { name, learningRate, warmupSteps, totalSteps } = options;
  if (name === 'constant') return learningRate;
  if (step < warmupSteps) return learningRate * (step / Math.max(1, warmupSteps));
  const progress = (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps);
  switch (name) {
    case 'constant_with_warmup':
      return learningRate;
    case 'linear':
      return learningRate * Math.max(0, 1 - progress);
    case 'cosine':
      return learningRate * Math.max(0, 0.5 * (1 + Math.cos(Math.PI * progress)));
    case 'cosine_with_restarts':
      if (progress >= 1) return 0;
      return (
        learningRate *
        Math.max(0, 0.5 * (1 + Math.cos(Math.PI * (((options.numCycles ?? 1) * progress) % 1))))
      );
    case 'cosine_with_min_lr': {
      const { minLrRate: least = 0 } = options;
      return learningRate * Math.max(0, least + (1 - least) * 0.5 * (1 + Math.cos(Math.PI * progress)));
    }
    case 'polynomial': {
      const { lrEnd = 1e-7, power = 1 } = options;
      return progress > 1 ? lrEnd : (learningRate - lrEnd) * (1 - progress) ** power + lrEnd;
    }
    case 'inverse_sqrt': {
      const timescale = options.timescale ?? (warmupSteps || 10_000);
      const shift = timescale - warmupSteps;
      return learningRate / Math.sqrt((step + shift) / timescale);
    }
  }
}
