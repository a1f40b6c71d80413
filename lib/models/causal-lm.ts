/**
 * A language model at work: parameters on the host, layer after layer through the engine. Training lives
 * in `training.ts`, generation in lib/generation, loading and saving in `auto.ts`.
 */
import { linear } from '../engine';
import type { Engine, NamedTensors, Signature, TensorFunction } from '../engine';
import { TunebookError } from '../types';
import type { HostTensor } from '../types';
import type { Architecture } from './architecture';
import { attentionBias, positionIds } from './attention-bias';
import type { MaskedBatch } from './attention-bias';
import type { LoraAdapter } from './lora';
import { asTensor, sizeOf } from './parameters';
import type { Parameter, ParameterSet } from './parameters';
import { meanLoss } from './loss';

export interface ForwardInputs {
  /** Token ids, B rows of T. */
  inputIds: readonly (readonly number[])[];
  /** 1 for real tokens, 0 for padding; default all 1. */
  attentionMask?: readonly (readonly number[])[];
  /** Token ids, not shifted; -100 is ignored. */
  labels?: readonly (readonly number[])[];
}

export interface ForwardOutput {
  /** Mean negative log-likelihood over the labelled tokens, in nats. */
  loss?: number;
  /** float32 [B, T, V] */
  logits: { data: Float32Array; shape: number[] };
}

/** Keys and values of one layer, float32 [B, KV, S, D] each. */
export interface LayerCache {
  readonly key: HostTensor;
  readonly value: HostTensor;
}

export class CausalLM {
  /** The adapter in use, where the model has one. */
  adapter: LoraAdapter | undefined;
  private disposed = false;

  constructor(
    readonly architecture: Architecture,
    readonly engine: Engine,
    readonly parameters: ParameterSet,
  ) {}

  /** config.json's content. */
  get config(): Record<string, unknown> {
    return this.architecture.toJson();
  }

  /** Number of parameters; a tied head counts once. */
  numParameters(options: { onlyTrainable?: boolean } = {}): number {
    const adapted = this.adapter?.parameters.flat.length ?? 0;
    const base = this.parameters.flat.length;
    if (options.onlyTrainable) return this.adapter === undefined ? base : adapted;
    return base + adapted;
  }

  /** What an optimizer may change: the adapter's parameters where there is one, all of the model's otherwise. */
  trainableParameters(): Parameter[] {
    return [...(this.adapter?.parameters ?? this.parameters).byName.values()];
  }

  /**
   * Logits, and the loss where labels are given.
   * @throws TunebookError for ragged rows, ids outside the vocabulary or a context that is too long.
   */
  async forward(inputs: ForwardInputs): Promise<ForwardOutput> {
    const { shape, ids, mask, labels } = this.checked(inputs);
    const x = await this.hidden({ shape, attentionMask: mask }, ids);
    const logits = await this.logits(x);
    const data = logits.data as Float32Array;
    const loss =
      labels === undefined ? undefined : meanLoss(data, labels, [...shape, this.architecture.vocabSize]);
    return { loss, logits: { data, shape: [...logits.shape] } };
  }

  /**
   * Hidden states after the last block, before the last normalization, float32 [B, T, C].
   * @param onLayer receives each layer's keys and values, for a cache.
   */
  async hidden(
    batch: MaskedBatch,
    ids: Int32Array,
    onLayer?: (layer: number, cache: LayerCache) => void,
  ): Promise<HostTensor> {
    this.assertAlive();
    const bias = attentionBias(batch, this.architecture.slidingWindow);
    const positions = positionIds(batch);
    const shared = { bias, ...this.architecture.positionFeeds(positions, batch.shape) };
    let x = this.embed(ids, positions, batch.shape);
    for (let layer = 0; layer < this.architecture.layers; layer++) {
      const { y, key, value } = await this.runBlock(layer, { x, ...shared }, onLayer !== undefined);
      onLayer?.(layer, { key, value });
      x = y;
    }
    return x;
  }

  /** One block on [B, T, C]; with `past.key` and `past.value` among the feeds, one step on top of a cache. */
  async runBlock(
    layer: number,
    feeds: Record<string, HostTensor>,
    withCache: boolean,
  ): Promise<Record<string, HostTensor>> {
    const all = { ...feeds, ...this.layerFeeds(layer) };
    const fn = withCache ? this.architecture.block : this.architecture.trainingBlock;
    const block = await this.engine.compile(fn, signatureOf(all));
    return block.run(all);
  }

  /** float32 [..., C] -> [..., V] */
  async logits(x: HostTensor): Promise<HostTensor> {
    const feeds = { x, ...this.finalNormFeeds(), head: this.feed(this.architecture.head) };
    const head = await this.engine.compile(this.headFunction, signatureOf(feeds));
    return (await head.run(feeds)).logits;
  }

  private readonly headFunction: TensorFunction = (inputs: NamedTensors) => {
    const { y } = this.architecture.finalNorm(inputs);
    return { logits: linear(y, inputs.head, undefined, { transposeWeight: true }) };
  };

