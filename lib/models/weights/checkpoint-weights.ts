/**
 * From the tensors of a checkpoint to the weights of a model: which stay float32 parameters, which are frozen,
 * and the frozen ones of one layer at a time, quantized as they are read.
 */
import {
  codeBits,
  companionsOf,
  findQuantizedWeights,
  quantizedSizeBytes,
  readQuantizedTensor,
  startQuantization,
} from '../../quantization';
import type { QuantizationConfig, OriginalDtype, QuantizedTensor } from '../../quantization';
import { firstOf, TunebookError } from '../../types';
import { sizeOf } from '../../tensor';
import { isTied, storedName } from '../families/architecture';
import type { Architecture, LinearModule } from '../families/architecture';
import { matchStateDict } from '../../checkpoint';
import type { Checkpoint, ElementRange } from '../../checkpoint';
import { isWhole } from './coded-weight';
import { restore, transposed } from './frozen-layers';
import type { FrozenLayer, FrozenTensor, StoredWeight } from './frozen-layers';
import { allocateParameters } from './parameters';
import type { ParameterSet } from './parameters';
import { sampledPlaces } from './weight-sample';
import type { WeightSample } from './weight-sample';

export interface CheckpointWeightsOptions {
  /** How linear weights are quantized; undefined: not at all. */
  readonly quantization: QuantizationConfig | undefined;
  /** Keep linear weights frozen, in the type that they are stored in, where they are not quantized. */
  readonly keepStored: boolean;
}

const ORIGINAL: Record<string, OriginalDtype> = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' };
const WIDTHS: Record<string, number> = { F32: 4, F16: 2, BF16: 2 };
/** Values that are read and quantized at a time; a multiple of every block size. */
const PIECE = 1 << 22;

/** Names that a warning lists. */
const MAX_LISTED = 5;

interface LinearPlace {
  readonly layer: number;
  readonly module: LinearModule;
}

/** A checkpoint read as a model's weights: by the model's names, quantized where asked. */
export class CheckpointWeights {
  /** How frozen weights are quantized. */
  readonly quantization: QuantizationConfig | undefined;
  private readonly stored = new Map<string, string>();
  private readonly packed: ReadonlySet<string>;
  private places: ReadonlyMap<string, LinearPlace> | undefined;

  /** @throws TunebookError that lists every tensor that is missing, unknown or wrongly shaped */
  constructor(
    private readonly architecture: Architecture,
    private readonly checkpoint: Checkpoint,
    private readonly options: CheckpointWeightsOptions,
  ) {
    this.packed = new Set(findQuantizedWeights(checkpoint.names));
    const { quantization } = options;
    this.quantization = quantization?.isQuantizing ? quantization : undefined;
    if (this.packed.size > 0 && this.quantization === undefined) {
      throw new TunebookError(
        `${checkpoint.folder}: its weights are quantized, but its config.json has no quantization_config that says how. ` +
          'Download or save the model again.',
      );
    }
    this.matchNames();
  }

  /** Linear modules of a layer whose weights are frozen. */
  frozenModules(layer: number): LinearModule[] {
    const { modules } = this.architecture;
    if (this.packed.size > 0) return modules.filter((m) => this.packed.has(this.storedWeight(layer, m)));
    if (this.quantization !== undefined) {
      const { quantization } = this;
      return modules.filter(
        (m) => !quantization.skips(this.storedWeight(layer, m).slice(0, -'.weight'.length)),
      );
    }
    return this.options.keepStored ? [...modules] : [];
  }

  /** Everything that is not frozen, in float32. */
  async parameters(): Promise<ParameterSet> {
    const frozen = new Set(this.tableNames());
    for (let layer = 0; layer < this.architecture.layers; layer++) {
      for (const module of this.frozenModules(layer)) frozen.add(this.ownWeight(layer, module));
    }
    const parameters = allocateParameters(
      this.architecture.parameters.filter(({ name }) => !frozen.has(name)),
    );
    for (const { name, shape, data } of parameters.byName.values()) {
      const stored = this.storedTensor(name);
      if (this.packed.has(stored)) await this.readTable(stored, shape, data);
      else await this.checkpoint.readInto(stored, data);
    }
    return parameters;
  }

  /** A table that other tools quantize as well, dequantized. */
  private async readTable(
    stored: string,
    shape: readonly number[],
    out: Float32Array,
  ): Promise<Float32Array> {
    return restore(await readQuantizedTensor(this.checkpoint, stored, [shape[0], shape[1]]), out);
  }

  /** Token embedding and head, where a model of frozen weights stores them in 16 bits. */
  async tables(): Promise<Map<string, StoredWeight>> {
    const tables = new Map<string, StoredWeight>();
    for (const name of this.tableNames()) {
      const stored = this.storedTensor(name);
      const { dtype, shape } = this.checkpoint.info(stored);
      const bytes = await this.checkpoint.readBytes(stored);
      tables.set(name, { dtype: dtype as StoredWeight['dtype'], shape, bytes });
    }
    return tables;
  }

