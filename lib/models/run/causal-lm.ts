/**
 * A language model at work: parameters on the host, layer after layer through the engine. Training lives
 * in `training.ts`, generation in lib/generation, loading and saving in `auto.ts`.
 */
import { rowTable, signatureOf } from '../../engine';
import type { Engine, RowTable, TensorFunction } from '../../engine';
import { TunebookError } from '../../types';
import type { HostTensor } from '../../types';
import { AdapterSet } from '../lora/adapter-set';
import type { Architecture, LinearModule } from '../families/architecture';
import type { MaskedBatch } from './attention-bias';
import { canBeCoded, codedFeeds } from '../weights/coded-feeds';
import { deviceEmbed } from '../train/device-embedding';
import { isOnDevice } from '../train/device-head';
import { checkedInputs, checkIds } from './forward-inputs';
import type { ForwardInputs, ForwardOutput } from './forward-inputs';
import {
  canStayPacked,
  overwrite,
  packedFeeds,
  restore,
  RestoreBuffers,
  storedTable,
  transposed,
} from '../weights/frozen-layers';
import type { FrozenLayers, FrozenTensor } from '../weights/frozen-layers';
import type { LoraAdapter } from '../lora/lora';
import { summaryLine } from '../lora/parameter-counts';
import { asTensor, sizeOf } from '../../tensor';
import type { Parameter, ParameterSet } from '../weights/parameters';
import { allLayers, headLogits } from './layers';
import { meanLoss } from './loss';
import { withWorkspace } from './workspace';
import type { HostPool, Workspace } from './workspace';

/** Keys and values of one layer, float32 [B, KV, S, D] each. */
export interface LayerCache {
  readonly key: HostTensor;
  readonly value: HostTensor;
}

export class CausalLM {
  private readonly adapters = new AdapterSet(() => (this.feedsByLayer = []));
  private readonly restored = new RestoreBuffers();
  private disposed = false;
  /** Arrays that passes use one after the other. */
  readonly hostPool: HostPool = new Map();
  private feedsByLayer: Record<string, HostTensor>[] = [];

  /** @param frozen weights of linear modules that are not among the parameters, where the model has such */
  constructor(
    readonly architecture: Architecture,
    readonly engine: Engine,
    readonly parameters: ParameterSet,
    readonly frozen?: FrozenLayers,
  ) {
    this.keep(parameters);
  }

  /** Parameters stay on the engine's device, where it has one. */
  private keep({ byName }: ParameterSet): void {
    this.engine.device?.keep([...byName.values()].map(({ data }) => data));
  }

  /** config.json's content. */
  get config(): Record<string, unknown> {
    const quantization = this.frozen?.quantization?.toJson();
    const config = this.architecture.toJson();
    delete config.quantization_config;
    return quantization === undefined ? config : { ...config, quantization_config: quantization };
  }

  /** Whether weights are kept in 4 or 8 bits. */
  get isQuantized(): boolean {
    return this.frozen?.quantization !== undefined;
  }

  // --- adapters ---------------------------------------------------------------------------------------

  /** The adapter in use, where the model has one. */
  get adapter(): LoraAdapter | undefined {
    return this.adapters.active;
  }

  /** Names of the adapters on the model. */
  get adapterNames(): string[] {
    return this.adapters.names;
  }

  /** Name of the adapter in use. */
  get activeAdapter(): string | undefined {
    return this.adapters.inUse;
  }

  /** Puts an adapter on, in use at once; one of the same name is replaced. */
  addAdapter(name: string, adapter: LoraAdapter): void {
    this.keep(adapter.parameters);
    this.adapters.add(name, adapter);
  }

  /** Uses another of the adapters on the model. @throws TunebookError where none has that name */
  setAdapter(name: string): void {
    this.adapters.use(name);
  }

  /** Goes on without adapter; `enableAdapters` turns it on again. */
  disableAdapters(): void {
    this.adapters.setEnabled(false);
  }

