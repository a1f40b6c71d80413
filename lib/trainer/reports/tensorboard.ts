/**
 * A run's log for TensorBoard: an event file in the logging folder, with the tags of Hugging Face's trainer
 * (train/loss, eval/loss).
 */
import { promises as fs } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { makeFolder, writeFileAtomic } from '../../files';
import { eventRecord, lengthUpTo } from './event-file';
import type { RunRecord } from './run-log';

const NAME = /^events\.out\.tfevents\.(\d+)\.(.*)\.tunebook(?:\.(\d+))?$/;

export class EventLog {
  private constructor(private readonly file: string) {}

  /**
   * Begins a file. Files of earlier parts of the run lose the events after `step`, which readers then drop;
   * files of another run are deleted.
   * @param records the log up to `step`
   */
  static async open(folder: string, step: number, records: readonly RunRecord[]): Promise<EventLog> {
    await makeFolder(folder);
    const earlier = (await fs.readdir(folder)).filter((name) => NAME.test(name));
    for (const name of earlier) {
      const file = path.join(folder, name);
      if (step === 0) await fs.rm(file);
      else await fs.truncate(file, lengthUpTo(await fs.readFile(file), step));
    }
    const isContinued = step > 0 && earlier.length > 0;
    const now = Date.now() / 1000;
    // Readers load the files of a folder in the order of their names.
    const part = Math.max(-1, ...earlier.map((name) => Number(NAME.exec(name)?.[3] ?? 0))) + 1;
    const first = Math.max(Math.floor(now), ...earlier.map((name) => Number(NAME.exec(name)?.[1] ?? 0)));
    const name = `events.out.tfevents.${String(first)}.${os.hostname()}.tunebook.${String(isContinued ? part : 0)}`;
    const head = [eventRecord(now, 0, { kind: 'version' })];
    if (isContinued) head.push(eventRecord(now, step + 1, { kind: 'start' }));
    else head.push(...records.map(scalars));
    const file = path.join(folder, name);
    await writeFileAtomic(file, Buffer.concat(head));
    return new EventLog(file);
  }

  async append(record: RunRecord): Promise<void> {
    await fs.appendFile(this.file, scalars(record));
  }
}

function scalars({ step, time, ...numbers }: RunRecord): Buffer {
  const isEvaluation = Object.keys(numbers).some((name) => name.startsWith('eval_'));
  const values = Object.entries(numbers).map(([name, value]) => {
    if (name.startsWith('eval_')) return [`eval/${name.slice('eval_'.length)}`, value];
    // An evaluation would repeat these for the step.
    return isEvaluation ? [] : [`train/${name}`, value];
  });
  const given = values.filter((pair) => pair.length > 0);
  return eventRecord(time ?? 0, step, {
    kind: 'scalars',
    values: Object.fromEntries(given) as Record<string, number>,
  });
}
