/**
 * The weights of a model: trainable parameters in float32, frozen weights in whatever form they are kept, adapters on
 * top; and the inputs that each block takes of them.
 */
import type { Engine, RowTable } from '../../engine';
import { asTensor, sizeOf } from '../../tensor';
import { TunebookError } from '../../types';
import type { HostTensor } from '../../types';
import type { Architecture, LinearModule } from '../families/architecture';
import { weightFeeds } from '../families/parts/linear';
import type { LinearWeight } from '../families/parts/linear';
import { AdapterSet } from '../lora/adapter-set';
import type { LoraAdapter, LoraBase } from '../lora/lora';
import { isTied } from '../families/architecture';
import { HEAD } from '../lora/lora-targets';
import { canBeCoded, codedWeight } from '../weights/coded-weight';
import {
  overwrite,
  packedWeight,
  restore,
  RestoreBuffers,
  storedTable,
  transposed,
} from '../weights/frozen-layers';
import type { FrozenLayers, FrozenTensor } from '../weights/frozen-layers';
import { checksum } from '../weights/parameters';
import type { Parameter, ParameterSet } from '../weights/parameters';
import { resizedVocabulary } from '../weights/resize-vocabulary';
import { sampledPlaces } from '../weights/weight-sample';
import type { WeightSample } from '../weights/weight-sample';
import { adaptedHeadFeeds } from './adapted-head';
import type { ModelParts } from './model-parts';
import { WeightState } from '../weights/weight-state';

/** Whether weights may stay in 4 bits, for functions without gradient, or have to be float32. */
export type WeightForm = 'packed' | 'float32';

/** A layer's inputs that are not frozen: all of them, and those that are no weight of a linear module. */
interface LayerFeeds {
  readonly own: Record<string, HostTensor>;
  readonly small: Record<string, HostTensor>;
}

/** The two tables over the vocabulary. Where the head is tied they are one, unless an adapter sets them apart. */
export type TableRole = 'embedding' | 'head';

/** A model's weights: trained parameters, frozen layers and adapters. */
export class ModelWeights implements LoraBase {
  readonly frozen: FrozenLayers | undefined;
  readonly state = new WeightState();
  /** The adapters on the model, at most one of them in use. */
  readonly adapters = new AdapterSet(this.state, {
    onAdd: (adapter) => {
      this.requireComputable(adapter);
      this.pin(adapter.parameters);
    },
    onChange: () => (this.feedsByLayer = []),
  });
  private readonly restored = new RestoreBuffers();
  private feedsByLayer: LayerFeeds[] = [];
  private readonly stored: WeightSample | undefined;
  private base: Pick<ModelParts, 'architecture' | 'parameters'>;
  /** Whether the vocabulary is no longer the one that the model came with. */
  isResized = false;
  /** Numbers that tables of 16 bits have gained by `resizeVocabulary`. */
  private gainedCount = 0;
  /** Whether the arrays of the base's parameters have been handed out, to an optimizer or to a reader. */
  private isHandedOut: boolean;

  constructor(
    { architecture, parameters, frozen, sample, areParametersOwn = false }: ModelParts,
    private readonly engine: Engine,
  ) {
    this.base = { architecture, parameters };
    this.isHandedOut = !areParametersOwn;
    this.frozen = frozen;
    this.stored = sample;
    this.pin(parameters);
  }

  get architecture(): Architecture {
    return this.base.architecture;
  }

  get parameters(): ParameterSet {
    this.isHandedOut = true;
    return this.base.parameters;
  }

  /**
   * Whether the base's parameters may be written on unseen. What is written on inputs of functions (`feed`, `layerFeeds`) is
   * not looked for.
   */
  get mayBeWrittenOn(): boolean {
    return this.isHandedOut;
  }

  /** Numbers of which one differs where the base's parameters do, but for a chance of one in four billion. */
  parametersChecksum(): number[] {
    return checksum(this.base.parameters.flat);
  }

  /** The adapter in use, where the model has one. */
  get adapter(): LoraAdapter | undefined {
    return this.adapters.active;
  }

