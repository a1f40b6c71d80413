/** What a server is made of, and what a request leaves behind. */
import type { ContinuousBatch } from '../generation';
import type { HasRuntime } from '../models';
import type { EmbeddingQueue } from './answers/embeddings';
import type { FeedbackForm } from './page/feedback-form';
import type { GuardOptions } from './guards';
import type { ServerMetrics } from './metrics';
import type { PageFile } from './page/page';
import type { ServedModels } from './answers/served-models';

/** A request that has been answered, for a log. */
export interface RequestLog {
  readonly method: string;
  readonly path: string;
  /** 499: the client left before its answer was whole. */
  readonly status: number;
  readonly ms: number;
  readonly model?: string;
  readonly promptTokens?: number;
  readonly newTokens?: number;
  /** Texts, where the server was asked for them. */
  readonly prompts?: readonly string[];
  readonly answers?: readonly string[];
  /** What failed within the server. */
  error?: unknown;
}

/** What a server is made of. */
export interface ServerParts {
  readonly model: HasRuntime;
  readonly batch: ContinuousBatch;
  readonly models: ServedModels;
  readonly embeddings: EmbeddingQueue | undefined;
  readonly feedback: FeedbackForm | undefined;
  readonly metrics: ServerMetrics;
  readonly page: ReadonlyMap<string, PageFile>;
  readonly guard: GuardOptions;
  readonly timeoutMs: number;
  readonly maxBodyBytes: number;
  readonly logPrompts: boolean;
  readonly onRequest: ((log: RequestLog) => void) | undefined;
  /** Requests that are being answered, streams included. */
  readonly open: Set<object>;
  isEnding: boolean;
}

/** What a request leaves behind for its log. */
export interface RequestNotes {
  Variables: {
    started: number;
    notes: Partial<RequestLog>;
    /** Settles with the last byte of a stream; absent where the answer is whole at once. */
    streaming?: Promise<unknown>;
  };
}
