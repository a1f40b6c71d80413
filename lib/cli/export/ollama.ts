/** `--to ollama`: a GGUF file and its Modelfile. */
import { createRequire } from 'node:module';
import type * as Export from '../../export';
import type { ExportOutcome, GgufType } from '../../export';
import { quantizationConfigOf } from '../../quantization';
import { checkOf } from './check';
import type { ExportCall, ExportTarget } from './target';

const TYPES = ['q8_0', 'f16', 'q4_k_m', 'q4_0', 'bf16', 'f32'] as const satisfies readonly GgufType[];

export const ollama: ExportTarget = {
  name: 'ollama',
  summary: 'a folder with a GGUF file and its Modelfile, for ollama create',
  types: TYPES,
  async run({ model, adapter, output, type, quantize, check }: ExportCall): Promise<ExportOutcome> {
    const { writeModelfile } = createRequire(__filename)('../../export') as typeof Export;
    return writeModelfile(model, output, {
      adapter,
      type: type as GgufType,
      quantizationConfig: quantizationConfigOf(quantize),
      check: await checkOf(check, { model, adapter }),
    });
  },
};
