/** `--to web`: a page that runs the model in the browser. */
import { createRequire } from 'node:module';
import type * as Export from '../../export';
import type { ExportOutcome, OnnxDtypeName } from '../../export';
import { quantizationConfigOf } from '../../quantization';
import { checkOf } from './check';
import type { ExportCall, ExportTarget } from './target';

export const web: ExportTarget = {
  name: 'web',
  summary: 'a folder with one page that runs the model in the browser, for any static server',
  types: ['q8', 'q4', 'fp16', 'fp32'],
  async run({ model, adapter, output, type, quantize, check }: ExportCall): Promise<ExportOutcome> {
    const { exportWeb } = createRequire(__filename)('../../export') as typeof Export;
    return exportWeb(model, output, {
      ...{ adapter, dtypes: [type as OnnxDtypeName], quantizationConfig: quantizationConfigOf(quantize) },
      check: await checkOf(check, { model, adapter }),
      onProgress: (line) => console.error(line),
    });
  },
};
