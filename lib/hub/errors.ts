/** Turns the hub's refusals into errors that say what to do. */
import { TunebookError } from '../types';
import { hubClient } from './client';

/** The repository that an error is about. */
export interface HubRequest {
  readonly what: 'model' | 'tokenizer' | 'dataset';
  /** For instance `mistralai/Mistral-7B-v0.1`. */
  readonly id: string;
  readonly revision: string;
  readonly endpoint: string;
  readonly hasToken: boolean;
}

/** A repository's path on the hub's site. */
export function pathOf({ what, id }: HubRequest): string {
  return what === 'dataset' ? `datasets/${id}` : id;
}

/** How every error names the repository. */
export function nameOf({ what, id }: HubRequest): string {
  return `${what} "${id}"`;
}

/** Whether a status is transient, so that a retry may succeed. */
export function isTransientStatus(status: number): boolean {
  return status === 408 || status === 429 || status >= 500;
}

/**
 * The error for an HTTP status.
 *
 * @param errorCode The hub's `X-Error-Code` header, where known.
 */
export function hubStatusError(
  request: HubRequest,
  status: number,
  errorCode?: string,
  message = '',
): TunebookError {
  const { revision, endpoint, hasToken } = request;
  const page = `${endpoint}/${pathOf(request)}`;
  const where = `${nameOf(request)} at ${endpoint}`;
  const gated = errorCode === 'GatedRepo' || /gated|awaiting a review|restricted/i.test(message);
  if (gated || status === 403) {
    return new TunebookError(
      `${where}: access is restricted (status ${status}). Open ${page}, accept its conditions while logged in, then ` +
        (hasToken
          ? 'check that the token in use may read that repository.'
          : 'set HF_TOKEN to a token with read access.'),
    );
  }
  if (errorCode === 'RevisionNotFound' || (status === 404 && /revision/i.test(message))) {
    return new TunebookError(
      `${where}: there is no revision "${revision}". Its branches and tags are at ${page}/tree/main.`,
    );
  }
  if (status === 401) {
    return new TunebookError(
      hasToken
        ? `${where}: not found, or the token in use is not accepted (status 401). Check the name and HF_TOKEN.`
        : `${where}: not found, or private or gated (status 401). Check the name; if it is right, set HF_TOKEN to a ` +
            'token with read access.',
    );
  }
  if (status === 404) {
    return new TunebookError(
      `${where}: not found (status 404). Check the name: OWNER/NAME, or the path of a local folder.`,
    );
  }
  return new TunebookError(
    `${where}: the hub answered with status ${status}${message === '' ? '' : ` (${message})`}. Try again later; what ` +
      'was downloaded so far is kept.',
  );
}

/** Turns whatever the hub's client threw into an error that a person can act on. */
export function explainHubError(error: unknown, request: HubRequest): Error {
  if (error instanceof TunebookError) return error;
  if (error instanceof hubClient().HubApiError) {
    const [said] = error.message.split('. URL: '); // the client appends the address
    return hubStatusError(request, error.statusCode, undefined, said);
  }
  if (isNetworkError(error)) {
    return new TunebookError(
      `${nameOf(request)}: ${request.endpoint} cannot be reached (${networkReason(error)}). Check the ` +
        'connection, set HF_ENDPOINT to a mirror, or give the path of a local folder instead of a name.',
      { cause: error },
    );
  }
  return error instanceof Error ? error : new Error(String(error));
}

/** A response that never came, broke off, or asks for a retry. */
export class ConnectionLost extends Error {
  override name = 'ConnectionLost';
}

/** Whether the connection failed, rather than the server refusing. */
export function isNetworkError(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  // fetch throws a TypeError for a failed connection; only its message differs from that of a programming error.
  const failedFetch = error instanceof TypeError && /fetch failed|terminated/.test(error.message);
  return failedFetch || error instanceof ConnectionLost || error.name === 'TimeoutError';
}

/** The root cause of a failed fetch, for instance "connect ECONNREFUSED 127.0.0.1:9". */
export function networkReason(error: unknown): string {
  let inner: unknown = error;
  while (inner instanceof Error && inner.cause instanceof Error) inner = inner.cause;
  if (!(inner instanceof Error)) return String(inner);
  const code = 'code' in inner && typeof inner.code === 'string' ? inner.code : '';
  return inner.message === '' ? code : inner.message;
}
