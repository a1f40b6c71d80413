/**
 * Arrays that stay on a GPU between runs, so that weights, gradients and optimizer state are not transferred with every
 * call. The host array is the handle of its device buffer: sessions look the buffer of a feed or an output up here,
 * the host calls `flush` before it reads and `invalidate` after it writes.
 *
 * ONNX Runtime's Node binding exposes GPU buffers as tensors, accepts them as inputs of any session and writes outputs
 * into them. It cannot read them back itself (getData of such a tensor kills the process, as of 1.30): a session with a
 * host array as its output does.
 */
import type * as ort from 'onnxruntime-node';
import type { HostTensor } from '../../types';
import { sizeOf } from '../../tensor';
import type { Graph, Value } from '../graph/graph';
import { checkedFeed } from '../contract/host-arrays';
import { onnxRuntime } from './onnx-runtime';
import type { DeviceMemory, Traffic } from '../contract/engine-types';
import type { Feeds } from '../contract/host-arrays';
import { outputName, writeMover, writeSlicer } from '../graph/onnx';

type HostArray = HostTensor['data'];

/** Largest array that is uploaded together with others, in bytes. */
const SMALL = 1 << 20;

interface Slot {
  readonly data: HostArray;
  /** Never read on the host, so never downloaded. */
  readonly isScratch: boolean;
  buffer?: ort.Tensor;
  /** The side that has the current values. */
  newest: 'host' | 'device';
}

/** The device memory of an engine on WebGPU. */
export class GpuMemory implements DeviceMemory {
  private counted = { toDevice: 0, fromDevice: 0, uploads: 0 };
  private slots = new WeakMap<HostArray, Slot>();
  /** Written by the device, not downloaded yet. */
  private readonly unseen = new Set<Slot>();
  private readonly used = new Set<WeakRef<Slot>>();
  private readonly movers = new Map<string, Promise<ort.InferenceSession>>();
  /** Returned arrays, free to borrow, by length. */
  private readonly spare = new Map<number, Float32Array[]>();
  private held = 0;

  /** @param create Creates a session on the device. */
  constructor(
    private readonly create: (
      model: Uint8Array,
      options: ort.InferenceSession.SessionOptions,
    ) => Promise<ort.InferenceSession>,
  ) {}

  /** Bytes of resident arrays, without what runs allocate. */
  get heldBytes(): number {
    return this.held;
  }

  /** Transfers so far. */
  get traffic(): Traffic {
    return { ...this.counted };
  }

  /**
   * Pins arrays to the device from their next use on. Arrays are compared by identity: another view of the same memory
   * is another array.
   *
   * @param options `scratch`: the device writes them before it reads them, and the host never reads them.
   */
  pin(arrays: Iterable<HostArray>, options: { scratch?: boolean } = {}): void {
    for (const data of arrays) {
      if (data.length === 0 || this.slots.has(data)) continue;
      this.slots.set(data, { data, isScratch: options.scratch ?? false, newest: 'host' });
    }
  }

  /**
   * A scratch array for values that pass from one run to another on the device; the host never reads it.
   */
  allocate(length: number): Float32Array {
    const known = this.spare.get(length)?.pop();
    if (known !== undefined) return known;
    const data = new Float32Array(length);
    this.pin([data], { scratch: true });
    return data;
  }

  /** Returns a borrowed array to the pool. */
  free(data: Float32Array): void {
    const spare = this.spare.get(data.length);
    if (spare === undefined) this.spare.set(data.length, [data]);
    else spare.push(data);
  }

