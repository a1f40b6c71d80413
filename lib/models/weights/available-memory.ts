/**
 * How much memory a process may still take, and how much it has taken, in bytes.
 */
import { readFileSync } from 'node:fs';
import os from 'node:os';

/** What the system can give without swapping: on Linux file caches count as free, elsewhere only what is free. */
export function availableMemory(): number {
  const constrained = process.constrainedMemory() ?? 0;
  const limit = constrained > 0 && constrained < os.totalmem() ? constrained : Infinity;
  const left = limit === Infinity ? Infinity : limit - process.memoryUsage().rss;
  return Math.max(0, Math.min(left, systemMemory()));
}

/** The most memory that this process has had. A child's `maxRSS` counts its parent's too, so Linux is asked directly. */
export function peakMemoryBytes(): number {
  try {
    const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    if (kilobytes !== undefined) return Number(kilobytes) * 1024;
  } catch {
    // Not Linux.
  }
  return process.resourceUsage().maxRSS * 1024;
}

function systemMemory(): number {
  try {
    const kilobytes = /^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1];
    if (kilobytes !== undefined) return Number(kilobytes) * 1024;
  } catch {
    // Not Linux.
  }
  return os.freemem();
}
