/**
 * How far a download of several files is, in bytes and seconds.
 */
import type { HubFile } from './download';

/** How far a download is. */
export interface DownloadProgress {
  /** The file that is being downloaded. */
  readonly file: string;
  /** Bytes on the disk, of all files together; files that were there already count. */
  readonly doneBytes: number;
  readonly totalBytes: number;
  /** Since this download began. */
  readonly bytesPerSecond: number;
  /** Undefined until there is a speed to reckon with. */
  readonly secondsLeft?: number;
}

const PROGRESS_INTERVAL_MS = 100;

/** Adds up the bytes of all files and reports them a few times a second. */
export class ProgressMeter {
  private readonly done = new Map<HubFile, number>();
  private readonly first = new Map<HubFile, number>();
  private readonly startedMs = performance.now();
  private reportedMs = -Infinity;
  private totalBytes = 0;

  constructor(private readonly onProgress: ((progress: DownloadProgress) => void) | undefined) {}

  /** Counts files that are wanted as well. */
  add(files: readonly HubFile[]): void {
    for (const { sizeBytes } of files) this.totalBytes += sizeBytes;
  }

  report(file: HubFile, doneBytes: number): void {
    if (!this.first.has(file)) this.first.set(file, doneBytes);
    this.done.set(file, doneBytes);
    const nowMs = performance.now();
    const finished = doneBytes === file.sizeBytes;
    if (!finished && nowMs - this.reportedMs < PROGRESS_INTERVAL_MS) return;
    this.reportedMs = nowMs;
    const total = sum(this.done.values());
    const seconds = (nowMs - this.startedMs) / 1000;
    // What an earlier run left here says nothing about the speed.
    const bytesPerSecond = seconds > 0 ? (total - sum(this.first.values())) / seconds : 0;
    const secondsLeft = bytesPerSecond > 0 ? (this.totalBytes - total) / bytesPerSecond : undefined;
    this.onProgress?.({
      file: file.name,
      doneBytes: total,
      totalBytes: this.totalBytes,
      bytesPerSecond,
      secondsLeft,
    });
  }
}

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
