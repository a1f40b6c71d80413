/**
 * What a preflight found out, and its table.
 */
import type { CheckedArguments } from '../arguments/schema';
import { requireObject } from '../../types';
import { clockTime } from '../../display';

/** What the check before a run found, and what the run will take. */
export interface PreflightReport {
  /** Optimizer steps that the run still has to do. */
  readonly steps: number;
  /** Tokens in them, padding not counted. */
  readonly tokens: number;
  /** Milliseconds that the steps, evaluations and checkpoints will take, with the range that was measured. */
  readonly timeMs: { readonly expected: number; readonly low: number; readonly high: number };
  /** Milliseconds of one optimizer step on average. */
  readonly stepMs: number;
  /** Largest resident size of the process, bytes. */
  readonly peakMemoryBytes: number;
  /** What the optimizer keeps from step to step, bytes. */
  readonly optimizerStateBytes: number;
  readonly trainableParameters: number;
  /** Memory that the process could still take before the check, bytes. */
  readonly availableMemoryBytes: number;
  readonly checkpointBytes: number;
  /** Most checkpoints that lie in the output folder at a time, one being written included. */
  readonly checkpointsAtATime: number;
  readonly freeDiskBytes: number | undefined;
  /** Examples that go through the model at a time. */
  readonly microBatchSize: number;
  /** What will happen at the time limit. */
  readonly timeLimit: string;
  /** The longest batch, [B, T]. */
  readonly longestBatch: readonly [number, number];
  /** What the saved and loaded model writes, where a `generate` was given. */
  readonly sample: string | undefined;
  /** Milliseconds that the preflight itself took. */
  readonly preflightMs: number;
}

/** Rows of the table: what, and how much. */
export function preflightRows(report: PreflightReport): [name: string, value: string][] {
  requireObject(report, {
    ...{ where: 'preflightRows', what: 'a report', remedy: 'Pass what trainer.preflight() gave.' },
    fields: ['steps', 'timeMs'],
  });
  const { timeMs, longestBatch } = report;
  const rows: [string, string][] = [
    ['steps', `${report.steps} of ${(report.stepMs / 1000).toFixed(2)} s`],
    ['tokens', report.tokens.toLocaleString('en')],
    ['longest batch', `${longestBatch[0]} x ${longestBatch[1]} tokens`],
    ['time', `${clockTime(timeMs.expected)} (${clockTime(timeMs.low)} to ${clockTime(timeMs.high)})`],
    ['peak memory', `${size(report.peakMemoryBytes)}, ${size(report.availableMemoryBytes)} were free`],
    [
      'optimizer state',
      `${size(report.optimizerStateBytes)}, ` +
        `${(report.optimizerStateBytes / report.trainableParameters).toFixed(2)} bytes a parameter`,
    ],
    [
      'disk for checkpoints',
      `${report.checkpointsAtATime} x ${size(report.checkpointBytes)}` +
        (report.freeDiskBytes === undefined ? '' : `, ${size(report.freeDiskBytes)} are free`),
    ],
    ['time limit', report.timeLimit],
    [
      'saved and loaded',
      `same logits, same tokens${report.sample === undefined ? '' : `: ${report.sample}`}`,
    ],
  ];
  return rows;
}

/** The table as text. */
export function preflightText(report: PreflightReport): string {
  const rows = preflightRows(report);
  const width = Math.max(...rows.map(([name]) => name.length));
  const head = `Preflight passed in ${(report.preflightMs / 1000).toFixed(1)} s. The run will take:`;
  return [head, ...rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`)].join('\n');
}

/** What happens when maxTimeMs is over. */
export function timeLimitText(
  values: CheckedArguments,
  forecast: { readonly expectedMs: number; readonly steps: number },
): string {
  const { maxTimeMs } = values;
  if (maxTimeMs === undefined) return 'none; Ctrl-C or SIGTERM finish the step and write a checkpoint';
  if (forecast.expectedMs <= maxTimeMs) return `${clockTime(maxTimeMs)}, after the expected end of the run`;
  const share = maxTimeMs / forecast.expectedMs;
  return (
    `${clockTime(maxTimeMs)}, after about ${Math.floor(share * forecast.steps)} of ${forecast.steps} steps: the ` +
    `step is finished, ${values.evalOnStop ? 'the model evaluated, ' : ''}a checkpoint written, and ` +
    `train({ resumeFromCheckpoint: true }) goes on`
  );
}

function size(bytes: number): string {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(2)} GB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
