/**
 * Decoding where the engine's device keeps keys and values: for each token some numbers go up and the logits come home.
 * `CachedDecoder` does the same on the host.
 */
import { MASKED, memoized, run, tf } from '../../engine';
import type { DeviceMemory, TensorFunction } from '../../engine';
import { embed, headLogits, hiddenStates, stepMode, walk, Workspace } from '../../models';
import type { Architecture, LayerCache, Runtime } from '../../models';
import type { HostTensor } from '../../types';
import { capacityFor, paddedRows } from './decoder';
import type { Admission, Decoder } from './decoder';
import { windowSlots } from './key-value-cache';
import { lastPlaces, positionFeeds } from '../passes/scopes';

export class DeviceDecoder implements Decoder {
  /** Where the caches are, as long as the decoder lives. */
  private readonly workspace: Workspace;
  private layers: LayerCache[] = [];
  /** Tokens that each row holds: slots 0 to lengths[b] - 1 of its cache. */
  private lengths: number[];
  private capacity = 0;

  /** @param options.longest most tokens that a row will hold */
  constructor(
    private readonly runtime: Runtime,
    device: DeviceMemory,
    private readonly options: { readonly prompts: readonly (readonly number[])[]; readonly longest: number },
  ) {
    this.workspace = new Workspace(device);
    this.lengths = options.prompts.map((prompt) => prompt.length);
  }

  async start(): Promise<Float32Array> {
    const { prompts, longest } = this.options;
    const { shape, ids, attentionMask } = paddedRows(this.runtime, prompts);
    return this.inWorkspace(async (workspace) => {
      const batch = { shape, attentionMask };
      const caches: LayerCache[] = [];
      const rows = lastPlaces(prompts, shape[1]);
      const hidden = await hiddenStates(this.runtime, { batch, ids, rows, workspace, caches });
      this.layers = await this.inRings(caches, this.lengths, workspace);
      await this.resize([...prompts.keys()], capacityFor(Math.max(...this.lengths), longest));
      return this.logits(hidden);
    });
  }

  async step(tokens: readonly (number | undefined)[]): Promise<Float32Array> {
    // Rows that have ended may be as long as they like.
    const longest = Math.max(...this.lengths.filter((_, row) => tokens[row] !== undefined), 0);
    if (longest >= this.capacity)
      await this.resize([...tokens.keys()], capacityFor(longest + 1, this.options.longest));
    const { architecture } = this.runtime;
    const shape: [number, number] = [tokens.length, 1];
    const ids = Int32Array.from(tokens, (token) => token ?? 0);
    const positions = Int32Array.from(tokens, (token, row) => (token === undefined ? 0 : this.lengths[row]));
    const logits = await this.inWorkspace(async (workspace) => {
      const placed = positionFeeds(architecture, positions, shape).map((feeds, kind) =>
        workspace.pin({ ...feeds, ...this.slotFeeds(kind) }),
      );
      await workspace.upload();
      const byKind: Record<string, HostTensor>[] = [];
      for (const [kind, { lengths, ...feeds }] of placed.entries())
        byKind.push({ ...feeds, bias: await this.bias(kind, { lengths, slot: feeds.slot }, workspace) });
      const x = await embed(this.runtime, { ids, positions, shape, workspace });
      const mode = stepMode(this.runtime, (layer) => byKind[architecture.kindOf(layer)], {
        fn: cachingBlock(architecture),
        past: (layer) => this.layers[layer],
        into: (layer, { shape: output }) => ({
          y: workspace.output(output),
          key: this.workspace.output(this.layers[layer].key.shape),
          value: this.workspace.output(this.layers[layer].value.shape),
        }),
        append: (layer, cache) => this.replace(layer, cache),
      });
      return this.logits(await walk(this.runtime, x, mode));
    });
    tokens.forEach((token, row) => {
      if (token !== undefined) this.lengths[row]++;
    });
    return logits;
  }

  async keep(rows: readonly (number | undefined)[]): Promise<void> {
    const lengths = rows.map((row) => (row === undefined ? 0 : this.lengths[row]));
    const capacity = Math.min(this.capacity, capacityFor(Math.max(...lengths), this.options.longest));
    // An empty row holds another's keys, of which its length hides all.
    await this.resize(
      rows.map((row) => row ?? 0),
      capacity,
    );
    this.lengths = lengths;
  }

