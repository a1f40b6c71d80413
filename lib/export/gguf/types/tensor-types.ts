/**
 * Which type each tensor of a file gets: llama.cpp's own mix (llama_tensor_get_type in src/llama-quant.cpp), so that a
 * file is read as fast and answers as well as one of its own tools.
 */
import { TENSOR_TYPES } from './format';
import type { GgufType, TensorType } from './format';

/** What decides. */
export interface TypeRequest {
  /** As in the file: 'blk.0.attn_v.weight'. */
  readonly name: string;
  /** Row-major, the last number of it a row's length. */
  readonly shape: readonly number[];
  readonly type: GgufType;
  readonly layers: number;
  /** The token embedding is the head as well. */
  readonly isTied: boolean;
}

const PLAIN: Partial<Record<GgufType, TensorType>> = { f32: 'F32', f16: 'F16', bf16: 'BF16', q8_0: 'Q8_0' };

/** The type of a tensor. Vectors and learned positions stay in float32; rows that no block divides take a larger type. */
export function tensorType(request: TypeRequest): TensorType {
  const { name, shape, type } = request;
  if (shape.length === 1 || name === 'position_embd.weight' || name === 'rope_freqs.weight') return 'F32';
  const rowLength = shape[shape.length - 1];
  let wanted = PLAIN[type] ?? mixed(request);
  const divides = (one: TensorType): boolean => rowLength % TENSOR_TYPES[one].blockSize === 0;
  if (!divides(wanted)) wanted = divides('Q8_0') ? 'Q8_0' : 'F16';
  return wanted;
}

/** Of q4_0 and q4_k_m. */
function mixed({ name, type, layers, isTied }: TypeRequest): TensorType {
  if (name === 'output.weight' || (isTied && name === 'token_embd.weight')) return 'Q6_K';
  if (type === 'q4_0') return 'Q4_0';
  const [, layer, module] = /^blk\.(\d+)\.(\w+)\.weight$/.exec(name) ?? [];
  if (module === 'attn_qkv') return 'Q5_K';
  if (module !== 'attn_v' && module !== 'ffn_down') return 'Q4_K';
  return hasMoreBits(Number(layer), layers) ? 'Q6_K' : 'Q4_K';
}

/** The first and last eighth of the layers, and every third between. */
function hasMoreBits(layer: number, layers: number): boolean {
  const eighth = Math.floor(layers / 8);
  return layer < eighth || layer >= Math.floor((7 * layers) / 8) || (layer - eighth) % 3 === 2;
}

/** What the file is called by is not what every tensor got: a sentence, or none. */
export function fallbackWords(
  tensors: readonly { readonly shape: readonly number[]; readonly type: TensorType }[],
  type: GgufType,
): string[] {
  const blockSize = type === 'q4_k_m' ? 256 : type === 'q4_0' || type === 'q8_0' ? 32 : 1;
  const fallen = tensors.filter(
    (tensor) => tensor.type !== 'F32' && tensor.shape[tensor.shape.length - 1] % blockSize !== 0,
  );
  if (fallen.length === 0) return [];
  const lengths = [...new Set(fallen.map(({ shape }) => shape[shape.length - 1]))];
  const types = [...new Set(fallen.map((tensor) => tensor.type))].join(' and ');
  return [
    `${fallen.length} tensors have rows of ${lengths.join(', ')} values, which blocks of ${blockSize} do not divide: ` +
      `they are stored as ${types}.`,
  ];
}
