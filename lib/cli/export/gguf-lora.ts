/** `--to gguf-lora`: an adapter for llama.cpp's `--lora`. */
import { createRequire } from 'node:module';
import type * as Export from '../../export';
import type { ExportOutcome } from '../../export';
import { quantizationConfigOf } from '../../quantization';
import { WrongCallError } from '../terminal/call';
import { checkOf } from './check';
import type { ExportCall, ExportTarget } from './target';

export const ggufLora: ExportTarget = {
  name: 'gguf-lora',
  summary: "an adapter alone, for llama.cpp's --lora",
  types: ['f32', 'f16'],
  needsAdapter: true,
  async run({ model, adapter, output, type, quantize, check }: ExportCall): Promise<ExportOutcome> {
    if (adapter === undefined) throw new WrongCallError('export: expected --adapter, got none.');
    const { exportGgufAdapter } = createRequire(__filename)('../../export') as typeof Export;
    return exportGgufAdapter(adapter, output, {
      base: model,
      type: type === 'f16' ? 'f16' : 'f32',
      quantizationConfig: quantizationConfigOf(quantize),
      check: await checkOf(check, { model, adapter }),
    });
  },
};