  /** The prompt is read in one go: what is between layers would need the device's memory meanwhile. */
  async admit({ row: place, prompt }: Admission): Promise<Float32Array> {
    const row = place();
    if (prompt.length > this.capacity)
      await this.resize([...this.lengths.keys()], capacityFor(prompt.length, this.options.longest));
    const { shape, ids, attentionMask } = paddedRows(this.runtime, [prompt]);
    return this.inWorkspace(async (workspace) => {
      const caches: LayerCache[] = [];
      const batch = { shape, attentionMask };
      const rows = lastPlaces([prompt], shape[1]);
      const hidden = await hiddenStates(this.runtime, { batch, ids, rows, workspace, caches });
      const place = Float32Array.from(this.lengths, (_, at) => (at === row ? 1 : 0));
      const { placed } = workspace.pin({ placed: { data: place, shape: [place.length, 1, 1, 1] } });
      await workspace.upload();
      const own = await this.inRings(caches, [prompt.length], workspace);
      for (const [layer, cache] of this.layers.entries()) {
        const written = async (old: HostTensor, given: HostTensor): Promise<HostTensor> => {
          const into = { y: this.workspace.output(old.shape) };
          return (await run(this.runtime.engine, admitting, { old, own: given, placed }, { into })).y;
        };
        this.replace(layer, {
          key: await written(cache.key, own[layer].key),
          value: await written(cache.value, own[layer].value),
        });
      }
      this.lengths[row] = prompt.length;
      return this.logits(hidden);
    });
  }

  end(): void {
    this.workspace.dispose();
  }

  /** Caches of the given rows, in that order, with another number of slots. */
  private async resize(rows: readonly number[], capacity: number): Promise<void> {
    await this.inWorkspace(async (workspace) => {
      const { chosen } = workspace.pin({ chosen: { data: Int32Array.from(rows), shape: [rows.length] } });
      for (const [layer, cache] of this.layers.entries()) {
        const resized = async (from: HostTensor): Promise<HostTensor> => {
          const [, heads, , headSize] = from.shape;
          const slots = this.slotsOf(layer, capacity);
          const into = { y: this.workspace.output([rows.length, heads, slots, headSize]) };
          const feeds = { x: from, rows: chosen };
          return (await run(this.runtime.engine, resizing(slots), feeds, { into })).y;
        };
        this.replace(layer, { key: await resized(cache.key), value: await resized(cache.value) });
      }
    });
    this.capacity = capacity;
  }

  /** Caches [B, KV, T, D] of whole prompts; where a window is shorter, in its slots, position p in slot p modulo theirs. */
  private async inRings(
    caches: readonly LayerCache[],
    lengths: readonly number[],
    workspace: Workspace,
  ): Promise<LayerCache[]> {
    const rings: LayerCache[] = [];
    for (const [layer, cache] of caches.entries()) {
      const T = cache.key.shape[2];
      const slots = this.slotsOf(layer, T);
      if (slots === T) {
        rings.push(cache);
        continue;
      }
      // 1 where a slot takes a position: the last that falls on it.
      const data = new Float32Array(lengths.length * slots * T);
      lengths.forEach((length, row) => {
        for (let position = Math.max(0, length - slots); position < length; position++)
          data[(row * slots + (position % slots)) * T + position] = 1;
      });
      const { places } = workspace.pin({ places: { data, shape: [lengths.length, slots, T] } });
      await workspace.upload();
      const placed = async (x: HostTensor): Promise<HostTensor> => {
        const [B, heads, , headSize] = x.shape;
        const into = { y: workspace.output([B, heads, slots, headSize]) };
        return (await run(this.runtime.engine, placing, { x, places }, { into })).y;
      };
      rings.push({ key: await placed(cache.key), value: await placed(cache.value) });
    }
    return rings;
  }

  private replace(layer: number, cache: LayerCache): void {
    const { key, value } = this.layers[layer];
    this.workspace.free(key.data);
    this.workspace.free(value.data);
    this.layers[layer] = cache;
  }

  private windowOf(kind: number): number {
    return this.runtime.architecture.layerKinds[kind].slidingWindow ?? Infinity;
  }

  /** Slots of a layer. */
  private slotsOf(layer: number, capacity: number): number {
    return windowSlots(capacity, this.windowOf(this.runtime.architecture.kindOf(layer)));
  }

  /** Tokens of each row, and the slot that its next one takes, int32 [B, 1, 1, 1]. */
  private slotFeeds(kind: number): { lengths: HostTensor; slot: HostTensor } {
    const slots = windowSlots(this.capacity, this.windowOf(kind));
    const shape = [this.lengths.length, 1, 1, 1];
    return {
      lengths: { data: Int32Array.from(this.lengths), shape },
      slot: { data: Int32Array.from(this.lengths, (length) => length % slots), shape },
    };
  }

