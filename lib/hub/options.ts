/** The options of every download, and their validation. */
import { lazySchema, prettifyError } from '../schema';
import { TunebookError } from '../types';
import type { DownloadProgress } from './progress';

/** Where to look for a repository, and how to download it. */
export interface HubOptions {
  /** The hub's cache; HF_HUB_CACHE, or `hub` in HF_HOME, or ~/.cache/huggingface/hub by default. */
  readonly cacheDir?: string;
  /** Branch, tag or commit; 'main' by default. */
  readonly revision?: string;
  /** Access token; HF_TOKEN, or the one that `hf auth login` stored, by default. */
  readonly token?: string;
  /** Address of the hub; HF_ENDPOINT or https://huggingface.co by default. */
  readonly endpoint?: string;
  /** Never use the network; true by default if HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is 1, ON, YES or TRUE. */
  readonly localFilesOnly?: boolean;
  /** Called a few times a second while downloading. */
  readonly onProgress?: (progress: DownloadProgress) => void;
  /** Retries in a row that bring no new bytes before a download fails; 5 by default. */
  readonly maxRetries?: number;
  /** Pause before the first retry, in ms; doubles each time; 1000 by default. */
  readonly retryDelayMs?: number;
  /** Silence after which a connection is dropped, in ms; 60000 by default. */
  readonly stallTimeoutMs?: number;
}

/** Schemas of the members of `HubOptions`, for options that extend them. */
export const hubOptions = lazySchema((z) => ({
  cacheDir: z.string().min(1).optional(),
  revision: z.string().optional(),
  token: z.string().optional(),
  endpoint: z.string().optional(),
  localFilesOnly: z.boolean().optional(),
  onProgress: z
    .custom<NonNullable<HubOptions['onProgress']>>((value) => typeof value === 'function', {
      error: 'expected a function',
    })
    .optional(),
  maxRetries: z.int().min(0).optional(),
  retryDelayMs: z.number().min(0).optional(),
  stallTimeoutMs: z.number().positive().optional(),
}));

const hubOptionsSchema = lazySchema((z) => z.strictObject(hubOptions()));

/**
 * Validates options.
 *
 * @throws {TunebookError} If one is unknown or of the wrong kind.
 */
export function requireHubOptions(options: unknown, where: string): void {
  const parsed = hubOptionsSchema().safeParse(options);
  if (!parsed.success) throw new TunebookError(`${where}: ${prettifyError(parsed.error)}`);
}
