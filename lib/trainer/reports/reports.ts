/**
 * Reports written during a run, chosen by the argument `reportTo`: JSON lines, TensorBoard event files, an HTML page.
 * All are made from the JSON lines, which are always written.
 */
import path from 'node:path';
import { writeFileAtomic } from '../../files';
import { messageOf } from '../../types';
import type { CheckedArguments } from '../arguments/schema';
import { reportPage } from './report-page';
import { RunLog, runRecord } from './run-log';
import type { CallbackContext, TrainerCallback } from '../state/state';
import { EventLog } from './tensorboard';

/** The page is rewritten at most this often, and with each checkpoint and at the end. */
const PAGE_EVERY_MS = 10_000;

/** Callbacks that write the reports of `reportTo`; none for 'none'. */
export function reports(values: CheckedArguments): TrainerCallback[] {
  const wanted = new Set(values.reportTo);
  if (wanted.size === 0) return [];
  const folder = values.loggingDir ?? path.join(values.outputDir, 'runs');
  let log: RunLog | undefined;
  let events: EventLog | undefined;
  let pageTime = -Infinity;

  const writePage = async ({ state }: CallbackContext, everyMs: number): Promise<void> => {
    if (log === undefined || !wanted.has('html') || performance.now() - pageTime < everyMs) return;
    pageTime = performance.now();
    const name = values.runName ?? path.basename(path.resolve(values.outputDir));
    await writeFileAtomic(
      path.join(folder, 'report.html'),
      reportPage(name, { values, state, records: log.records }),
    );
  };
  /** A report must not fail a run: when one can no longer be written, the run continues without. */
  const orWarn = async (write: () => Promise<void>): Promise<void> => {
    await write().catch((error: unknown) => {
      log = events = undefined;
      console.warn(`reportTo: no more reports of this run; ${messageOf(error)}`);
    });
  };

  return [
    {
      async onTrainBegin(context) {
        const { globalStep, logHistory } = context.state;
        log = await RunLog.open(path.join(folder, 'log.jsonl'), globalStep, logHistory);
        if (wanted.has('tensorboard')) events = await EventLog.open(folder, globalStep, log.records);
        await writePage(context, 0);
      },
      onLog: (context) =>
        orWarn(async () => {
          const record = runRecord(context.entry, context.progress);
          await log?.append(record);
          await events?.append(record);
          await writePage(context, PAGE_EVERY_MS);
        }),
      onSave: (context) => orWarn(() => writePage(context, 0)),
      onTrainEnd: (context) => orWarn(() => writePage(context, 0)),
    },
  ];
}
