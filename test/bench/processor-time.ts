/** Processor time of other processes, from proc(5); NaN beside Linux. */
import fs from 'node:fs';

/** Fields of /proc/PID/stat after the program's name, which may hold blanks. */
function statFields(pid: number | 'self'): number[] {
  const file = `/proc/${pid}/stat`;
  if (!fs.existsSync(file)) return [];
  const stat = fs.readFileSync(file, 'utf8');
  return stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
}

const TICKS_PER_SECOND = 100;
const seconds = (...ticks: (number | undefined)[]): number =>
  ticks.reduce((sum: number, one) => sum + (one ?? NaN), 0) / TICKS_PER_SECOND;

/** What a process has taken so far, all its threads, in seconds. */
export function processorSeconds(pid: number): number {
  const fields = statFields(pid);
  return seconds(fields[11], fields[12]);
}

/** What the programs that this one has started and that have ended took, with all of theirs, in seconds. */
export function childrenProcessorSeconds(): number {
  const fields = statFields('self');
  return seconds(fields[13], fields[14]);
}
