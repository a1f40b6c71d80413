/** `--to onnx`, `--to onnx-v2` and `--to web`: folders for transformers.js, in Node and in the browser. */
import type { ExportOutcome, OnnxDtypeName, OnnxTarget } from '../../../export';
import { exportRoom } from './target';
import type { ExportCall, ExportTarget } from './target';

/** Every type that is exported unless one is named. */
const ALL = 'all';

/** transformers.js 4, and what release 3 knows. */
export const onnx: ExportTarget = {
  name: 'onnx',
  summary: 'a folder for transformers.js 4, every family that it knows; all: fp32, q8 and q4',
  types: [ALL, 'fp32', 'fp16', 'q8', 'q4'],
  run: (call) => run(call, 'transformers.js'),
};

/** transformers.js 2. */
export const onnxV2: ExportTarget = {
  name: 'onnx-v2',
  summary:
    'a folder for @xenova/transformers 2, which may be the same: GPT-2, Llama, Mistral, Qwen2, StableLM, StarCoder2, ' +
    'GPT-NeoX; all: fp32 and q8',
  types: [ALL, 'fp32', 'q8'],
  run: (call) => run(call, 'transformers.js-2'),
};

/** A page. */
export const web: ExportTarget = {
  name: 'web',
  summary: 'a folder with one page that runs the model in the browser, for any static server',
  types: ['q8', 'q4', 'fp16', 'fp32'],
  run: ({ model, output, type, options }) =>
    exportRoom().exportWeb(model, output, { ...options, dtypes: [type as OnnxDtypeName] }),
};

function run({ model, output, type, options }: ExportCall, target: OnnxTarget): Promise<ExportOutcome> {
  const dtypes = type === ALL ? undefined : [type as OnnxDtypeName];
  return exportRoom().exportOnnx(model, output, { ...options, target, dtypes });
}
