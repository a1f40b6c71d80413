/**
 * Decoding with a cache, on the host or on a device. Where rotary tables depend on the length of the context (longrope,
 * dynamic), a row that crosses the border has its cache computed anew: keys made with other tables cannot be used.
 */
import type { Architecture, Runtime } from '../../models';
import { CachedDecoder } from './decoder';
import type { Admission, CachedDecoderOptions, Decoder } from './decoder';
import { codesRefusal, warnOfFloat32 } from '../passes/coded-model-cache';
import { DeviceDecoder } from './device-decoder';

type Prompts = readonly (readonly number[])[];

export function cachedDecoder(
  runtime: Runtime,
  { prompts, longest, isCoded, known }: CachedDecoderOptions,
): Decoder {
  const { device } = runtime.engine;
  const refusal = isCoded === true ? codesRefusal(runtime) : undefined;
  if (refusal !== undefined) warnOfFloat32(runtime, refusal);
  const { layerKinds } = runtime.architecture;
  const isOneTable = layerKinds.every(
    ({ tablesOf }) => tablesOf === undefined || tablesOf(1) === tablesOf(longest),
  );
  const make = (rows: Prompts): Decoder =>
    device === undefined
      ? new CachedDecoder(runtime, {
          // Where tables depend on the length, a beginning is computed otherwise by itself.
          ...{ prompts: rows, longest, known, isWhole: !isOneTable },
          isCoded: isCoded && refusal === undefined,
        })
      : new DeviceDecoder(runtime, device, { prompts: rows, longest });
  return isOneTable ? make(prompts) : new RestartingDecoder(runtime.architecture, prompts, make);
}

class RestartingDecoder implements Decoder {
  private rows: (readonly number[] | undefined)[];
  private inner: Decoder;

  constructor(
    private readonly architecture: Architecture,
    prompts: Prompts,
    private readonly make: (rows: Prompts) => Decoder,
  ) {
    this.rows = [...prompts];
    this.inner = make(prompts);
  }

  start(): Promise<Float32Array> {
    return this.inner.start();
  }

  step(tokens: readonly (number | undefined)[]): Promise<Float32Array> {
    let crosses = false;
    this.rows = this.rows.map((row, at) => {
      const token = tokens[at];
      if (row === undefined || token === undefined) return undefined;
      crosses ||= this.tablesOf(row.length) !== this.tablesOf(row.length + 1);
      return [...row, token];
    });
    if (!crosses) return this.inner.step(tokens);
    this.inner.end?.();
    // Rows that have ended keep their place.
    this.inner = this.make(this.rows.map((row) => row ?? [0]));
    return this.inner.start();
  }

  /** Up to where tables are others: the token behind begins a pass. */
  async stepAhead(
    tokens: readonly number[],
    choose: (logits: Float32Array) => number | undefined,
  ): Promise<void> {
    const row = this.rows[0] ?? [];
    const own = this.tablesOf(row.length);
    const alike = tokens.findIndex((_, at) => this.tablesOf(row.length + at + 1) !== own);
    const some = alike < 0 ? tokens : tokens.slice(0, alike);
    if (some.length < 2 || this.inner.stepAhead === undefined) {
      choose(await this.step([tokens[0]]));
      return;
    }
    let taken = 0;
    await this.inner.stepAhead(some, (logits) => {
      taken++;
      return choose(logits);
    });
    this.rows = [[...row, ...some.slice(0, taken)]];
  }

  keep(rows: readonly (number | undefined)[]): void | Promise<void> {
    this.rows = rows.map((row) => (row === undefined ? undefined : this.rows[row]));
    return this.inner.keep(rows);
  }

  /** The prompt is read in one go: a step between its layers might restart the decoder that reads it. */
  admit({ row, prompt }: Admission): Promise<Float32Array> {
    this.rows[row()] = prompt;
    return this.inner.admit({ row, prompt });
  }

  end(): void {
    this.inner.end?.();
  }

  private tablesOf(length: number): string {
    return this.architecture.layerKinds.map(({ tablesOf }) => tablesOf?.(length) ?? 0).join();
  }
}
