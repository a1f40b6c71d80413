/**
 * Decoding where the engine's device keeps keys and values: for each token some numbers go up and the logits come home.
 * `CachedDecoder` does the same on the host.
 */
import { MASKED, memoized, signatureOf, tf } from '../engine';
import type { DeviceMemory, TensorFunction } from '../engine';
import { withWorkspace, Workspace } from '../models';
import type { Architecture, CausalLM, LayerCache } from '../models';
import type { HostTensor } from '../types';
import { capacityFor, paddedRows } from './decoder';
import type { Decoder } from './decoder';

export class DeviceDecoder implements Decoder {
  /** Where the caches are, as long as the decoder lives. */
  private readonly room: Workspace;
  private layers: LayerCache[] = [];
  /** Tokens that each row holds: slots 0 to lengths[b] - 1 of its cache. */
  private lengths: number[];
  private capacity = 0;

  /** @param options.longest most tokens that a row will hold */
  constructor(
    private readonly model: CausalLM,
    device: DeviceMemory,
    private readonly options: { readonly prompts: readonly (readonly number[])[]; readonly longest: number },
  ) {
    this.room = new Workspace(device);
    this.lengths = options.prompts.map((prompt) => prompt.length);
  }

  async start(): Promise<Float32Array> {
    const { prompts, longest } = this.options;
    const { shape, ids, attentionMask } = paddedRows(this.model, prompts);
    return this.inRoom(async (room) => {
      const { hidden, layers } = await this.model.hiddenWithCache({ shape, attentionMask }, ids, room);
      this.layers = layers;
      await this.resize([...prompts.keys()], capacityFor(Math.max(...this.lengths), longest));
      const last = this.lengths.map((length, row) => row * shape[1] + length - 1);
      return this.logits(await this.chosen(hidden, last, room));
    });
  }

  async step(tokens: readonly (number | null)[]): Promise<Float32Array> {
    const longest = Math.max(...this.lengths);
    if (longest >= this.capacity)
      await this.resize([...tokens.keys()], capacityFor(longest + 1, this.options.longest));
    const { architecture } = this.model;
    const shape: [number, number] = [tokens.length, 1];
    const ids = Int32Array.from(tokens, (token) => token ?? 0);
    const positions = Int32Array.from(tokens, (token, row) => (token === null ? 0 : this.lengths[row]));
    const logits = await this.inRoom(async (room) => {
      const { lengths, ...placed } = room.keep({
        lengths: { data: Int32Array.from(this.lengths), shape: [tokens.length, 1, 1, 1] },
        ...architecture.positionFeeds(positions, shape),
      });
      await room.send();
      const bias = await this.bias(lengths, room);
      let x = await this.model.embed(ids, positions, shape, room);
      for (let layer = 0; layer < architecture.layers; layer++) {
        const { key, value } = this.layers[layer];
        const feeds = { x, bias, lengths, ...placed, 'past.key': key, 'past.value': value };
        const into = {
          y: room.output(x.shape),
          key: this.room.output(key.shape),
          value: this.room.output(value.shape),
        };
        const next = await this.model.runBlock(layer, feeds, { fn: cachingBlock(architecture), into });
        this.replace(layer, { key: next.key, value: next.value });
        x = next.y;
      }
      return this.logits(x);
    });
    tokens.forEach((token, row) => {
      if (token !== null) this.lengths[row]++;
    });
    return logits;
  }

  async keep(rows: readonly number[]): Promise<void> {
    await this.resize(rows, this.capacity);
    this.lengths = rows.map((row) => this.lengths[row]);
  }

  end(): void {
    this.room.end();
  }

  /** Caches of the given rows, in that order, with another number of slots. */
  private async resize(rows: readonly number[], capacity: number): Promise<void> {
    await this.inRoom(async (room) => {
      const { chosen } = room.keep({ chosen: { data: Int32Array.from(rows), shape: [rows.length] } });
      for (const [layer, cache] of this.layers.entries()) {
        const resized = async (from: HostTensor): Promise<HostTensor> => {
          const [, heads, , headSize] = from.shape;
          const into = { y: this.room.output([rows.length, heads, capacity, headSize]) };
          const feeds = { x: from, rows: chosen };
          const compiled = await this.model.engine.compile(resizing(capacity), signatureOf(feeds));
          return (await compiled.run(feeds, { into })).y;
        };
        this.replace(layer, { key: await resized(cache.key), value: await resized(cache.value) });
      }
    });
    this.capacity = capacity;
  }

