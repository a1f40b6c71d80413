/** `--to onnx` and `--to onnx-v2`: a folder for transformers.js, in the browser and in Node. */
import { createRequire } from 'node:module';
import type * as Export from '../../export';
import type { ExportOutcome, OnnxDtypeName, OnnxTarget } from '../../export';
import { quantizationConfigOf } from '../../quantization';
import { checkOf } from './check';
import type { ExportCall, ExportTarget } from './target';

/** Every type that is exported unless one is named. */
const ALL = 'all';

/** transformers.js 3 and 4. */
export const onnx: ExportTarget = {
  name: 'onnx',
  summary: 'a folder for transformers.js 3 and 4; all: fp32, q8 and q4',
  types: [ALL, 'fp32', 'fp16', 'q8', 'q4'],
  run: (call) => run(call, 'transformers.js'),
};

/** transformers.js 2. */
export const onnxV2: ExportTarget = {
  name: 'onnx-v2',
  summary: 'a folder for @xenova/transformers 2, which may be the same; all: fp32 and q8',
  types: [ALL, 'fp32', 'q8'],
  run: (call) => run(call, 'transformers.js-2'),
};

async function run(call: ExportCall, target: OnnxTarget): Promise<ExportOutcome> {
  const { model, adapter, output, type, quantize, check } = call;
  const { exportOnnx } = createRequire(__filename)('../../export') as typeof Export;
  return exportOnnx(model, output, {
    ...{ adapter, target, quantizationConfig: quantizationConfigOf(quantize) },
    ...(type === ALL ? {} : { dtypes: [type as OnnxDtypeName] }),
    check: await checkOf(check, { model, adapter }),
    onProgress: (line) => console.error(line),
  });
}
