/**
 * The head with what an adapter adds to it: LoRA on it, or rows of it that are trained.
 */
import { capped, linear, tf } from '../../engine';
import type { NamedTensors, Tensor } from '../../engine';
import type { HostTensor } from '../../types';
import { asTensor } from '../../tensor';
import type { Architecture } from '../families/architecture';
import { moduleLinear } from '../families/parts/linear';
import type { LoraAdapter } from '../lora/lora';
import { HEAD } from '../lora/lora-targets';

/** Inputs for trained rows of the head: the rows, which logits they give, and which logits stay. */
const TOKENS = { rows: `${HEAD}.tokens`, places: `${HEAD}.token_places`, kept: `${HEAD}.kept` } as const;

/** What an adapter adds to rows from `start` up to `end` of the head. */
export function adaptedHeadFeeds(
  adapter: LoraAdapter,
  { start, end }: { start: number; end: number },
): Record<string, HostTensor> {
  const feeds = adapter.headFeeds();
  // What has a row for each token is cut as the head is.
  for (const part of ['lora_B', 'lora_bias', 'lora_magnitude_vector', 'lora_fixed_B']) {
    const name = `${HEAD}.${part}`;
    if (feeds[name] !== undefined) feeds[name] = rowsOf(feeds[name], start, end);
  }
  const { headTokens } = adapter;
  if (headTokens === undefined) return feeds;
  const { ids, parameter } = headTokens;
  const places = new Float32Array((end - start) * ids.length);
  const kept = new Float32Array(end - start).fill(1);
  for (const [i, id] of ids.entries()) {
    if (id < start || id >= end) continue;
    places[(id - start) * ids.length + i] = 1;
    kept[id - start] = 0;
  }
  feeds[TOKENS.rows] = asTensor(adapter.get(parameter));
  feeds[TOKENS.places] = { data: places, shape: [end - start, ids.length] };
  feeds[TOKENS.kept] = { data: kept, shape: [end - start] };
  return feeds;
}

function rowsOf({ data, shape }: HostTensor, start: number, end: number): HostTensor {
  if (start === 0 && end === shape[0]) return { data, shape };
  const width = data.length / shape[0];
  const rows = data.subarray(start * width, end * width);
  return { data: rows, shape: [end - start, ...shape.slice(1)] };
}

/** Inputs of `headOf` that an adapter trains, with the names of their parameters. */
export function trainedHeadInputs({ head, headTokens, parameters }: LoraAdapter): [string, string][] {
  const ofModule =
    head === undefined
      ? []
      : [...parameters.byName.keys()].filter((name) => name.startsWith(`${HEAD}.lora_`));
  const inputs = ofModule.map((name): [string, string] => [name, name]);
  return headTokens === undefined ? inputs : [...inputs, [TOKENS.rows, headTokens.parameter]];
}

/**
 * Logits of normalized hidden states, within the model's soft cap.
 * @param inputs `head` [V, C], or its codes as `headCodes` gives them, and what `adaptedHeadFeeds` gives
 * @param y float32 [..., C]
 * @returns float32 [..., V]
 */
export function headOf({ logitSoftcap }: Architecture, inputs: NamedTensors, y: Tensor): Tensor {
  const isCoded = inputs.head === undefined;
  const weight = isCoded ? inputs[`${HEAD}.weight.q8.codes`] : inputs.head;
  const shape = { conv1d: false, outSize: weight.shape[0] };
  const all = isCoded ? inputs : { ...inputs, [`${HEAD}.weight`]: weight };
  const logits = moduleLinear(all, HEAD, y, shape);
  const rows = inputs[TOKENS.rows];
  if (rows === undefined) return capped(logits, logitSoftcap);
  const ofTokens = linear(y, rows, undefined, { transposeWeight: true }); // [..., ids]
  const placed = linear(ofTokens, inputs[TOKENS.places], undefined, { transposeWeight: true });
  return capped(tf.add(tf.mul(logits, inputs[TOKENS.kept]), placed), logitSoftcap);
}
