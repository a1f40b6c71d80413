/**
 * Arrays that a GPU keeps from one run to the next, so that weights, gradients and optimizer state do not travel
 * with every call. Host arrays stay the names by which everybody knows them: a session asks here for the buffer
 * behind a feed or an output, and reading on the host needs `settle`, writing on it `forget`.
 *
 * ONNX Runtime's binding for Node hands out buffers of the GPU as tensors, takes them as inputs of any session and
 * writes outputs into them. It cannot read them back by itself (getData of such a tensor ends the process, as of
 * 1.30): a session whose output is a host array does.
 */
import * as ort from 'onnxruntime-node';
import type { HostTensor } from '../../types';
import { sizeOf } from '../../tensor';
import type { Graph, Value } from '../graph/graph';
import { checkedFeed } from '../contract/host-arrays';
import type { DeviceMemory, Traffic } from '../contract/engine-types';
import type { Feeds } from '../contract/host-arrays';
import { outputName, writeMover, writeSlicer } from '../graph/onnx';

type HostArray = HostTensor['data'];

/** Bytes of an array that travels with others. */
const SMALL = 1 << 20;

interface Slot {
  readonly data: HostArray;
  /** Never read on the host: not brought home. */
  readonly isScratch: boolean;
  buffer?: ort.Tensor;
  /** Which side has the values that count. */
  newest: 'host' | 'device';
}

export class GpuMemory implements DeviceMemory {
  private counted = { toDevice: 0, fromDevice: 0, uploads: 0 };
  private slots = new WeakMap<HostArray, Slot>();
  /** What the device wrote and the host has not seen. */
  private readonly unseen = new Set<Slot>();
  private readonly used = new Set<WeakRef<Slot>>();
  private readonly movers = new Map<string, Promise<ort.InferenceSession>>();
  /** Borrowed arrays that were given back, by length. */
  private readonly spare = new Map<number, Float32Array[]>();
  private held = 0;

  /** @param create makes a session on the device */
  constructor(
    private readonly create: (
      model: Uint8Array,
      options: ort.InferenceSession.SessionOptions,
    ) => Promise<ort.InferenceSession>,
  ) {}

  /** Bytes of the arrays that are on the device; what runs use in between is not counted. */
  get heldBytes(): number {
    return this.held;
  }

  get traffic(): Traffic {
    return { ...this.counted };
  }

  /**
   * Keeps these arrays on the device from their next use on. They are known by their identity: another view of the
   * same memory is another array.
   * @param options.scratch they are written by the device before it reads them, and never read on the host
   */
  keep(arrays: Iterable<HostArray>, options: { scratch?: boolean } = {}): void {
    for (const data of arrays) {
      if (data.length === 0 || this.slots.has(data)) continue;
      this.slots.set(data, { data, isScratch: options.scratch ?? false, newest: 'host' });
    }
  }

  /**
   * An array for values that go from one run to another there: the device writes it before it reads it, and the host
   * never does.
   */
  borrow(length: number): Float32Array {
    const known = this.spare.get(length)?.pop();
    if (known !== undefined) return known;
    const data = new Float32Array(length);
    this.keep([data], { scratch: true });
    return data;
  }

  /** Gives a borrowed array back for others to write on. */
  giveBack(data: Float32Array): void {
    const spare = this.spare.get(data.length);
    if (spare === undefined) this.spare.set(data.length, [data]);
    else spare.push(data);
  }

  /**
   * Puts what the host has written on kept arrays on the device, the small ones of a type in one go: a transfer has
   * its price, whatever its size. Without this each goes up by itself when it is used.
   */
  async send(arrays: Iterable<HostArray>): Promise<void> {
    const groups = new Map<'float32' | 'int32', Slot[]>();
    for (const data of arrays) {
      const slot = this.slots.get(data);
      if (slot === undefined || this.isCurrent(slot) || data.byteLength > SMALL) continue;
      const dtype = dtypeOf(data);
      if (dtype !== 'uint8') groups.set(dtype, [...(groups.get(dtype) ?? []), slot]);
    }
    for (const [dtype, slots] of groups) if (slots.length > 1) await this.uploadTogether(dtype, slots);
  }