  /** A few values as they are stored, of what is stored as numbers. */
  async sample(): Promise<WeightSample> {
    const found: Record<string, number[]> = {};
    for (const { name, ...range } of sampledPlaces(this.architecture)) {
      const stored = this.storedTensor(name);
      const isNumbers = !this.packed.has(stored) && this.checkpoint.info(stored).dtype in ORIGINAL;
      if (isNumbers) found[name] = [...(await this.checkpoint.read(stored, range))];
    }
    return found;
  }

  /** Whether `values` reads a part of a parameter without the rest. */
  isReadInParts(name: string): boolean {
    return this.changedPlace(name) === undefined && !this.packed.has(this.storedTensor(name));
  }

  /** Values of a parameter in float32, rows [out, in] of linear weights; quantized ones as they are restored. */
  async values(name: string, range?: ElementRange): Promise<Float32Array> {
    const place = this.changedPlace(name);
    if (place === undefined) {
      const stored = this.storedTensor(name);
      const shape = this.packed.has(stored) ? this.shapeOf(name) : undefined;
      if (shape === undefined) return this.checkpoint.read(stored, range);
      return partOf(await this.readTable(stored, shape, new Float32Array(sizeOf(shape))), range);
    }
    const { layer, module, isFrozen } = place;
    const { inSize, outSize } = module;
    const values = isFrozen
      ? restore(await this.weight(layer, module), new Float32Array(inSize * outSize))
      : transposed(await this.checkpoint.read(this.storedTensor(name)), inSize, outSize);
    return partOf(values, range);
  }

  private shapeOf(name: string): readonly number[] | undefined {
    return this.architecture.parameters.find((one) => one.name === name)?.shape;
  }

  /** The place of a linear weight whose values are not those of the file in their order: transposed, or quantized. */
  private changedPlace(name: string): (LinearPlace & { isFrozen: boolean }) | undefined {
    this.places ??= new Map(
      Array.from({ length: this.architecture.layers }, (_, layer) =>
        this.architecture.modules.map(
          (module) => [this.ownWeight(layer, module), { layer, module }] as const,
        ),
      ).flat(),
    );
    const place = this.places.get(name);
    if (place === undefined) return undefined;
    const isFrozen = this.frozenModules(place.layer).some((module) => module.name === place.module.name);
    const isChanged = place.module.conv1d || (isFrozen && this.quantization !== undefined);
    return isChanged ? { ...place, isFrozen } : undefined;
  }

  /** Bytes of each number of a parameter that is not in `frozenModules`. */
  parameterBytes(name: string): number {
    return this.tableNames().includes(name) ? 2 : 4;
  }

  private tableNames(): string[] {
    const { tokenEmbedding, head } = this.architecture;
    if (this.frozenModules(0).length === 0) return [];
    return [...new Set([tokenEmbedding, head])].filter(
      (name) => WIDTHS[this.checkpoint.info(this.storedTensor(name)).dtype] === 2,
    );
  }

  /** The frozen weights of a layer, read now; nothing larger than the largest of them is in memory besides. */
  async layer(layer: number): Promise<FrozenLayer> {
    const tensors = new Map<string, FrozenTensor>();
    for (const module of this.frozenModules(layer))
      tensors.set(module.name, await this.weight(layer, module));
    return tensors;
  }

  /** Bytes that the frozen weights of a layer will occupy. */
  layerBytes(layer: number): number {
    return this.frozenModules(layer).reduce((total, module) => {
      const size = module.inSize * module.outSize;
      if (this.quantization !== undefined) {
        const how = this.quantization.quantizeOptions([module.outSize, module.inSize]);
        return total + quantizedSizeBytes(size, how);
      }
      return total + size * WIDTHS[this.checkpoint.info(this.storedWeight(layer, module)).dtype];
    }, 0);
  }

  /** The same on a device: see `placeOnDevice`. */
  layerDeviceBytes(layer: number): number {
    return this.frozenModules(layer).reduce((total, { inSize, outSize }) => {
      const size = inSize * outSize;
      const how = this.quantization?.quantizeOptions([outSize, inSize]);
      const coded = how && { quantType: how.quantType, blockSize: how.blockSize ?? 64 };
      if (how === undefined || coded === undefined || !isWhole(size, coded)) return total + 4 * size;
      const scales = size / coded.blockSize;
      // Factors in float32, and what they are made from where that is something else, to be read back.
      const codes = (codeBits(coded.quantType) / 8) * size;
      if (coded.quantType !== 'nf4' && coded.quantType !== 'fp4') return total + codes + 8 * scales;
      return total + codes + (how.doubleQuant === true ? 5 : 4) * scales;
    }, 0);
  }

