/** Who may ask: addresses that need a token, names that a request may call this server by, pages of other origins. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { isIPv6 } from 'node:net';
import { ApiError } from './answers/api-error';

/** Whether an address reaches this machine alone. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

/** An address as it stands in a URL. */
export function urlHost(host: string): string {
  return isIPv6(host) ? `[${host}]` : host;
}

/** What is checked of every request. */
export interface GuardOptions {
  readonly host: string;
  readonly token: string | undefined;
  /** More names that the Host header may have. */
  readonly allowedHosts: readonly string[];
  /** Origins of pages that may ask; '*': all. */
  readonly corsOrigins: readonly string[];
}

/**
 * A page of another site that has its own name point to this address (DNS rebinding) sends its own name as the host.
 * @throws ApiError 403
 */
export function checkHost(header: string | undefined, { host, allowedHosts }: GuardOptions): void {
  if (!isLoopback(host) && allowedHosts.length === 0) return;
  const name = hostName(header ?? '');
  if (name !== undefined && (isLoopback(name) || name === host || allowedHosts.includes(name))) return;
  throw new ApiError(
    403,
    `expected the Host header to name this server (localhost), got ${JSON.stringify((header ?? '').slice(0, 100))}. ` +
      'Behind a proxy, start the server with --allowed-host NAME.',
    { code: 'host_not_allowed' },
  );
}

function hostName(header: string): string | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:/\s]+))(?::\d+)?$/i.exec(header);
  return (match?.[1] ?? match?.[2])?.toLowerCase();
}

/**
 * A page of another origin could not read the answer, but what it asks costs work.
 * @throws ApiError 403 for pages of origins that are not allowed
 */
export function checkOrigin(
  { origin, host }: { origin: string | undefined; host: string | undefined },
  { corsOrigins }: GuardOptions,
): void {
  if (origin === undefined || origin === `http://${host}` || origin === `https://${host}`) return;
  if (corsOrigins.includes('*') || corsOrigins.includes(origin)) return;
  throw new ApiError(
    403,
    'pages of other origins may not ask this server. Start it with --cors ORIGIN to allow one.',
    {
      code: 'origin_not_allowed',
    },
  );
}

/** @throws ApiError 401 where a token is needed and another is given; comparing takes the same time for each */
export function checkToken(authorization: string | undefined, { token }: GuardOptions): void {
  if (token === undefined) return;
  const given = /^bearer (.*)$/is.exec(authorization ?? '')?.[1].trim() ?? '';
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  if (timingSafeEqual(digest(given), digest(token))) return;
  throw new ApiError(401, 'expected the bearer token that this server was started with.', {
    code: 'invalid_api_key',
    headers: { 'www-authenticate': 'Bearer' },
  });
}