  /**
   * Puts values on the device for good.
   * @returns an array of their type and length that stands for them: its own memory is never touched
   */
  async store<A extends HostArray>(values: A): Promise<A> {
    const name = new (values.constructor as new (length: number) => A)(values.length);
    const slot: Slot = { data: name, isScratch: true, newest: 'host' };
    this.slots.set(name, slot);
    await this.upload(slot, values);
    return name;
  }

  /** A copy of the values of an array that is on the device. */
  async read<A extends HostArray>(kept: A): Promise<A> {
    const buffer = this.slots.get(kept)?.buffer;
    if (buffer === undefined) throw new Error('internal: read before the device had it');
    const values = new (kept.constructor as new (length: number) => A)(kept.length);
    await this.download(buffer, values);
    return values;
  }

  /** Brings home what the device has written: afterwards the host's arrays can be read. */
  async settle(): Promise<void> {
    for (const slot of this.unseen) {
      if (slot.buffer === undefined) throw new Error('internal: written without a buffer');
      await this.download(slot.buffer, slot.data);
      this.unseen.delete(slot);
    }
  }

  /**
   * Says that the host has written these arrays (default: all): the device reads them anew at their next use.
   * Values that only the device has are lost; call `settle` before where they count.
   */
  forget(arrays?: Iterable<HostArray>): void {
    const slots =
      arrays === undefined
        ? [...this.used].map((reference) => reference.deref())
        : [...arrays].map((data) => this.slots.get(data));
    for (const slot of slots) {
      // What only the device has cannot be read anew.
      if (slot === undefined || slot.isScratch) continue;
      slot.newest = 'host';
      this.unseen.delete(slot);
    }
  }

  /** Gives the buffers of these arrays back; they are kept no longer. */
  release(arrays: Iterable<HostArray>): void {
    this.forget(arrays);
    for (const data of arrays) {
      const buffer = this.slots.get(data)?.buffer;
      this.slots.delete(data);
      if (buffer === undefined) continue;
      buffer.dispose();
      this.held -= data.byteLength;
    }
  }

  /** The tensors of a run's kept inputs and outputs, by name; what travels instead is counted. */
  async bind(
    { inputs, outputs }: Graph,
    feeds: Feeds,
    into: Readonly<Record<string, HostArray>>,
  ): Promise<{ inputs: Map<string, ort.Tensor>; outputs: Map<string, ort.Tensor>; wrote: () => void }> {
    const bound = { inputs: new Map<string, ort.Tensor>(), outputs: new Map<string, ort.Tensor>() };
    for (const [name, value] of inputs) {
      const { data } = checkedFeed(name, value, feeds[name]);
      const slot = this.slots.get(data);
      if (slot === undefined) this.counted.toDevice += data.byteLength;
      else bound.inputs.set(name, shaped(await this.current(slot), value));
    }
    const written: Slot[] = [];
    for (const [name, value] of outputs) {
      const slot = into[name] === undefined ? undefined : this.slots.get(into[name]);
      if (slot === undefined) {
        this.counted.fromDevice += bytesOf(value);
        continue;
      }
      slot.buffer ??= await this.allocate(slot);
      bound.outputs.set(name, shaped(slot.buffer, value));
      written.push(slot);
    }
    const wrote = (): void => {
      for (const slot of written) {
        slot.newest = 'device';
        if (!slot.isScratch) this.unseen.add(slot);
      }
    };
    return { ...bound, wrote };
  }

  async dispose(): Promise<void> {
    for (const reference of this.used) reference.deref()?.buffer?.dispose();
    this.used.clear();
    this.unseen.clear();
    this.spare.clear();
    this.held = 0;
    this.slots = new WeakMap();
    const movers = [...this.movers.values()];
    this.movers.clear();
    for (const mover of movers) await (await mover).release();
  }

  /** The slot's buffer with the values that count. */
  private async current(slot: Slot): Promise<ort.Tensor> {
    return this.isCurrent(slot) ? slot.buffer : this.upload(slot, slot.data);
  }

