/** `--to gguf`: one file for llama.cpp and what is built on it. */
import { createRequire } from 'node:module';
import type * as Export from '../../export';
import type { ExportOutcome, GgufType } from '../../export';
import { quantizationConfigOf } from '../../quantization';
import { checkOf } from './check';
import type { ExportCall, ExportTarget } from './target';

const TYPES = ['f16', 'f32', 'bf16', 'q8_0', 'q4_0', 'q4_k_m'] as const satisfies readonly GgufType[];

export const gguf: ExportTarget = {
  name: 'gguf',
  summary: 'one file for llama.cpp, LM Studio and what is built on them',
  types: TYPES,
  async run({ model, adapter, output, type, quantize, check }: ExportCall): Promise<ExportOutcome> {
    const { exportGguf } = createRequire(__filename)('../../export') as typeof Export;
    return exportGguf(model, output, {
      adapter,
      type: type as GgufType,
      quantizationConfig: quantizationConfigOf(quantize),
      check: await checkOf(check, { model, adapter }),
    });
  },
};
