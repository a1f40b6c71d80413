/** GGUF version 3: numbers of types and layout. Source: docs/gguf.md and gguf-py/gguf/constants.py of llama.cpp. */
import { TunebookError } from '../../../types';

export const MAGIC = 0x46554747; // 'GGUF', little-endian
export const VERSION = 3;
export const ALIGNMENT = 32;

/** Numbers of the types of metadata. */
export const VALUE_TYPES = {
  u8: 0,
  i8: 1,
  u16: 2,
  i16: 3,
  u32: 4,
  i32: 5,
  f32: 6,
  bool: 7,
  string: 8,
  array: 9,
  u64: 10,
  i64: 11,
  f64: 12,
} as const;

/** A value of the metadata with its type; lists hold values of one type. */
export type GgufValue =
  | { readonly type: 'u32' | 'i32' | 'f32'; readonly value: number }
  | { readonly type: 'bool'; readonly value: boolean }
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'strings'; readonly value: readonly string[] }
  | { readonly type: 'i32s' | 'f32s'; readonly value: readonly number[] };

/** Named values of the metadata. */
export type GgufEntries = readonly (readonly [key: string, value: GgufValue])[];

export const u32 = (value: number): GgufValue => ({ type: 'u32', value });
export const f32 = (value: number): GgufValue => ({ type: 'f32', value });
export const text = (value: string): GgufValue => ({ type: 'string', value });
export const truth = (value: boolean): GgufValue => ({ type: 'bool', value });

/** How a tensor's numbers are stored: so many values in a block of so many bytes. */
export const TENSOR_TYPES = {
  F32: { id: 0, blockSize: 1, blockBytes: 4 },
  F16: { id: 1, blockSize: 1, blockBytes: 2 },
  Q4_0: { id: 2, blockSize: 32, blockBytes: 18 },
  Q8_0: { id: 8, blockSize: 32, blockBytes: 34 },
  Q4_K: { id: 12, blockSize: 256, blockBytes: 144 },
  Q5_K: { id: 13, blockSize: 256, blockBytes: 176 },
  Q6_K: { id: 14, blockSize: 256, blockBytes: 210 },
  BF16: { id: 30, blockSize: 1, blockBytes: 2 },
} as const;

export type TensorType = keyof typeof TENSOR_TYPES;

/** The types of a whole file; what each tensor gets is in `tensor-types.ts`. */
export const GGUF_TYPES = ['f16', 'f32', 'bf16', 'q8_0', 'q4_0', 'q4_k_m'] as const;
/** A type that a GGUF file is written in. */
export type GgufType = (typeof GGUF_TYPES)[number];

/** `general.file_type`. */
export const FILE_TYPES: Readonly<Record<GgufType, number>> = {
  f32: 0,
  f16: 1,
  q4_0: 2,
  q8_0: 7,
  q4_k_m: 15,
  bf16: 32,
};

/** Bytes of so many values. */
export function storedBytes(type: TensorType, count: number): number {
  const { blockSize, blockBytes } = TENSOR_TYPES[type];
  return (count / blockSize) * blockBytes;
}

/** Bytes up to the next multiple of the alignment. */
export function padding(bytes: number, alignment: number = ALIGNMENT): number {
  return (alignment - (bytes % alignment)) % alignment;
}

/** @throws {TunebookError} For another text, with the types that there are. */
export function requireType<Type extends string>(
  type: string,
  { where, known }: { readonly where: string; readonly known: readonly Type[] },
): Type {
  const found = known.find((one) => one === type);
  if (found !== undefined) return found;
  throw new TunebookError(`${where}: expected type ${known.join(', ')}, got ${JSON.stringify(type)}.`);
}
