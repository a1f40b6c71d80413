/**
 * Where values live that go from one run to the next within one pass through the model: in new arrays on the host, or
 * on the engine's device, where an array on the host is only their name.
 */
import type { DeviceMemory, Engine } from '../../engine';
import type { HostTensor } from '../../types';
import { sizeOf } from '../../tensor';

/** Arrays on the host that the last pass used, by length: the next one writes on them, since new memory is dear. */
export type HostPool = Map<number, Float32Array[]>;

/** The arrays of one pass, which return to their pool at its end. */
export class Workspace {
  private readonly borrowed = new Set<Float32Array>();
  private readonly inputs: HostTensor['data'][] = [];

  /**
   * @param device undefined where runs read and write the host's arrays
   * @param pool of the host's arrays; without it each is new, and stays good after the end
   */
  constructor(
    readonly device: DeviceMemory | undefined,
    private readonly pool?: HostPool,
  ) {}

  /** An array for an output that other runs read, float32; what is in it means nothing. */
  output(shape: readonly number[]): Float32Array {
    const size = sizeOf(shape);
    const data = this.device?.allocate(size) ?? this.pool?.get(size)?.pop() ?? new Float32Array(size);
    if (this.device !== undefined || this.pool !== undefined) this.borrowed.add(data);
    return data;
  }

  /** Gives an output's array back before the end. */
  free(data: HostTensor['data']): void {
    if (!(data instanceof Float32Array) || !this.borrowed.delete(data)) return;
    if (this.device !== undefined) this.device.free(data);
    else this.toPool(data);
  }

  /** Inputs that the host has written and several runs read: on a device they stay until the end. */
  pin<Feeds extends Readonly<Record<string, HostTensor>>>(feeds: Feeds): Feeds {
    if (this.device === undefined) return feeds;
    const arrays = Object.values(feeds).map(({ data }) => data);
    this.device.pin(arrays);
    this.inputs.push(...arrays);
    return feeds;
  }

  /** Sends the inputs kept so far, together. */
  async upload(): Promise<void> {
    await this.device?.upload(this.inputs);
  }

  /** An output on the host, to be read and written there, also after the end. */
  async toHost(tensor: HostTensor): Promise<HostTensor> {
    if (this.device !== undefined) return { data: await this.device.read(tensor.data), shape: tensor.shape };
    if (tensor.data instanceof Float32Array) this.borrowed.delete(tensor.data);
    return tensor;
  }

  /** Gives everything back. Outputs must not be used after it. */
  dispose(): void {
    this.device?.unpin(this.inputs.splice(0));
    // Of the host's arrays only those of one pass are kept: another length would come on top.
    this.pool?.clear();
    for (const data of this.borrowed) {
      if (this.device !== undefined) this.device.free(data);
      else this.toPool(data);
    }
    this.borrowed.clear();
  }

  private toPool(data: Float32Array): void {
    const known = this.pool?.get(data.length);
    if (known === undefined) this.pool?.set(data.length, [data]);
    else known.push(data);
  }
}

/** Runs with a workspace of the model's that ends with it. */
export async function withWorkspace<Result>(
  { engine, hostPool }: { readonly engine: Engine; readonly hostPool: HostPool },
  work: (workspace: Workspace) => Promise<Result>,
): Promise<Result> {
  const workspace = new Workspace(engine.device, hostPool);
  try {
    return await work(workspace);
  } finally {
    workspace.dispose();
  }
}
