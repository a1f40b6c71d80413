/** Requests of a push: the token goes to the hub alone, and what a busy hub or a broken connection refuses is tried again. */
import { setTimeout as sleep } from 'node:timers/promises';
import { fetchWithToken } from './client';
import { isNetworkError, isTransientStatus } from './errors';

/** Where a push goes. */
export interface PushPlace {
  readonly id: string;
  readonly revision: string;
  readonly endpoint: string;
  readonly token: string | undefined;
}

/** Longest pause that the hub may ask for, in seconds. */
const MAX_WAIT_S = 120;

/** A fetch for the hub's client. `onSent` is called for each upload that arrived. */
export function pushFetch(
  { endpoint, token }: PushPlace,
  options: {
    readonly maxRetries?: number;
    readonly retryDelayMs?: number;
    readonly onSent?: (name: string, bytes: number) => void;
  },
): typeof fetch {
  const { maxRetries = 5, retryDelayMs = 1000, onSent } = options;
  const once = fetchWithToken(endpoint, token);
  return async (input, init) => {
    for (let failures = 0; ; failures++) {
      const pause = retryDelayMs * 2 ** failures;
      try {
        const response = await once(input, init);
        if (!isTransientStatus(response.status) || failures >= maxRetries) {
          if (response.ok) noteSent(init, onSent);
          return response;
        }
        await response.body?.cancel();
        const retryAfterSeconds = Number(response.headers.get('retry-after'));
        await sleep(retryAfterSeconds > 0 ? Math.min(retryAfterSeconds, MAX_WAIT_S) * 1000 : pause);
      } catch (error) {
        if (!isNetworkError(error) || failures >= maxRetries) throw error;
        await sleep(pause);
      }
    }
  };
}

/** The client hints at the file that a body is of. */
function noteSent(
  init: RequestInit | undefined,
  onSent: ((name: string, bytes: number) => void) | undefined,
): void {
  if (onSent === undefined || init === undefined || !(init.body instanceof Blob)) return;
  const hint: unknown = 'progressHint' in init ? init.progressHint : undefined;
  if (typeof hint === 'object' && hint !== null && 'path' in hint && typeof hint.path === 'string')
    onSent(hint.path, init.body.size);
}