  /** Whether weights are kept in 4 or 8 bits. */
  get isQuantized(): boolean {
    return this.frozen?.quantization !== undefined;
  }

  /** Parameters stay on the engine's device, where it has one. */
  private pin({ byName }: ParameterSet): void {
    this.engine.device?.pin([...byName.values()].map(({ data }) => data));
  }

  /** By its name without the family's prefix; the adapter's copy where it trains one. A table of 16 bits is a copy. */
  parameter(name: string): Parameter {
    return this.adapter?.copyOf(name) ?? this.baseParameter(name);
  }

  /** A parameter of the base, whatever adapter is in use. */
  baseParameter(name: string): Parameter {
    this.isHandedOut = true;
    return this.ownParameter(name);
  }

  /** As `parameter`, for what stays in here or goes out as an input. */
  private current(name: string): Parameter {
    return this.adapter?.copyOf(name) ?? this.ownParameter(name);
  }

  /** As `baseParameter`, in the same way. */
  private ownParameter(name: string): Parameter {
    const parameter = this.base.parameters.byName.get(name) ?? this.restoredTable(name);
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

  /** A few values of the base as they are now; of frozen weights as they were stored, where they are unchanged. */
  sample(): WeightSample {
    const found: Record<string, readonly number[]> = {};
    for (const { name, start, count } of sampledPlaces(this.architecture)) {
      const stored = this.stored?.[name];
      const data = this.base.parameters.byName.get(name)?.data;
      // What a checkpoint holds as codes is in memory as they round it, and no other copy's values.
      if (data !== undefined && (this.stored === undefined || stored !== undefined))
        found[name] = [...data.subarray(start, start + count)];
      else if (stored !== undefined && this.state.baseChanges === 0) found[name] = stored;
    }
    return found;
  }

  /** Changes a parameter of the base for good, in whatever type it is kept. */
  setParameter(name: string, values: Float32Array): void {
    this.state.changeBase();
    const stored = this.frozen?.tables?.get(name);
    if (stored !== undefined) {
      this.frozen?.deviceTables?.delete(name);
      return overwrite(stored, values);
    }
    const { data } = this.ownParameter(name);
    data.set(values);
    this.engine.device?.invalidate([data]);
  }

  /** A parameter as an input of a function. */
  feed(name: string): HostTensor {
    return asTensor(this.current(name));
  }

  /** Name of a table in the base. */
  private tableName(role: TableRole): string {
    const { head, tokenEmbedding } = this.architecture;
    return role === 'head' ? head : tokenEmbedding;
  }

  /** The adapter's copy of a table, where it has one; a tied head has a name of its own there. */
  private tableCopy(role: TableRole): Parameter | undefined {
    const isTiedHead = role === 'head' && isTied(this.architecture);
    return this.adapter?.copyOf(isTiedHead ? `${HEAD}.weight` : this.tableName(role));
  }

  /** Token embedding or head: in float32, or in 16 bits that are restored by rows. */
  table(role: TableRole): HostTensor | RowTable {
    const copy = this.tableCopy(role);
    if (copy !== undefined) return asTensor(copy);
    const name = this.tableName(role);
    const onDevice = this.frozen?.deviceTables?.get(name);
    if (onDevice !== undefined) return onDevice;
    const stored = this.frozen?.tables?.get(name);
    return stored === undefined ? asTensor(this.ownParameter(name)) : storedTable(stored);
  }

  /** A table as one input of a function. */
  tableFeed(role: TableRole): HostTensor {
    const table = this.table(role);
    return 'data' in table ? table : asTensor(this.ownParameter(this.tableName(role)));
  }

  /** Name of the parameter that is trained when a table is; undefined where it is not. */
  trainedTable(role: TableRole): string | undefined {
    return this.adapter === undefined ? this.tableName(role) : this.tableCopy(role)?.name;
  }

  /** Whether the engine has memory of its own and holds the table there. */
  isOnDevice(role: TableRole): boolean {
    return this.engine.device !== undefined && 'data' in this.table(role);
  }

  /** A table that the device holds. */
  deviceTable(role: TableRole): HostTensor {
    const table = this.table(role);
    if ('data' in table) return table;
    throw new Error(`internal: the ${role} is not on the device`);
  }

  /** What an adapter adds to the head: inputs of `headOf`, for rows from `start` up to `end` of it. */
  headFeeds(start = 0, end = this.architecture.vocabSize): Record<string, HostTensor> {
    return this.adapter === undefined ? {} : adaptedHeadFeeds(this.adapter, { start, end });
  }

  /** @throws TunebookError where the engine cannot compute the adapter */
  private requireComputable({ embedding, embeddingTokens }: LoraAdapter): void {
    if (this.engine.device === undefined || (embedding ?? embeddingTokens) === undefined) return;
    throw new TunebookError(
      `model: expected no adapter on the token embedding on ${this.engine.name}, got one. Compute on the CPU: ` +
        "engine: { provider: 'cpu' }.",
    );
  }

  /**
   * Gives both tables another number of rows: new ones are the mean of the others. Adapters come after it.
   * @throws TunebookError where there are adapters on the model
   */
  async resizeVocabulary(vocabSize: number): Promise<void> {
    if (this.adapters.names.length > 0) {
      throw new TunebookError(
        `resizeTokenEmbeddings: expected a model without adapters, got ${this.adapters.names.join(', ')} on it. ` +
          'Resize first, then put the adapter on.',
      );
    }
    this.state.requireIdle();
    const { device } = this.engine;
    await device?.flush();
    device?.unpin([...this.base.parameters.byName.values()].map(({ data }) => data));
    const resized = resizedVocabulary({ ...this.base, frozen: this.frozen }, vocabSize);
    this.base = resized;
    this.isResized = true;
    this.state.changeBase();
    this.gainedCount += resized.gainedCount;
    this.feedsByLayer = [];
    this.pin(resized.parameters);
  }

  /** Inputs of the last normalization. */
  finalNormFeeds(): Record<string, HostTensor> {
    return Object.fromEntries(this.architecture.finalNormParameters.map((name) => [name, this.feed(name)]));
  }

  /**
   * A layer's inputs under their names inside the layer, its adapter's included. Good until the next call:
   * restored weights share buffers.
   */
  async layerFeeds(layer: number, form: WeightForm = 'packed'): Promise<Record<string, HostTensor>> {
    const { own } = this.feedsOf(layer);
    if (this.frozen === undefined) return own;
    const onDevice = this.frozen.onDevice?.(layer);
    if (onDevice !== undefined) return { ...own, ...onDevice };
    const feeds = { ...own };
    for (const [module, tensor] of await this.frozen.layer(layer))
      Object.assign(feeds, weightFeeds(module, this.frozenWeight(module, tensor, form)));
    return feeds;
  }

  /** A layer's inputs but for the weights of its linear modules: what `layerCodes` is completed by. */
  smallFeeds(layer: number): Record<string, HostTensor> {
    return this.feedsOf(layer).small;
  }

  private feedsOf(layer: number): LayerFeeds {
    const known = this.feedsByLayer[layer];
    if (known !== undefined) return known;
    const own = this.ownFeeds(layer);
    const large = new Set(this.architecture.modules.map(({ name }) => `${name}.weight`));
    const small = Object.fromEntries(Object.entries(own).filter(([name]) => !large.has(name)));
    return (this.feedsByLayer[layer] = { own, small });
  }

  private ownFeeds(layer: number): Record<string, HostTensor> {
    const prefix = this.architecture.layerPrefix(layer);
    const feeds: Record<string, HostTensor> = {};
    for (const name of this.base.parameters.byName.keys()) {
      if (name.startsWith(prefix)) feeds[name.slice(prefix.length)] = this.feed(name);
    }
    Object.assign(feeds, this.architecture.layerConstants?.(layer), this.adapter?.layerFeeds(layer));
    // An adapter's scale as well: whatever stays on the host travels with each run.
    this.engine.device?.pin(Object.values(feeds).map(({ data }) => data));
    return feeds;
  }

  /** The form in which a frozen weight on the host reaches the engine. */
  private frozenWeight(module: string, tensor: FrozenTensor, form: WeightForm): LinearWeight<HostTensor> {
    const { device, name } = this.engine;
    // To a device codes travel, and are restored there.
    if (device !== undefined && canBeCoded(tensor)) return codedWeight(device, tensor);
    const mayStayPacked =
      form === 'packed' && name === 'compiled:cpu' && this.adapter?.config.useDora !== true;
    return (mayStayPacked ? packedWeight(tensor) : undefined) ?? this.restored.weight(module, tensor);
  }

  /** Values of a linear module's weight, rows [out, in]. @throws TunebookError where the layer is not in memory */
  linearWeight(layer: number, module: LinearModule): Float32Array {
    const frozen = this.residentWeight(layer, module);
    if (frozen !== undefined) return restore(frozen, new Float32Array(module.inSize * module.outSize));
    const { data } = this.current(`${this.architecture.layerPrefix(layer)}${module.name}.weight`);
    return module.conv1d ? transposed(data, module.inSize, module.outSize) : data.slice();
  }

  /** Changes a linear module's weight for good. @param change gets rows [out, in] */
  changeLinearWeight(layer: number, module: LinearModule, change: (weight: Float32Array) => void): void {
    this.state.changeBase();
    const weight = this.linearWeight(layer, module);
    change(weight);
    const frozen = this.residentWeight(layer, module);
    if (frozen !== undefined) return overwrite(frozen, weight);
    const { data } = this.current(`${this.architecture.layerPrefix(layer)}${module.name}.weight`);
    data.set(module.conv1d ? transposed(weight, module.outSize, module.inSize) : weight);
    this.engine.device?.invalidate([data]);
  }

  private residentWeight(layer: number, module: LinearModule): FrozenTensor | undefined {
    this.requireInMemory([layer]);
    return this.frozen?.resident(layer)?.get(module.name);
  }

  /** @throws TunebookError where one of the layers is on disk or on the GPU */
  requireInMemory(layers: readonly number[]): void {
    const elsewhere = layers.filter(
      (layer) => this.frozen !== undefined && this.frozen.resident(layer) === undefined,
    );
    if (elsewhere.length === 0) return;
    throw new TunebookError(
      `model: expected every layer in memory, but layer ${elsewhere.join(', ')} is on disk or on the GPU. Raise ` +
        'maxMemory, or do this on a machine that holds the model (merging and DoRA need every weight).',
    );
  }

  /**
   * What an optimizer may change: the parameters of the adapter where there is one, all of the model's otherwise.
   * @throws TunebookError where there is nothing to train: frozen weights without an adapter in use; while calls are
   *   being computed
   */
  trainableParameters(): Parameter[] {
    this.state.change();
    if (this.adapter !== undefined) return [...this.adapter.parameters.byName.values()];
    const { names } = this.adapters;
    if (names.length > 0) {
      throw new TunebookError(
        `model: expected an adapter in use, got ${names.join(', ')} turned off. Use enableAdapters().`,
      );
    }
    if (this.frozen !== undefined) {
      throw new TunebookError(
        `model: expected an adapter on frozen weights${this.isQuantized ? ', which are quantized' : ''}, got none. ` +
          'Put one on it with getPeftModel(model, new LoraConfig({ ... })).',
      );
    }
    this.isHandedOut = true;
    return [...this.base.parameters.byName.values()];
  }

  /** Number of parameters; a tied head counts once. */
  count(): number {
    return (
      this.base.parameters.flat.length +
      (this.frozen?.count ?? 0) +
      this.gainedCount +
      this.adapters.addedCount
    );
  }

  /** Number of parameters that an optimizer may change. */
  countTrainable(): number {
    if (this.adapter !== undefined) return this.adapter.parameters.flat.length;
    return this.frozen === undefined && this.adapters.names.length === 0
      ? this.base.parameters.flat.length
      : 0;
  }
}
