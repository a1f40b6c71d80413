/** Durations and sizes as people read them. */

/** Minutes and seconds, with hours where there are some: `0:07`, `12:30`, `1:02:03`. */
export function clockTime(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const two = (n: number): string => String(n).padStart(2, '0');
  const minutes = Math.floor(seconds / 60) % 60;
  return seconds < 3600
    ? `${minutes}:${two(seconds % 60)}`
    : `${Math.floor(seconds / 3600)}:${two(minutes)}:${two(seconds % 60)}`;
}

/** A duration with its unit: `0.4 s`, `12 s`, `3:05 min`, `1:02:03 h`. */
export function formatDuration(ms: number): string {
  if (ms < 9_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  return `${clockTime(ms)} ${seconds < 3600 ? 'min' : 'h'}`;
}

/** A size with its unit: `812 B`, `4.2 kB`, `11.9 MB`. */
export function formatSize(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let value = bytes / 1000;
  let unit = 0;
  while (value >= 999.95 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value.toFixed(1)} ${units[unit]}`;
}