  /**
   * Uploads what the host wrote to pinned arrays, small ones of a type in one transfer, since each has a fixed cost.
   * Without this each array is uploaded by itself at its next use.
   */
  async upload(arrays: Iterable<HostArray>): Promise<void> {
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
   * Moves values to the device permanently.
   *
   * @returns An array of their type and length as their handle; its own memory stays untouched.
   */
  async store<A extends HostArray>(values: A): Promise<A> {
    const name = new (values.constructor as new (length: number) => A)(values.length);
    const slot: Slot = { data: name, isScratch: true, newest: 'host' };
    this.slots.set(name, slot);
    await this.uploadOne(slot, values);
    return name;
  }

  /** A host copy of the values of an array on the device. */
  async read<A extends HostArray>(kept: A): Promise<A> {
    const buffer = this.slots.get(kept)?.buffer;
    if (buffer === undefined) throw new Error('internal: read before the device had it');
    const values = new (kept.constructor as new (length: number) => A)(kept.length);
    await this.copyHome(buffer, values);
    return values;
  }

  /** Flushes what the device wrote to the host arrays, so that they can be read. */
  async flush(): Promise<void> {
    for (const slot of this.unseen) {
      if (slot.buffer === undefined) throw new Error('internal: written without a buffer');
      await this.copyHome(slot.buffer, slot.data);
      this.unseen.delete(slot);
    }
  }

  /** Copies what the device wrote to these arrays home, scratch arrays included, which `flush` leaves out. */
  async download(arrays: Iterable<HostArray>): Promise<void> {
    for (const data of arrays) {
      const slot = this.slots.get(data);
      if (slot === undefined || !this.isCurrent(slot)) continue;
      await this.copyHome(slot.buffer, data);
      this.unseen.delete(slot);
    }
  }

  /** Uploads the host's values of these arrays now, scratch arrays included, and whichever side was newer. */
  async overwrite(arrays: Iterable<HostArray>): Promise<void> {
    for (const data of arrays) {
      const slot = this.slots.get(data);
      if (slot === undefined) continue;
      await this.uploadOne(slot, data);
      this.unseen.delete(slot);
    }
  }

  /**
   * Invalidates the device's copy of arrays that the host has written (default: all); they are uploaded again at their
   * next use. Values that only the device has are lost: call `flush` first to keep them.
   */
  invalidate(arrays?: Iterable<HostArray>): void {
    const slots =
      arrays === undefined
        ? [...this.used].map((reference) => reference.deref())
        : [...arrays].map((data) => this.slots.get(data));
    for (const slot of slots) {
      // The host has no copy to upload.
      if (slot === undefined || slot.isScratch) continue;
      slot.newest = 'host';
      this.unseen.delete(slot);
    }
  }

  /** Unpins arrays and frees their buffers. */
  unpin(arrays: Iterable<HostArray>): void {
    this.invalidate(arrays);
    for (const data of arrays) {
      const buffer = this.slots.get(data)?.buffer;
      this.slots.delete(data);
      if (buffer === undefined) continue;
      buffer.dispose();
      this.held -= data.byteLength;
    }
  }

  /** The device tensors of a run's pinned inputs and outputs, by name; counts the transfers of the others. */
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
      slot.buffer ??= await this.zeros(slot);
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

  /** Frees every buffer. */
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

  /** The slot's buffer, uploaded first if it is stale. */
  private async current(slot: Slot): Promise<ort.Tensor> {
    return this.isCurrent(slot) ? slot.buffer : this.uploadOne(slot, slot.data);
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
    const parts = await slicer.run({ x: new (onnxRuntime().Tensor)(dtype, joined, [joined.length]) }, names);
    for (const [i, slot] of slots.entries()) {
      slot.buffer?.dispose();
      this.take(slot, parts[names[i]]);
    }
    this.counted.toDevice += joined.byteLength;
    this.counted.uploads++;
  }

  private async uploadOne(slot: Slot, values: HostArray): Promise<ort.Tensor> {
    const dtype = dtypeOf(values);
    const x = new (onnxRuntime().Tensor)(dtype, values, [values.length]);
    slot.buffer?.dispose();
    const { y } = await (await this.mover(dtype, 'gpu-buffer')).run({ x });
    this.counted.toDevice += values.byteLength;
    this.counted.uploads++;
    return this.take(slot, y);
  }

  private async copyHome(buffer: ort.Tensor, into: HostArray): Promise<void> {
    const dtype = dtypeOf(into);
    const y = new (onnxRuntime().Tensor)(dtype, into, [into.length]);
    await (await this.mover(dtype, 'cpu')).run({ x: buffer }, { y });
    this.counted.fromDevice += into.byteLength;
  }

  /** A buffer of zeros, made on the device. */
  private async zeros(slot: Slot): Promise<ort.Tensor> {
    const size = new (onnxRuntime().Tensor)('int64', BigInt64Array.of(BigInt(slot.data.length)), [1]);
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

/** The same buffer with the graph's shape. */
function shaped(buffer: ort.Tensor, { shape }: Value): ort.Tensor {
  const dataType = buffer.type as ort.Tensor.GpuBufferDataTypes;
  return onnxRuntime().Tensor.fromGpuBuffer(buffer.gpuBuffer, { dataType, dims: [...shape] });
}

function dtypeOf(data: HostArray): 'float32' | 'int32' | 'uint8' {
  if (data instanceof Float32Array) return 'float32';
  return data instanceof Int32Array ? 'int32' : 'uint8';
}

function bytesOf({ dtype, shape }: Value): number {
  return sizeOf(shape) * (dtype === 'uint8' || dtype === 'bool' ? 1 : 4);
}
