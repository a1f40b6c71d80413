/**
 * What ends mpirun where the launcher itself was killed (SIGKILL, memory): a shell waits at the other end of a pipe,
 * which the system closes, and signals mpirun in the launcher's place.
 */
import { spawn } from 'node:child_process';

/** After the signal the ranks may save for so long; then they are ended. */
const SAVE_SECONDS = 60;

/** $1: mpirun; $2: the signal that its ranks answer with a checkpoint. A line says that mpirun has ended by itself. */
const SCRIPT = `
read -r line && exit 0
kill -s "$2" "$1" 2>/dev/null
left=${SAVE_SECONDS}
while kill -0 "$1" 2>/dev/null && [ "$left" -gt 0 ]; do sleep 1; left=$((left - 1)); done
kill -s TERM "$1" 2>/dev/null && sleep 5 && kill -s KILL "$1" 2>/dev/null
exit 0
`;

/**
 * Ends mpirun if this process ends before it.
 * @returns to be called when mpirun has ended
 */
export function endWithLauncher(mpirun: number, signal: NodeJS.Signals): () => void {
  const words = ['-c', SCRIPT, 'sh', String(mpirun), signal.replace(/^SIG/, '')];
  // Of a session of its own: what kills the launcher's group must not reach it.
  const watcher = spawn('sh', words, { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  for (const one of [watcher, watcher.stdin]) one.on('error', () => undefined); // no shell: as before, unwatched
  watcher.unref();
  return () => void watcher.stdin.end('ended\n');
}
