/**
 * The log of a run as a file of JSON lines, from which all reports are made: an object per entry of the trainer's log,
 * with time, speed and memory at that moment. A resumed run appends to the same file, without the entries after its
 * checkpoint.
 */
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { makeFolder, writeFileAtomic } from '../../files';
import type { LogEntry, Progress } from '../state/state';

/** An entry of the trainer's log, with `time` (seconds since 1970), `tokens_per_second` and `memory_bytes`. */
export type RunRecord = LogEntry & Readonly<Record<string, number>>;

/** A log entry as it stands in the file. */
export function runRecord(entry: LogEntry, progress: Progress): RunRecord {
  const { tokensPerSecond } = progress;
  const speed: Record<string, number> =
    entry.loss === undefined || tokensPerSecond === undefined ? {} : { tokens_per_second: tokensPerSecond };
  return { ...entry, ...speed, memory_bytes: process.memoryUsage.rss(), time: Date.now() / 1000 };
}

export class RunLog {
  private constructor(
    private readonly file: string,
    readonly records: RunRecord[],
  ) {}

  /**
   * Opens the file with the log up to `step`: its own entries, or the trainer's history where entries are missing.
   */
  static async open(file: string, step: number, history: readonly LogEntry[]): Promise<RunLog> {
    const text = step === 0 ? '' : await fs.readFile(file, 'utf8').catch(() => '');
    const kept = text
      .split('\n')
      .flatMap(parseLine)
      .filter((record) => record.step <= step);
    const isWhole =
      kept.length === history.length && kept.every((record, i) => record.step === history[i].step);
    const records = isWhole ? kept : [...history];
    await makeFolder(path.dirname(file));
    await writeFileAtomic(file, records.map((record) => `${JSON.stringify(record)}\n`).join(''));
    return new RunLog(file, records);
  }

  async append(record: RunRecord): Promise<void> {
    this.records.push(record);
    await fs.appendFile(this.file, `${JSON.stringify(record)}\n`);
  }
}

/** A line's record; none for a line truncated by a crash. */
function parseLine(line: string): RunRecord[] {
  try {
    const parsed: unknown = JSON.parse(line);
    if (typeof parsed !== 'object' || parsed === null) return [];
    const isRecord = Object.values(parsed).every((value) => typeof value === 'number');
    return isRecord && 'step' in parsed && 'epoch' in parsed ? [parsed as RunRecord] : [];
  } catch {
    return [];
  }
}
