/**
 * Learning-rate schedules, by the names and formulas of transformers' get_scheduler.
 */

export type ScheduleName =
  | 'constant'
  | 'constant_with_warmup'
  | 'linear'
  | 'cosine'
  | 'cosine_with_restarts'
  | 'polynomial'
  | 'inverse_sqrt';
export const SCHEDULES: readonly ScheduleName[] = [
  'constant',
  'constant_with_warmup',
  'linear',
  'cosine',
  'cosine_with_restarts',
  'polynomial',
  'inverse_sqrt',
];

export interface ScheduleOptions {
  readonly name: ScheduleName;
  readonly learningRate: number;
  readonly warmupSteps: number;
  readonly totalSteps: number;
  /** cosine_with_restarts: number of hard restarts; default 1. */
  readonly numCycles?: number;
  /** polynomial: the last rate; default 1e-7. */
  readonly lrEnd?: number;
  /** polynomial: exponent; default 1 (linear). */
  readonly power?: number;
  /** inverse_sqrt: steps after which the rate has fallen by sqrt(2); default the warm-up, or 10,000 without one. */
  readonly timescale?: number;
}

/** The rate of optimizer step `step` = 0, 1, ... */
export function learningRateAt(options: ScheduleOptions, step: number): number {
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
