/** Hugging Face's hub client at its first use: most programs read models from a folder or the cache. */
import { createRequire } from 'node:module';
import type * as HubClient from '@huggingface/hub';

/** The client's module. */
export function hubClient(): typeof HubClient {
  return createRequire(__filename)('@huggingface/hub') as typeof HubClient;
}
