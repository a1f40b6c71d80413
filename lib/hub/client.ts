/** Hugging Face's hub client at its first use: most programs read models from a folder or the cache. */
import { createRequire } from 'node:module';
import type * as HubClient from '@huggingface/hub';

/** The client's module. */
export function hubClient(): typeof HubClient {
  return createRequire(__filename)('@huggingface/hub') as typeof HubClient;
}

/** The hub's own client rejects tokens without the hf_ prefix, which mirrors issue; so the header is set here. */
export function fetchWithToken(endpoint: string, token: string | undefined): typeof fetch {
  return (input, init) => {
    const headers = new Headers(init?.headers);
    const address = input instanceof Request ? input.url : String(input);
    const same = new URL(address).origin === new URL(endpoint).origin;
    if (token !== undefined && same) headers.set('authorization', `Bearer ${token}`);
    return fetch(input, { ...init, headers });
  };
}
