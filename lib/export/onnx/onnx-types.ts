/** The types of an ONNX export: which files there are, for which runtime, and what each needs of a model. */
import { isTied } from '../../models';
import type { Architecture } from '../../models';
import { sizeOf } from '../../tensor';
import { TunebookError } from '../../types';
import { BLOCK_SIZE } from './graph/blocks';
import type { FormName } from './graph/weight-forms';

/** Types by the names that transformers.js has for them. */
export const ONNX_DTYPES = ['fp32', 'fp16', 'q8', 'q4'] as const;

/** A type of a file: float32, float16, blocks of 8 or of 4 bits. */
export type OnnxDtypeName = (typeof ONNX_DTYPES)[number];

/** Runtimes that a file is for: transformers.js 4 (and what 3 knows), or 2 (`@xenova/transformers`). */
export const ONNX_TARGETS = ['transformers.js', 'transformers.js-2'] as const;

/** A runtime that a file is for. */
export type OnnxTarget = (typeof ONNX_TARGETS)[number];

/**
 * Up to so many bytes in float32 a model of 8-bit blocks is unpacked as it loads: a browser without WebGPU multiplies by
 * packed blocks several times slower than by float32, and anywhere that rounds no activations. Beyond it memory counts:
 * while it is unpacked a page takes six times these bytes, and WebAssembly has 4 GB.
 */
const UNPACKED_BYTES = 6e8;

/** A file of an export, before it is laid out. */
export interface OnnxVariant {
  readonly dtype: OnnxDtypeName;
  readonly target: OnnxTarget;
  /** Name below the folder `onnx`. */
  readonly fileName: string;
  readonly form: FormName;
}

const VARIANTS: readonly OnnxVariant[] = [
  { dtype: 'fp32', target: 'transformers.js', fileName: 'model.onnx', form: 'float32' },
  { dtype: 'fp16', target: 'transformers.js', fileName: 'model_fp16.onnx', form: 'float16' },
  { dtype: 'q8', target: 'transformers.js', fileName: 'model_quantized.onnx', form: 'blocks8' },
  { dtype: 'q4', target: 'transformers.js', fileName: 'model_q4.onnx', form: 'blocks4' },
  { dtype: 'fp32', target: 'transformers.js-2', fileName: 'decoder_model_merged.onnx', form: 'float32' },
  {
    ...{ dtype: 'q8', target: 'transformers.js-2', form: 'unpackedBlocks8' },
    fileName: 'decoder_model_merged_quantized.onnx',
  },
];

/**
 * The files that types and a runtime ask for.
 * @throws TunebookError for a type that the runtime does not load, or a target that is none
 */
export function onnxVariants(
  target: OnnxTarget,
  dtypes: readonly OnnxDtypeName[] | undefined,
  where: string,
): OnnxVariant[] {
  if (!ONNX_TARGETS.includes(target)) {
    throw new TunebookError(
      `${where}: expected target ${ONNX_TARGETS.join(' or ')}, got ${JSON.stringify(target)}.`,
    );
  }
  const all = VARIANTS.filter((variant) => variant.target === target);
  if (dtypes === undefined) return all.filter(({ dtype }) => dtype !== 'fp16');
  const known = all.map(({ dtype }) => dtype);
  const wrong = dtypes.filter((dtype) => !known.includes(dtype));
  if (wrong.length > 0 || dtypes.length === 0) {
    throw new TunebookError(
      `${where}: expected dtypes of ${known.join(', ')}, which ${target} loads, got ${wrong.join(', ') || 'none'}.`,
    );
  }
  return all.filter(({ dtype }) => dtypes.includes(dtype));
}

/** The form of a file's matrices. */
export function formOf({ form }: OnnxVariant, { parameters }: Pick<Architecture, 'parameters'>): FormName {
  const count = parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  return form === 'blocks8' && 4 * count <= UNPACKED_BYTES ? 'unpackedBlocks8' : form;
}

/** @throws TunebookError where rows of a matrix cannot be cut into blocks; names each kind of matrix once */
export function requireBlocks(architecture: Architecture, dtypes: Iterable<string>, where: string): void {
  const asked = [...dtypes].filter((dtype) => dtype === 'q8' || dtype === 'q4');
  if (asked.length === 0) return;
  const { modules, width, tokenEmbedding, head } = architecture;
  const tables = isTied(architecture) ? [tokenEmbedding] : [tokenEmbedding, head];
  const rows = [
    ...tables.map((name): [string, number] => [name, width]),
    ...modules.map(({ name, inSize }): [string, number] => [name, inSize]),
  ];
  const wrong = rows.filter(([, inSize]) => inSize % BLOCK_SIZE !== 0);
  if (wrong.length === 0) return;
  throw new TunebookError(
    `${where}: ${asked.join(' and ')} have blocks of ${BLOCK_SIZE} weights: expected rows of a multiple of that, got ` +
      `${wrong.map(([name, inSize]) => `${inSize} in ${name}`).join(', ')}. Leave out ${asked.join(' and ')}, or take ` +
      'fp32 or fp16.',
  );
}
