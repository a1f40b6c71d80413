/** Progress of a download of several files, in bytes and seconds. */
import type { HubFile } from './download';

/** Progress of a download. */
export interface DownloadProgress {
  /** The file being downloaded. */
  readonly file: string;
  /** Bytes on the disk of all files together, those already there included. */
  readonly doneBytes: number;
  /** Bytes of all files together; grows when an index names more of them. */
  readonly totalBytes: number;
  /** Mean speed since this download began. */
  readonly bytesPerSecond: number;
  /** Undefined until the speed is known. */
  readonly secondsLeft?: number;
}

const PROGRESS_INTERVAL_MS = 100;

/** Sums the bytes of all files and reports them at most ten times a second. */
export class ProgressMeter {
  private readonly done = new Map<HubFile, number>();
  private readonly first = new Map<HubFile, number>();
  private readonly startedMs = performance.now();
  private reportedMs = -Infinity;
  private totalBytes = 0;

  constructor(private readonly onProgress: ((progress: DownloadProgress) => void) | undefined) {}

  /** Adds files to the total. */
  add(files: readonly HubFile[]): void {
    for (const { sizeBytes } of files) this.totalBytes += sizeBytes;
  }

  /** Notes the bytes of one file that are on the disk. */
  report(file: HubFile, doneBytes: number): void {
    if (!this.first.has(file)) this.first.set(file, doneBytes);
    this.done.set(file, doneBytes);
    const nowMs = performance.now();
    const finished = doneBytes === file.sizeBytes;
    if (!finished && nowMs - this.reportedMs < PROGRESS_INTERVAL_MS) return;
    this.reportedMs = nowMs;
    const total = sum(this.done.values());
    const seconds = (nowMs - this.startedMs) / 1000;
    // Bytes of an earlier run say nothing about the speed.
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
