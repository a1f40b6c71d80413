/** Errors in OpenAI's shape: `{ error: { message, type, param, code } }` under the right status. */
import { BatchFullError } from '../../generation';
import { TunebookError } from '../../types';

/** The status of an answer that is an error. */
export type ErrorStatus = 400 | 401 | 403 | 404 | 405 | 413 | 415 | 429 | 500 | 503 | 504;

const TYPES: Readonly<Partial<Record<ErrorStatus, string>>> = {
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  429: 'rate_limit_error',
  500: 'server_error',
  503: 'server_error',
  504: 'timeout_error',
};

/** What is wrong with a request, as the client reads it. */
export class ApiError extends Error {
  override name = 'ApiError';
  readonly param: string | undefined;
  readonly code: string | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    readonly status: ErrorStatus,
    message: string,
    about: { param?: string; code?: string; headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(message);
    this.param = about.param;
    this.code = about.code;
    this.headers = about.headers ?? {};
  }

  /** The body of the answer. */
  toJson(): object {
    const { message, status, param, code } = this;
    return {
      error: {
        message,
        type: TYPES[status] ?? 'invalid_request_error',
        param: param ?? null,
        code: code ?? null,
      },
    };
  }
}

/** Any error as the client may see it: what the server did not foresee stays inside. */
export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof BatchFullError)
    return new ApiError(429, 'All places are taken, and as many requests wait as may. Try again later.', {
      code: 'queue_full',
      headers: { 'retry-after': '1' },
    });
  if (error instanceof TunebookError) return new ApiError(400, error.message);
  return new ApiError(500, 'The server failed. Its log says why.');
}