  enableAdapters(): void {
    this.adapters.setEnabled(true);
  }

  /** Takes an adapter off. @throws TunebookError where none has that name */
  deleteAdapter(name: string): void {
    this.adapters.delete(name);
  }

  /** Takes all adapters off. */
  removeAdapters(): void {
    this.adapters.clear();
  }

  /** Number of parameters; a tied head counts once. */
  numParameters(options: { onlyTrainable?: boolean } = {}): number {
    if (!options.onlyTrainable) {
      return this.parameters.flat.length + (this.frozen?.count ?? 0) + this.adapters.addedCount;
    }
    if (this.adapter !== undefined) return this.adapter.parameters.flat.length;
    return this.frozen === undefined && this.adapterNames.length === 0 ? this.parameters.flat.length : 0;
  }

  /** Prints what PEFT prints: 'trainable params: 1,536 || all params: 44,864 || trainable%: 3.4237'. */
  printTrainableParameters(): void {
    console.log(summaryLine(this.numParameters({ onlyTrainable: true }), this.numParameters()));
  }

  /**
   * What an optimizer may change: the adapter's parameters where there is one, all of the model's otherwise.
   * @throws TunebookError where there is nothing to train: frozen weights without an adapter in use
   */
  trainableParameters(): Parameter[] {
    if (this.adapter !== undefined) return [...this.adapter.parameters.byName.values()];
    if (this.adapterNames.length > 0) {
      throw new TunebookError(
        `model: expected an adapter in use, got ${this.adapterNames.join(', ')} turned off. Use enableAdapters().`,
      );
    }
    if (this.frozen !== undefined) {
      throw new TunebookError(
        `model: expected an adapter on frozen weights${this.isQuantized ? ', which are quantized' : ''}, got none. ` +
          'Put one on it with getPeftModel(model, new LoraConfig({ ... })).',
      );
    }
    return [...this.parameters.byName.values()];
  }

  /**
   * Logits, and the loss where labels are given.
   * @throws TunebookError for ragged rows, ids outside the vocabulary or a context that is too long.
   */
  async forward(inputs: ForwardInputs): Promise<ForwardOutput> {
    const { shape, ids, mask, labels } = checkedInputs(this.architecture, inputs);
    const logits = await this.inRoom(async (room) =>
      this.logits(await this.hidden({ shape, attentionMask: mask }, ids, room)),
    );
    const data = logits.data as Float32Array;
    const loss =
      labels === undefined ? undefined : meanLoss(data, labels, [...shape, this.architecture.vocabSize]);
    return { loss, logits: { data, shape: [...logits.shape] } };
  }

  /**
   * Hidden states after the last block, before the last normalization, float32 [B, T, C].
   * @param room where they are left; without it they are on the host.
   */
  async hidden(batch: MaskedBatch, ids: Int32Array, room?: Workspace): Promise<HostTensor> {
    this.assertAlive();
    if (room !== undefined) return allLayers(this, { batch, ids, room });
    return this.inRoom(async (own) => own.home(await allLayers(this, { batch, ids, room: own })));
  }

  /** Hidden states with the keys and values of each layer, for a cache; all are left in the room. */
  async hiddenWithCache(
    batch: MaskedBatch,
    ids: Int32Array,
    room: Workspace,
  ): Promise<{ hidden: HostTensor; layers: LayerCache[] }> {
    this.assertAlive();
    const caches: LayerCache[] = [];
    return { hidden: await allLayers(this, { batch, ids, room, caches }), layers: caches };
  }

  /**
   * One block on [B, T, C]; with `past.key` and `past.value` among the feeds, one step on top of a cache.
   * @param options.fn what the block computes; default: the architecture's, without keys and values
   */
  async runBlock(
    layer: number,
    feeds: Record<string, HostTensor>,
    options: { fn?: TensorFunction; into?: Record<string, Float32Array> } = {},
  ): Promise<Record<string, HostTensor>> {
    const { fn = this.architecture.trainingBlock, into } = options;
    const all = { ...feeds, ...(await this.layerFeeds(layer)) };
    if (layer + 1 < this.architecture.layers) this.frozen?.readAhead(layer + 1);
    const block = await this.engine.compile(fn, signatureOf(all));
    return block.run(all, { into });
  }

