/**
 * Where values live that go from one run to the next within one pass through the model: in new arrays on the host, or
 * on the engine's device, where an array on the host is only their name.
 */
import type { DeviceMemory } from '../engine';
import type { HostTensor } from '../types';
import { sizeOf } from './parameters';

export class Workspace {
  private readonly borrowed = new Set<Float32Array>();
  private readonly inputs: HostTensor['data'][] = [];

  /** @param device undefined where runs read and write the host's arrays */
  constructor(readonly device: DeviceMemory | undefined) {}

  /** An array for an output that other runs read, float32. */
  output(shape: readonly number[]): Float32Array {
    const size = sizeOf(shape);
    if (this.device === undefined) return new Float32Array(size);
    const data = this.device.borrow(size);
    this.borrowed.add(data);
    return data;
  }

  /** Gives an output's array back before the end. */
  giveBack(data: HostTensor['data']): void {
    if (!(data instanceof Float32Array) || !this.borrowed.delete(data)) return;
    this.device?.giveBack(data);
  }

  /** Inputs that the host has written and several runs read: on a device they stay until the end. */
  keep<Feeds extends Readonly<Record<string, HostTensor>>>(feeds: Feeds): Feeds {
    const arrays = Object.values(feeds).map(({ data }) => data);
    this.device?.keep(arrays);
    this.inputs.push(...arrays);
    return feeds;
  }

  /** Sends the inputs kept so far, together. */
  async send(): Promise<void> {
    await this.device?.send(this.inputs);
  }

  /** An output on the host, to be read and written there. */
  async home(tensor: HostTensor): Promise<HostTensor> {
    if (this.device === undefined) return tensor;
    return { data: await this.device.read(tensor.data), shape: tensor.shape };
  }

  /** Gives everything back. Outputs must not be used after it. */
  end(): void {
    this.device?.release(this.inputs.splice(0));
    for (const data of this.borrowed) this.device?.giveBack(data);
    this.borrowed.clear();
  }
}

/** Runs with a workspace that ends with it. */
export async function withWorkspace<Result>(
  device: DeviceMemory | undefined,
  work: (room: Workspace) => Promise<Result>,
): Promise<Result> {
  const room = new Workspace(device);
  try {
    return await work(room);
  } finally {
    room.end();
  }
}