  /** 0 on the slots that a row has filled (within a window) and on the step's own token, MASKED elsewhere. */
  private async bias(
    kind: number,
    feeds: { lengths: HostTensor; slot: HostTensor },
    workspace: Workspace,
  ): Promise<HostTensor> {
    const window = this.windowOf(kind);
    const slots = windowSlots(this.capacity, window);
    const into = { bias: workspace.output([this.lengths.length, 1, 1, slots + 1]) };
    return (await run(this.runtime.engine, biasFunction(slots)(slots === window), feeds, { into })).bias;
  }

  private async logits(x: HostTensor): Promise<Float32Array> {
    return (await headLogits(this.runtime, x)).data as Float32Array;
  }

  private inWorkspace<Result>(work: (workspace: Workspace) => Promise<Result>): Promise<Result> {
    return this.runtime.inWorkspace(work);
  }
}

/** Takes rows of x [B, KV, S, D] and gives each `capacity` slots, new ones filled with zeros. */
const resizing = memoized((capacity: number): TensorFunction => ({ x, rows }) => {
  const chosen = tf.gather(x, rows as tf.Tensor1D) as tf.Tensor4D;
  const [B, heads, slots, headSize] = chosen.shape;
  if (slots >= capacity) return { y: tf.slice4d(chosen, [0, 0, 0, 0], [B, heads, capacity, headSize]) };
  const more = tf.zeros([B, heads, capacity - slots, headSize]);
  return { y: tf.concat([chosen, more], 2) };
});

/** Takes positions of x [B, KV, T, D] into slots: places [B, S, T] has a 1 for each. */
const placing: TensorFunction = ({ x, places }) => {
  const [B, heads, T, headSize] = x.shape;
  const byPosition = tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [B, T, heads * headSize]);
  const bySlot = tf.matMul(places as tf.Tensor3D, byPosition as tf.Tensor3D); // [B, S, KV * D]
  return { y: tf.transpose(tf.reshape(bySlot, [B, -1, heads, headSize]), [0, 2, 1, 3]) };
};

/** Puts own [1, KV, T, D] into the row of old [B, KV, S, D] where placed [B, 1, 1, 1] is 1. */
const admitting: TensorFunction = ({ old, own, placed }) => {
  const [, heads, slots, headSize] = old.shape;
  const length = own.shape[2] ?? 0;
  const whole =
    length >= slots
      ? tf.slice4d(own as tf.Tensor4D, [0, 0, 0, 0], [1, heads, slots, headSize])
      : tf.concat([own as tf.Tensor4D, tf.zeros([1, heads, slots - length, headSize])], 2);
  // By products, as in `cachingBlock`.
  return { y: tf.add(tf.mul(old, tf.sub(1, placed)), tf.mul(whole, placed)) };
};

/** lengths and slot int32 [B, 1, 1, 1] -> bias float32 [B, 1, 1, count + 1] */
const biasFunction = memoized((count: number) =>
  memoized((isWindow: boolean): TensorFunction => ({ lengths, slot }) => {
    const slots = tf.reshape(tf.range(0, count, 1, 'int32'), [1, 1, 1, count]);
    const filled = tf.less(slots, lengths);
    // The next token sees itself and, within a window, one token fewer of the cache: not what its own slot still holds.
    const seen = isWindow ? tf.logicalAnd(filled, tf.notEqual(slots, slot)) : filled;
    const past = tf.mul(tf.sub(1, tf.cast(seen, 'float32')), MASKED);
    return { bias: tf.concat([past, tf.zeros([lengths.shape[0], 1, 1, 1])], 3) };
  }),
);

/** The block with keys and values written into the row's next slot: past.key in, all of key out. */
const cachingBlock = memoized((architecture: Architecture): TensorFunction => ({ slot, ...inputs }) => {
  const { y, key, value } = architecture.block(inputs);
  const past = { key: inputs['past.key'], value: inputs['past.value'] };
  const slots = tf.reshape(tf.range(0, past.key.shape[2] ?? 0, 1, 'int32'), [1, 1, -1, 1]);
  // By products: WebGPU chooses between broadcast tensors on the host (as of 1.30).
  const next = tf.cast(tf.equal(slots, slot), 'float32'); // [B, 1, S, 1]
  const others = tf.sub(1, next);
  const written = (old: tf.Tensor, own: tf.Tensor): tf.Tensor =>
    tf.add(tf.mul(old, others), tf.mul(own, next));
  return { y, key: written(past.key, key), value: written(past.value, value) };
});
