/** `--to gguf`, `--to gguf-lora` and `--to ollama`: files for llama.cpp and what is built on it. */
import type { GgufType } from '../../../export';
import { WrongCallError } from '../../terminal/call';
import { exportRoom } from './target';
import type { ExportTarget } from './target';

/** One file. */
export const gguf: ExportTarget = {
  name: 'gguf',
  summary: 'one file for llama.cpp, LM Studio and what is built on them',
  types: ['f16', 'f32', 'bf16', 'q8_0', 'q4_0', 'q4_k_m'] as const satisfies readonly GgufType[],
  run: ({ model, output, type, options }) =>
    exportRoom().exportGguf(model, output, { ...options, type: type as GgufType }),
};

/** An adapter for `--lora`. */
export const ggufLora: ExportTarget = {
  name: 'gguf-lora',
  summary: "an adapter alone, for llama.cpp's --lora",
  types: ['f32', 'f16'],
  needsAdapter: true,
  run: async ({ model, output, type, options: { adapter, onProgress: _, ...options } }) => {
    if (adapter === undefined) throw new WrongCallError('export: expected --adapter, got none.');
    const stored = type === 'f16' ? 'f16' : 'f32';
    return exportRoom().exportGgufAdapter(adapter, output, { ...options, base: model, type: stored });
  },
};

/** A file and its Modelfile. */
export const ollama: ExportTarget = {
  name: 'ollama',
  summary: 'a folder with a GGUF file and its Modelfile, for ollama create',
  types: ['q8_0', 'f16', 'q4_k_m', 'q4_0', 'bf16', 'f32'] as const satisfies readonly GgufType[],
  run: ({ model, output, type, options }) =>
    exportRoom().writeModelfile(model, output, { ...options, type: type as GgufType }),
};
