/** A hub's refusals of a push, in words that say what to do; no word of them holds the token. */
import { messageOf, TunebookError } from '../types';
import { hubClient } from './client';
import { isNetworkError, networkReason } from './errors';
import type { PushPlace } from './push-fetch';

/** The status that the hub answered with; undefined where it is another error. */
export function statusOf(error: unknown): number | undefined {
  return error instanceof hubClient().HubApiError ? error.statusCode : undefined;
}

/** An error of a push that a person can act on. */
export function explainPushError(error: unknown, place: PushPlace): Error {
  if (error instanceof TunebookError) return error;
  const { id, endpoint, token } = place;
  const where = `push to ${id} at ${endpoint}`;
  const hide = (text: string): string => (token === undefined ? text : text.replaceAll(token, '[the token]'));
  const status = statusOf(error);
  if (status !== undefined) {
    const [said] = messageOf(error).split('. URL: ');
    return new TunebookError(
      hide(`${where}: ${wordsOf(status, place)} The hub says: ${said} (status ${status}).`),
    );
  }
  if (isNetworkError(error))
    return new TunebookError(
      hide(
        `${where}: the connection failed (${networkReason(error)}). Push again: what has arrived is not sent twice.`,
      ),
    );
  // Not the error itself, whose request may have the token in it.
  return new Error(hide(`${where}: ${messageOf(error)}`));
}

function wordsOf(status: number, { id, endpoint, token }: PushPlace): string {
  const [owner] = id.split('/');
  switch (status) {
    case 401:
      return token === undefined
        ? 'not found, or private. Set HF_TOKEN to a token that may read it.'
        : `the token is not accepted. Make one with write access at ${endpoint}/settings/tokens, and set HF_TOKEN.`;
    case 403:
      return `the token may not write there. It needs write access to ${owner}'s repositories.`;
    case 404:
      return `not found. Check the owner's name (${owner}), and that the token may see the repository.`;
    case 409:
    case 412:
      return 'somebody else changed or made the repository at the same time. Push again.';
    case 413:
      return 'a file or the commit is too large for the hub.';
    case 429:
      return 'too many requests, also after a while. Push again later: what has arrived is not sent twice.';
    default:
      return status >= 500
        ? 'the hub has a fault, also after a while. Push again later: what has arrived is not sent twice.'
        : 'the hub refuses.';
  }
}
