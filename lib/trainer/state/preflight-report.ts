/**
 * The result of a preflight, and its table.
 */
import type { CheckedArguments } from '../arguments/schema';
import { requireObject } from '../../types';
import { clockTime } from '../../display';

/** Result of the check before a run: the run's expected time, memory and disk space. */
export interface PreflightReport {
  /** Remaining optimizer steps of the run. */
  readonly steps: number;
  /** Tokens in them, without padding. */
  readonly tokens: number;
  /** Expected milliseconds of all steps, evaluations and checkpoints, with the measured range. */
  readonly timeMs: { readonly expected: number; readonly low: number; readonly high: number };
  /** Mean milliseconds of an optimizer step. */
  readonly stepMs: number;
  /** Largest resident size of the process, bytes. */
  readonly peakMemoryBytes: number;
  /** The same once the model has generated text after the run, bytes: more where codes are made for it. */
  readonly generationMemoryBytes: number;
  /** Optimizer state, bytes. */
  readonly optimizerStateBytes: number;
  readonly trainableParameters: number;
  /** Memory available to the process before the check, bytes. */
  readonly availableMemoryBytes: number;
  readonly checkpointBytes: number;
  /** Most checkpoints in the output folder at a time, including the one being written. */
  readonly checkpointsAtATime: number;
  readonly freeDiskBytes: number | undefined;
  /** Examples per forward pass. */
  readonly microBatchSize: number;
  /** What will happen at the time limit. */
  readonly timeLimit: string;
  /** The longest batch, [B, T]. */
  readonly longestBatch: readonly [number, number];
  /** What the saved and loaded model generates, where a `generate` was given. */
  readonly sample: string | undefined;
  /** Milliseconds of the preflight itself. */
  readonly preflightMs: number;
}

/** Rows of the table: name and value. */
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
    ...(report.generationMemoryBytes > report.peakMemoryBytes
      ? [
          ['  and to generate', `${size(report.generationMemoryBytes)}, with codes of 8 bits`] as [
            string,
            string,
          ],
        ]
      : []),
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

/** What happens at maxTimeMs, as text. */
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
    `train({ resumeFromCheckpoint: true }) continues`
  );
}

function size(bytes: number): string {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(2)} GB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
