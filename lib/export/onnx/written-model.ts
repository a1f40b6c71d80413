/**
 * A written ONNX file at work in ONNX Runtime, as transformers.js uses it: whole rows, padded on the left, and one-token
 * steps on a cache. Where it stands: the proof of an export asks it what it asks the model.
 */
import type * as ort from 'onnxruntime-node';
import { onnxRuntime } from '../../engine';
import { positionIds } from '../../models';
import type { Architecture } from '../../models';
import { messageOf, TunebookError } from '../../types';
import { argMax } from '../../tensor';

/** Rows of tokens of one length. */
export interface Rows {
  readonly inputIds: readonly (readonly number[])[];
  /** 0 where a token is padding; default: all are real. */
  readonly attentionMask?: readonly (readonly number[])[];
}

/** What a row is continued with, and when it ends. */
export interface GreedyOptions {
  readonly maxNewTokens: number;
  readonly endTokens: readonly number[];
}

/** Keys and values of the tokens that were read, by the names of the graph's inputs. */
export type Cache = Readonly<Record<string, ort.Tensor>>;

export class WrittenModel {
  private constructor(
    private readonly session: ort.InferenceSession,
    private readonly architecture: Architecture,
  ) {}

  /** Loads a file, and the weights beside it. @throws TunebookError where ONNX Runtime refuses it */
  static async open(file: string, architecture: Architecture): Promise<WrittenModel> {
    try {
      const session = await onnxRuntime().InferenceSession.create(file, {
        executionProviders: ['cpu'],
        logSeverityLevel: 4, // errors are thrown
      });
      return new WrittenModel(session, architecture);
    } catch (error) {
      throw new TunebookError(
        `${file}: ONNX Runtime could not load what was written (${messageOf(error)}). ` +
          'This is a defect of tunebook: please report it with the message.',
        { cause: error },
      );
    }
  }

  /** Logits of the last tokens of each row, float32 [B, last, V]; default: of all. */
  async logits(rows: Rows, last = rows.inputIds[0].length): Promise<Float32Array> {
    const { logits } = await this.read(rows, last);
    const [B, T, V] = logits.dims;
    const data = logits.data as Float32Array;
    if (T === last) return data;
    const kept: Float32Array = new Float32Array(B * last * V);
    for (let b = 0; b < B; b++)
      kept.set(data.subarray((b * T + T - last) * V, (b + 1) * T * V), b * last * V);
    return kept;
  }

  /** The most likely continuation of each row: new tokens, the one that ends it included. */
  async greedy(rows: Rows, { maxNewTokens, endTokens }: GreedyOptions): Promise<number[][]> {
    const B = rows.inputIds.length;
    const mask = rows.inputIds.map((row, b) => [...(rows.attentionMask?.[b] ?? row.map(() => 1))]);
    const answers: number[][] = rows.inputIds.map(() => []);
    const isOver = answers.map(() => false);
    let inputIds: readonly (readonly number[])[] = rows.inputIds;
    let cache: Cache | undefined;
    for (let step = 0; step < maxNewTokens; step++) {
      const read = await this.read({ inputIds, attentionMask: mask }, 1, cache);
      const next = this.lastTokens(read.logits, B);
      next.forEach((token, b) => {
        if (isOver[b]) return;
        answers[b].push(token);
        isOver[b] = endTokens.includes(token);
      });
      if (isOver.every(Boolean)) break;
      cache = read.cache;
      inputIds = next.map((token) => [token]);
      for (const row of mask) row.push(1);
    }
    return answers;
  }

  /**
   * Reads tokens, all or those that follow on a cache: then attentionMask has the earlier ones too.
   * @param last tokens of each row whose logits are asked; a graph without that input gives all
   * @returns logits float32 [B, T, V], and the cache with these tokens in it
   */
  async read(
    { inputIds, attentionMask }: Rows,
    last: number,
    cache: Cache = this.emptyCache(inputIds.length),
  ): Promise<{ readonly logits: ort.Tensor; readonly cache: Cache }> {
    const [B, T] = [inputIds.length, inputIds[0].length];
    const { Tensor } = onnxRuntime();
    const int64 = (values: ArrayLike<number>, shape: number[]): ort.Tensor =>
      new Tensor('int64', BigInt64Array.from(Array.from(values), BigInt), shape);
    const mask = attentionMask ?? inputIds.map((row) => row.map(() => 1));
    const S = mask[0].length;
    const positions = positionIds({ shape: [B, S], attentionMask: mask.flat() });
    const own = Array.from({ length: B }, (_, b) => positions.slice((b + 1) * S - T, (b + 1) * S));
    const feeds: Record<string, ort.Tensor> = {
      ...cache,
      input_ids: int64(inputIds.flat(), [B, T]),
      attention_mask: int64(mask.flat(), [B, S]),
      position_ids: int64(
        own.flatMap((row) => [...row]),
        [B, T],
      ),
    };
    if (this.session.inputNames.includes('num_logits_to_keep')) feeds.num_logits_to_keep = int64([last], []);
    const { logits, ...present } = await this.session.run(feeds);
    const entries = Object.entries(present);
    return {
      logits,
      cache: Object.fromEntries(
        entries.map(([name, value]) => [name.replace('present', 'past_key_values'), value]),
      ),
    };
  }

  /** Frees the session. */
  async dispose(): Promise<void> {
    await this.session.release();
  }

  private lastTokens({ data, dims }: ort.Tensor, B: number): number[] {
    const [, T, V] = dims;
    return Array.from({ length: B }, (_, b) => {
      const start = (b * T + T - 1) * V;
      return argMax((data as Float32Array).subarray(start, start + V));
    });
  }

  private emptyCache(B: number): Cache {
    const { layers, keyValueHeads: KV, headSize: D } = this.architecture;
    const { Tensor } = onnxRuntime();
    const cache: Record<string, ort.Tensor> = {};
    for (let layer = 0; layer < layers; layer++)
      for (const part of ['key', 'value'])
        cache[`past_key_values.${layer}.${part}`] = new Tensor('float32', new Float32Array(0), [B, KV, 0, D]);
    return cache;
  }
}