  private inRoom<Result>(work: (room: Workspace) => Promise<Result>): Promise<Result> {
    return withWorkspace(this, work);
  }

  /** float32 [..., C] -> [..., V], on the host */
  logits(x: HostTensor): Promise<HostTensor> {
    return headLogits(this, x);
  }

  /** Token embedding or head: in float32, or as 16 bits that are restored by rows. */
  table(name: string): HostTensor | RowTable {
    const isOwn = this.adapter?.copyOf(name) === undefined;
    const kept = isOwn ? this.frozen?.deviceTables?.get(name) : undefined;
    if (kept !== undefined) return kept;
    const stored = isOwn ? this.frozen?.tables?.get(name) : undefined;
    return stored === undefined ? this.feed(name) : storedTable(stored);
  }

  /** Token plus position embeddings, float32 [B, T, C]; with a room, where it leaves outputs. */
  async embed(
    ids: Int32Array,
    positions: Int32Array,
    shape: readonly [number, number],
    room?: Workspace,
  ): Promise<HostTensor> {
    const { width, tokenEmbedding, positionEmbedding } = this.architecture;
    if (isOnDevice(this, tokenEmbedding)) {
      if (room !== undefined) return deviceEmbed(this, { ids, positions, shape, room });
      return this.inRoom(async (own) => own.home(await this.embed(ids, positions, shape, own)));
    }
    const tokens = rowTable(this.table(tokenEmbedding));
    const places = positionEmbedding === undefined ? undefined : this.parameter(positionEmbedding).data;
    const data = new Float32Array(ids.length * width);
    for (let i = 0; i < ids.length; i++) {
      data.set(tokens.rows(ids[i], ids[i] + 1), i * width);
      if (places === undefined) continue;
      const from = positions[i] * width;
      for (let c = 0; c < width; c++) data[i * width + c] += places[from + c];
    }
    return { data, shape: [...shape, width] };
  }

  /**
   * The layer's inputs under their names inside the layer, its adapter's included. Good until the next call:
   * restored weights share buffers.
   * @param form 'packed': weights may stay in 4 bits, for a function without gradient. 'float32': restored.
   */
  async layerFeeds(
    layer: number,
    form: 'packed' | 'float32' = 'packed',
  ): Promise<Record<string, HostTensor>> {
    const own = (this.feedsByLayer[layer] ??= this.ownFeeds(layer));
    if (this.frozen === undefined) return own;
    const kept = this.frozen.onDevice?.(layer);
    if (kept !== undefined) return { ...own, ...kept };
    const weights = new Map(await this.frozen.layer(layer));
    const feeds = { ...own };
    const { device } = this.engine;
    if (device !== undefined) {
      // They travel as codes and are restored there.
      for (const [name, tensor] of weights) {
        if (!canBeCoded(tensor)) continue;
        Object.assign(feeds, codedFeeds(device, name, tensor));
        weights.delete(name);
      }
    }
    if (form === 'packed' && this.engine.name === 'compiled:cpu' && this.adapter?.config.useDora !== true) {
      for (const [name, tensor] of weights) {
        if (!canStayPacked(tensor)) continue;
        Object.assign(feeds, packedFeeds(name, tensor));
        weights.delete(name);
      }
    }
    return Object.assign(feeds, this.restored.feeds(weights));
  }

  private ownFeeds(layer: number): Record<string, HostTensor> {
    const prefix = this.architecture.layerPrefix(layer);
    const feeds: Record<string, HostTensor> = {};
    for (const name of this.parameters.byName.keys()) {
      if (name.startsWith(prefix)) feeds[name.slice(prefix.length)] = this.feed(name);
    }
    Object.assign(feeds, this.adapter?.layerFeeds(layer));
    // An adapter's scale as well: whatever the host hands over with each run would travel with each run.
    this.engine.device?.keep(Object.values(feeds).map(({ data }) => data));
    return feeds;
  }