  private replace(layer: number, cache: LayerCache): void {
    const { key, value } = this.layers[layer];
    this.room.giveBack(key.data);
    this.room.giveBack(value.data);
    this.layers[layer] = cache;
  }

  /** 0 on the slots that a row has filled (within a window) and on the step's own token, MASKED elsewhere. */
  private async bias(lengths: HostTensor, room: Workspace): Promise<HostTensor> {
    const fn = biasFunction(this.capacity)(this.model.architecture.slidingWindow ?? Infinity);
    const compiled = await this.model.engine.compile(fn, signatureOf({ lengths }));
    const into = { bias: room.output([lengths.shape[0], 1, 1, this.capacity + 1]) };
    return (await compiled.run({ lengths }, { into })).bias;
  }

  /** Rows of [B, T, C] taken as [B * T, C], float32 [rows, 1, C]. */
  private async chosen(x: HostTensor, rows: readonly number[], room: Workspace): Promise<HostTensor> {
    const feeds = { x, ...room.keep({ rows: { data: Int32Array.from(rows), shape: [rows.length] } }) };
    const compiled = await this.model.engine.compile(choosing, signatureOf(feeds));
    const into = { y: room.output([rows.length, 1, x.shape[2]]) };
    return (await compiled.run(feeds, { into })).y;
  }

  private async logits(x: HostTensor): Promise<Float32Array> {
    return (await this.model.logits(x)).data as Float32Array;
  }

  private inRoom<Result>(work: (room: Workspace) => Promise<Result>): Promise<Result> {
    return withWorkspace(this.model, work);
  }
}

const choosing: TensorFunction = ({ x, rows }) => {
  const flat = tf.reshape(x, [-1, x.shape[2] ?? 0]);
  return { y: tf.expandDims(tf.gather(flat, rows as tf.Tensor1D), 1) };
};

/** Takes rows of x [B, KV, S, D] and gives each `capacity` slots, new ones filled with zeros. */
const resizing = memoized((capacity: number): TensorFunction => ({ x, rows }) => {
  const chosen = tf.gather(x, rows as tf.Tensor1D) as tf.Tensor4D;
  const [B, heads, slots, headSize] = chosen.shape;
  if (slots >= capacity) return { y: tf.slice4d(chosen, [0, 0, 0, 0], [B, heads, capacity, headSize]) };
  const more = tf.zeros([B, heads, capacity - slots, headSize]);
  return { y: tf.concat([chosen, more], 2) };
});

/** lengths int32 [B, 1, 1, 1] -> bias float32 [B, 1, 1, capacity + 1] */
const biasFunction = memoized((capacity: number) =>
  memoized((window: number): TensorFunction => ({ lengths }) => {
    const slots = tf.reshape(tf.range(0, capacity, 1, 'int32'), [1, 1, 1, capacity]);
    const filled = tf.less(slots, lengths);
    // The next token sees itself and, within a window, one token fewer of the cache.
    const seen = Number.isFinite(window)
      ? tf.logicalAnd(filled, tf.greaterEqual(slots, tf.sub(lengths, tf.scalar(window - 1, 'int32'))))
      : filled;
    const past = tf.mul(tf.sub(1, tf.cast(seen, 'float32')), MASKED);
    return { bias: tf.concat([past, tf.zeros([lengths.shape[0], 1, 1, 1])], 3) };
  }),
);

/** The block with keys and values written into the slots that follow those filled: past.key in, all of key out. */
const cachingBlock = memoized((architecture: Architecture): TensorFunction => ({ lengths, ...inputs }) => {
  const { y, key, value } = architecture.block(inputs);
  const past = { key: inputs['past.key'], value: inputs['past.value'] };
  const slots = tf.reshape(tf.range(0, past.key.shape[2] ?? 0, 1, 'int32'), [1, 1, -1, 1]);
  // By products: WebGPU chooses between broadcast tensors on the host (as of 1.30).
  const next = tf.cast(tf.equal(slots, lengths), 'float32'); // [B, 1, S, 1]
  const others = tf.sub(1, next);
  const written = (old: tf.Tensor, own: tf.Tensor): tf.Tensor =>
    tf.add(tf.mul(old, others), tf.mul(own, next));
  return { y, key: written(past.key, key), value: written(past.value, value) };
});