  /** Token plus position embeddings, float32 [B, T, C]. */
  embed(ids: Int32Array, positions: Int32Array, shape: readonly [number, number]): HostTensor {
    const { width, tokenEmbedding, positionEmbedding } = this.architecture;
    const tokens = this.parameter(tokenEmbedding).data;
    const places = positionEmbedding === undefined ? undefined : this.parameter(positionEmbedding).data;
    const data = new Float32Array(ids.length * width);
    for (let i = 0; i < ids.length; i++) {
      data.set(tokens.subarray(ids[i] * width, (ids[i] + 1) * width), i * width);
      if (places === undefined) continue;
      const from = positions[i] * width;
      for (let c = 0; c < width; c++) data[i * width + c] += places[from + c];
    }
    return { data, shape: [...shape, width] };
  }

  /** The layer's own parameters under their names inside the layer, its adapter's included. */
  layerFeeds(layer: number): Record<string, HostTensor> {
    const known = this.feedsByLayer[layer];
    if (known !== undefined) return known;
    const prefix = this.architecture.layerPrefix(layer);
    const feeds: Record<string, HostTensor> = {};
    for (const parameter of this.parameters.byName.values()) {
      if (parameter.name.startsWith(prefix)) feeds[parameter.name.slice(prefix.length)] = asTensor(parameter);
    }
    Object.assign(feeds, this.adapter?.layerFeeds(layer));
    this.feedsByLayer[layer] = feeds;
    return feeds;
  }
  private feedsByLayer: Record<string, HostTensor>[] = [];

  /** Puts an adapter on, or takes it off. */
  setAdapter(adapter: LoraAdapter | undefined): void {
    this.adapter = adapter;
    this.feedsByLayer = [];
  }

  finalNormFeeds(): Record<string, HostTensor> {
    return Object.fromEntries(this.architecture.finalNormParameters.map((name) => [name, this.feed(name)]));
  }

  parameter(name: string): Parameter {
    const parameter = this.parameters.byName.get(name);
    if (parameter === undefined) throw new Error(`internal: no parameter ${name}`);
    return parameter;
  }

  feed(name: string): HostTensor {
    return asTensor(this.parameter(name));
  }

  /** Frees the engine's sessions; the model cannot be used any more. */
  async dispose(): Promise<void> {
    if (this.disposed) return;
    this.disposed = true;
    await this.engine.dispose();
  }

  private assertAlive(): void {
    if (this.disposed) throw new TunebookError('model: expected a model in use, got one after dispose().');
  }

  private checked(inputs: ForwardInputs): {
    shape: [number, number];
    ids: Int32Array;
    mask?: Int32Array;
    labels?: Int32Array;
  } {
    const [B, T] = [inputs.inputIds.length, inputs.inputIds[0]?.length ?? 0];
    if (B === 0 || T === 0)
      throw new TunebookError('model.forward: expected inputIds of at least one token, got none.');
    const flat = (name: string, rows: readonly (readonly number[])[] | undefined): Int32Array | undefined => {
      if (rows === undefined) return undefined;
      if (rows.length !== B || rows.some((row) => row.length !== T)) {
        throw new TunebookError(
          `model.forward: expected ${name} of ${B} rows of ${T} tokens, got rows of ` +
            `${rows.map((row) => row.length).join(', ')}. Pad rows to one length, with attentionMask 0 on padding.`,
        );
      }
      return Int32Array.from(rows.flat());
    };
    const ids = flat('inputIds', inputs.inputIds) ?? new Int32Array();
    this.checkIds(ids, T);
    const [mask, labels] = [flat('attentionMask', inputs.attentionMask), flat('labels', inputs.labels)];
    return { shape: [B, T], ids, mask, labels };
  }

  /** @throws TunebookError where an id is outside the vocabulary or T is over the model's context. */
  checkIds(ids: Int32Array, T: number): void {
    const { vocabSize, maxPositions } = this.architecture;
    if (T > maxPositions) {
      throw new TunebookError(
        `model: expected at most ${maxPositions} tokens in a row, got ${T}. Truncate the records (maxLength), ` +
          `or use a model with a longer context.`,
      );
    }
    const wrong = ids.find((id) => id < 0 || id >= vocabSize);
    if (wrong !== undefined) {
      throw new TunebookError(
        `model: expected token ids from 0 to ${vocabSize - 1}, got ${wrong}. The tokenizer does not fit this model.`,
      );
    }
  }
}

/** The signature that feeds have. */
export function signatureOf(feeds: Readonly<Record<string, HostTensor>>): Signature {
  return Object.fromEntries(
    Object.entries(feeds).map(([name, { data, shape }]) => {
      const dtype = data instanceof Float32Array ? ('float32' as const) : ('int32' as const);
      if (data.length !== sizeOf(shape)) throw new Error(`internal: ${name} does not fill [${shape}]`);
      return [name, { shape, dtype }];
    }),
  );
}