  /** Values of a linear module's weight, rows [out, in]. @throws TunebookError where the layer is on disk */
  linearWeight(layer: number, module: LinearModule): Float32Array {
    const frozen = this.residentWeight(layer, module);
    if (frozen !== undefined) return restore(frozen, new Float32Array(module.inSize * module.outSize));
    const { data } = this.parameter(`${this.architecture.layerPrefix(layer)}${module.name}.weight`);
    return module.conv1d ? transposed(data, module.inSize, module.outSize) : data.slice();
  }

  /** Changes a linear module's weight for good. @param change gets rows [out, in] */
  changeLinearWeight(layer: number, module: LinearModule, change: (weight: Float32Array) => void): void {
    const weight = this.linearWeight(layer, module);
    change(weight);
    const frozen = this.residentWeight(layer, module);
    if (frozen !== undefined) return overwrite(frozen, weight);
    const { data } = this.parameter(`${this.architecture.layerPrefix(layer)}${module.name}.weight`);
    data.set(module.conv1d ? transposed(weight, module.outSize, module.inSize) : weight);
    this.engine.device?.forget([data]);
  }

  private residentWeight(layer: number, module: LinearModule): FrozenTensor | undefined {
    this.requireInMemory([layer]);
    return this.frozen?.resident(layer)?.get(module.name);
  }

  /** @throws TunebookError where one of the layers is on disk */
  requireInMemory(layers: readonly number[]): void {
    const onDisk = layers.filter(
      (layer) => this.frozen !== undefined && this.frozen.resident(layer) === undefined,
    );
    if (onDisk.length === 0) return;
    throw new TunebookError(
      `model: expected every layer in memory, but layer ${onDisk.join(', ')} is on disk or on the GPU. Raise ` +
        'maxMemory, or do this on a machine that holds the model (merging and DoRA need every weight).',
    );
  }

  finalNormFeeds(): Record<string, HostTensor> {
    return Object.fromEntries(this.architecture.finalNormParameters.map((name) => [name, this.feed(name)]));
  }

  parameter(name: string): Parameter {
    const parameter =
      this.adapter?.copyOf(name) ?? this.parameters.byName.get(name) ?? this.restoredTable(name);
    if (parameter === undefined) throw new Error(`internal: no parameter ${name}`);
    return parameter;
  }

  /** A copy in float32 of a table of 16 bits. */
  private restoredTable(name: string): Parameter | undefined {
    const stored = this.frozen?.tables?.get(name);
    if (stored === undefined) return undefined;
    const data = restore(stored, new Float32Array(sizeOf(stored.shape)));
    return { name, shape: stored.shape, decay: true, data };
  }

  /** Changes a parameter for good, in whatever type it is kept. */
  setParameter(name: string, values: Float32Array): void {
    const stored = this.frozen?.tables?.get(name);
    if (stored !== undefined) {
      this.frozen?.deviceTables?.delete(name);
      return overwrite(stored, values);
    }
    const { data } = this.parameter(name);
    data.set(values);
    this.engine.device?.forget([data]);
  }

  feed(name: string): HostTensor {
    return asTensor(this.parameter(name));
  }

  /** Frees the engine's sessions; the model cannot be used any more. */
  async dispose(): Promise<void> {
    if (this.disposed) return;
    this.disposed = true;
    await Promise.all([this.engine.dispose(), this.frozen?.dispose()]);
  }

  private assertAlive(): void {
    if (this.disposed) throw new TunebookError('model: expected a model in use, got one after dispose().');
  }

  /** @throws TunebookError where an id is outside the vocabulary or T is over the model's context. */
  checkIds(ids: Int32Array, T: number): void {
    checkIds(this.architecture, ids, T);
  }
}
