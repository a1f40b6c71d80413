/**
 * Token plus position embeddings: rows read on the host, or gathered where a GPU keeps the tables.
 */
import { dropout, memoized, rowTable, run, tf } from '../../engine';
import type { TensorFunction } from '../../engine';
import type { HostTensor } from '../../types';
import { adaptedRows } from './adapted-embedding';
import type { Runtime } from './runtime';
import type { Workspace } from './workspace';

/** What is embedded. */
export interface EmbeddingInputs {
  /** Token ids and their positions, int32 [B * T]. */
  readonly ids: Int32Array;
  readonly positions: Int32Array;
  /** [B, T] */
  readonly shape: readonly [number, number];
}

/** What a GPU's embeddings take on top. */
export interface DeviceEmbeddingInputs extends EmbeddingInputs {
  /** Key of the dropout mask, int32 [2]. */
  readonly mask?: HostTensor;
  /** float32 [B, T, C] */
  readonly noise?: HostTensor;
  readonly workspace: Workspace;
}

/** Embeddings, float32 [B, T, C]. @param inputs.workspace where outputs are left; without it they are on the host */
export async function embed(
  runtime: Runtime,
  inputs: EmbeddingInputs & { readonly workspace?: Workspace },
): Promise<HostTensor> {
  if (!runtime.weights.isOnDevice('embedding')) return hostEmbeddings(runtime, inputs);
  const { workspace, ...rest } = inputs;
  const onDevice = (own: Workspace): Promise<HostTensor> => {
    const all = { ...rest, workspace: own };
    return deviceEmbeddings(runtime, deviceEmbeddingFeeds(runtime, all), own);
  };
  if (workspace !== undefined) return onDevice(workspace);
  return runtime.inWorkspace(async (own) => own.toHost(await onDevice(own)));
}

/** Rows of the host's tables, float32 [B, T, C]. */
export function hostEmbeddings(
  { architecture, weights }: Runtime,
  { ids, positions, shape }: EmbeddingInputs,
): HostTensor {
  const { width, positionEmbedding, embeddingScale = 1 } = architecture;
  const tokens = rowTable(weights.table('embedding'));
  const adapt = adaptedRows(weights.adapter, architecture);
  const places = positionEmbedding === undefined ? undefined : weights.feed(positionEmbedding).data;
  const data = new Float32Array(ids.length * width);
  for (let i = 0; i < ids.length; i++) {
    data.set(tokens.rows(ids[i], ids[i] + 1), i * width);
    adapt?.(ids[i], data.subarray(i * width, (i + 1) * width));
    if (embeddingScale !== 1) for (let c = 0; c < width; c++) data[i * width + c] *= embeddingScale;
    if (places === undefined) continue;
    const from = positions[i] * width;
    for (let c = 0; c < width; c++) data[i * width + c] += places[from + c];
  }
  return { data, shape: [...shape, width] };
}

/** Inputs of `deviceEmbeddings`, pinned in the workspace. */
export function deviceEmbeddingFeeds(
  { architecture, weights }: Runtime,
  { ids, positions, shape, mask, noise, workspace }: DeviceEmbeddingInputs,
): Record<string, HostTensor> {
  const { positionEmbedding } = architecture;
  const written: Record<string, HostTensor> = { ids: { data: ids, shape } };
  if (positionEmbedding !== undefined) written.positions = { data: positions, shape };
  if (mask !== undefined) written.mask = mask;
  if (noise !== undefined) written.noise = noise;
  const feeds: Record<string, HostTensor> = {
    tokens: weights.deviceTable('embedding'),
    ...workspace.pin(written),
  };
  if (positionEmbedding !== undefined) feeds.places = weights.feed(positionEmbedding);
  return feeds;
}

/** Rows of the tables with noise and dropout, float32 [B, T, C], on the device. */
export async function deviceEmbeddings(
  { engine, architecture }: Runtime,
  feeds: Record<string, HostTensor>,
  workspace: Workspace,
): Promise<HostTensor> {
  const into = { x: workspace.output([...feeds.ids.shape, architecture.width]) };
  return (await run(engine, embedding(architecture.embeddingScale ?? 1), feeds, { into })).x;
}

const embedding = memoized(
  (scale: number): TensorFunction =>
    ({ tokens, places, ids, positions, noise, mask }) => {
      const found = tf.gather(tokens, ids as tf.Tensor2D); // [B, T, C]
      const rows = scale === 1 ? found : tf.mul(found, scale);
      const placed = places === undefined ? rows : tf.add(rows, tf.gather(places, positions as tf.Tensor2D));
      return { x: dropout(noise === undefined ? placed : tf.add(placed, noise), mask) };
    },
);