  private async weight(layer: number, module: LinearModule): Promise<FrozenTensor> {
    const name = this.storedWeight(layer, module);
    const shape = [module.outSize, module.inSize];
    if (this.packed.has(name)) {
      const tensor = await readQuantizedTensor(this.checkpoint, name, [module.outSize, module.inSize]);
      if (tensor.shape.join() === shape.join()) return tensor;
      throw new TunebookError(
        `${this.checkpoint.folder}: expected ${name} of [${shape.join(', ')}], got [${tensor.shape.join(', ')}]. ` +
          'Check that config.json and the weights belong to the same model.',
      );
    }
    const dtype = this.checkpoint.info(name).dtype;
    if (this.quantization !== undefined) return this.quantized(name, module, ORIGINAL[dtype]);
    if (module.conv1d) {
      const values = transposed(await this.checkpoint.read(name), module.inSize, module.outSize);
      return { dtype: 'F32', shape, bytes: new Uint8Array(values.buffer) };
    }
    return { dtype: dtype as StoredWeight['dtype'], shape, bytes: await this.checkpoint.readBytes(name) };
  }

  private async quantized(
    name: string,
    module: LinearModule,
    originalDtype: OriginalDtype,
  ): Promise<QuantizedTensor> {
    const { inSize, outSize } = module;
    const how = this.quantization?.quantizeOptions([outSize, inSize]);
    if (how === undefined) throw new Error('internal: nothing says how to quantize');
    const quantizer = startQuantization({ ...how, originalDtype });
    if (module.conv1d) {
      quantizer.add(transposed(await this.checkpoint.read(name), inSize, outSize));
      return quantizer.finish();
    }
    const block = how.blockSize ?? 64;
    const piece = Math.max(1, Math.floor(PIECE / block)) * block;
    for (let start = 0; start < inSize * outSize; start += piece) {
      const count = Math.min(piece, inSize * outSize - start);
      quantizer.add(await this.checkpoint.read(name, { start, count }));
    }
    return quantizer.finish();
  }

  private ownWeight(layer: number, { name }: LinearModule): string {
    return `${this.architecture.layerPrefix(layer)}${name}.weight`;
  }

  private storedWeight(layer: number, module: LinearModule): string {
    return this.storedTensor(this.ownWeight(layer, module));
  }

  private storedTensor(own: string): string {
    return this.stored.get(own) ?? storedName(this.architecture, own);
  }

  /**
   * Finds the stored name of each of ours. Checkpoints come with and without the family's prefix, with buffers
   * that are not weights, and with a copy of a tied head.
   */
  private matchNames(): void {
    const { checkpoint, architecture } = this;
    const expected = new Map(architecture.parameters.map((spec) => [spec.name, spec.shape]));
    const found = new Map<string, readonly number[]>();
    const tiedHead = isTied(architecture);
    const companions = new Set([...this.packed].flatMap(companionsOf));
    for (const stored of checkpoint.names) {
      const name = this.ownName(stored);
      const isBuffer = this.architecture.isBuffer(name);
      if (isBuffer || companions.has(stored) || (tiedHead && name === 'lm_head.weight')) continue;
      this.stored.set(name, stored);
      // Packed weights are a list of bytes; their own shape is compared when they are read.
      const shape = this.packed.has(stored) ? expected.get(name) : undefined;
      found.set(name, shape ?? checkpoint.info(stored).shape);
    }
    const passedOver = matchStateDict(expected, found, { where: checkpoint.folder, allowUnexpected: true });
    if (passedOver.length > 0) {
      const named = firstOf(passedOver, { most: MAX_LISTED, separator: ', ' });
      console.warn(`${checkpoint.folder}: passed over what is no part of the model: ${named}.`);
    }
    const linear = new Set(
      architecture.modules.flatMap((module) =>
        Array.from({ length: architecture.layers }, (_, layer) => this.ownWeight(layer, module)),
      ),
    );
    const { tokenEmbedding, head } = this.architecture;
    const wrong = [...this.packed].filter((stored) => {
      const name = this.ownName(stored);
      const isTable = (name === tokenEmbedding || name === head) && checkpoint.info(stored).dtype === 'U32';
      return !linear.has(name) && !isTable;
    });
    if (wrong.length > 0) {
      throw new TunebookError(
        `${checkpoint.folder}: only linear layers inside of blocks can be quantized here, got ${wrong.join(', ')}.`,
      );
    }
  }

  private ownName(stored: string): string {
    const { prefix } = this.architecture;
    const name = this.architecture.canonicalName?.(stored) ?? stored;
    return name.startsWith(prefix) ? name.slice(prefix.length) : name;
  }
}

function partOf(values: Float32Array, range: ElementRange | undefined): Float32Array {
  return range === undefined ? values : values.subarray(range.start, range.start + range.count);
}

/** Numbers of float32 that a layer has in memory while it computes. */
export function restoredBytes(architecture: Architecture): number {
  return (
    4 * architecture.modules.reduce((total, { inSize, outSize }) => total + sizeOf([inSize, outSize]), 0)
  );
}