  private isCurrent(slot: Slot): slot is Slot & { buffer: ort.Tensor } {
    return slot.buffer !== undefined && slot.newest === 'device';
  }

  private async uploadTogether(dtype: 'float32' | 'int32', slots: readonly Slot[]): Promise<void> {
    const lengths = slots.map(({ data }) => data.length);
    const joined = new (slots[0].data.constructor as new (length: number) => HostArray)(
      lengths.reduce((total, length) => total + length, 0),
    );
    let offset = 0;
    for (const { data } of slots) {
      joined.set(data, offset);
      offset += data.length;
    }
    const key = `${dtype} ${lengths.join()}`;
    const slicer = await this.session(key, () => writeSlicer(dtype, lengths), 'gpu-buffer');
    const names = lengths.map((_, i) => outputName(`y${i}`));
    const parts = await slicer.run({ x: new ort.Tensor(dtype, joined, [joined.length]) }, names);
    for (const [i, slot] of slots.entries()) {
      slot.buffer?.dispose();
      this.take(slot, parts[names[i]]);
    }
    this.counted.toDevice += joined.byteLength;
    this.counted.uploads++;
  }

  private async upload(slot: Slot, values: HostArray): Promise<ort.Tensor> {
    const dtype = dtypeOf(values);
    const x = new ort.Tensor(dtype, values, [values.length]);
    slot.buffer?.dispose();
    const { y } = await (await this.mover(dtype, 'gpu-buffer')).run({ x });
    this.counted.toDevice += values.byteLength;
    this.counted.uploads++;
    return this.take(slot, y);
  }

  private async download(buffer: ort.Tensor, into: HostArray): Promise<void> {
    const dtype = dtypeOf(into);
    const y = new ort.Tensor(dtype, into, [into.length]);
    await (await this.mover(dtype, 'cpu')).run({ x: buffer }, { y });
    this.counted.fromDevice += into.byteLength;
  }

  /** A buffer of zeros, which do not travel. */
  private async allocate(slot: Slot): Promise<ort.Tensor> {
    const size = new ort.Tensor('int64', BigInt64Array.of(BigInt(slot.data.length)), [1]);
    const { y } = await (await this.mover(dtypeOf(slot.data), 'zeros')).run({ size });
    return this.take(slot, y);
  }

  private take(slot: Slot, buffer: ort.Tensor): ort.Tensor {
    if (slot.buffer === undefined) {
      this.used.add(new WeakRef(slot));
      this.held += slot.data.byteLength;
    }
    slot.buffer = buffer;
    slot.newest = 'device';
    return buffer;
  }

  private mover(
    dtype: 'float32' | 'int32' | 'uint8',
    to: 'gpu-buffer' | 'cpu' | 'zeros',
  ): Promise<ort.InferenceSession> {
    const model = (): Uint8Array => writeMover(dtype, to === 'zeros' ? 'zeros' : 'identity');
    return this.session(`${dtype} ${to}`, model, to === 'cpu' ? 'cpu' : 'gpu-buffer');
  }

  private session(
    key: string,
    model: () => Uint8Array,
    preferredOutputLocation: 'cpu' | 'gpu-buffer',
  ): Promise<ort.InferenceSession> {
    const known = this.movers.get(key);
    if (known !== undefined) return known;
    const made = this.create(model(), { preferredOutputLocation });
    this.movers.set(key, made);
    return made;
  }
}

/** The same buffer under the shape that a graph gives it. */
function shaped(buffer: ort.Tensor, { shape }: Value): ort.Tensor {
  const dataType = buffer.type as ort.Tensor.GpuBufferDataTypes;
  return ort.Tensor.fromGpuBuffer(buffer.gpuBuffer, { dataType, dims: [...shape] });
}

function dtypeOf(data: HostArray): 'float32' | 'int32' | 'uint8' {
  if (data instanceof Float32Array) return 'float32';
  return data instanceof Int32Array ? 'int32' : 'uint8';
}

function bytesOf({ dtype, shape }: Value): number {
  return sizeOf(shape) * (dtype === 'uint8' || dtype === 'bool' ? 1 : 4);
}
