/**
 * A notebook of several ranks, in the kernel: it is the rank, since MPI can be initialized by one process only. The
 * runner asks it to meet the others before the first cell, and to leave them after the last.
 */
import { createRequire } from 'node:module';
import type * as Distributed from '../../distributed';
import { TunebookError } from '../../types';
import type { MessageContent } from '../client/wire';

/** Most kernels are no rank, and load nothing of it. */
const load = (): typeof Distributed => createRequire(__filename)('../../distributed') as typeof Distributed;

/** Longest wait for the other ranks, until a trainer gives its own; in ms. */
const TIMEOUT_MS = 1_800_000;

/**
 * Answers a `ranks_request`: `begin` joins the ranks, requires that all have the same notebook, and gives rank 0's
 * cells left out to all; `end` waits for all and leaves them; `abort` ends all.
 */
export async function answerRanks(content: MessageContent): Promise<MessageContent> {
  const { action, notebook, leftOut, reason } = content;
  if (action === 'abort') {
    load().launchedProcessGroup({ timeoutMs: TIMEOUT_MS })?.abort(String(reason));
    return {};
  }
  if (action === 'end') {
    // A cell may have left them by itself.
    if (load().isInitialized()) await load().destroyProcessGroup();
    return { status: 'ok' };
  }
  return begin(String(notebook), JSON.stringify(leftOut));
}

async function begin(notebook: string, leftOut: string): Promise<MessageContent> {
  const group = load().launchedProcessGroup({ timeoutMs: TIMEOUT_MS });
  if (group === undefined) throw new TunebookError('internal: a notebook of one rank has none to meet');
  const first = await shared(group, JSON.stringify([notebook, leftOut]));
  const [expected, agreed] = JSON.parse(first) as [string, string];
  const others = Int32Array.of(expected === notebook ? 0 : group.rank);
  await group.allReduce(others, { op: 'max', purpose: 'the notebook' });
  if (others[0] > 0)
    throw new TunebookError(
      `run: expected the same cells and parameters on all ranks, but rank ${others[0]} has others than rank 0. ` +
        'Start all with the same command, from the same files.',
    );
  return { status: 'ok', leftOut: JSON.parse(agreed) as unknown };
}

/** Rank 0's text, on all ranks. */
async function shared(group: Distributed.ProcessGroup, text: string): Promise<string> {
  const purpose = 'the start of the notebook';
  const own = Buffer.from(text);
  const length = Int32Array.of(own.length);
  await group.broadcast(length, { purpose });
  const bytes = group.rank === 0 ? own : Buffer.alloc(length[0]);
  await group.broadcast(bytes, { purpose });
  return bytes.toString();
}
