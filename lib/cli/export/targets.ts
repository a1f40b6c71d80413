/** Every target of `tunebook export`. */
import { gguf } from './gguf';
import { ggufLora } from './gguf-lora';
import { ollama } from './ollama';
import { onnx, onnxV2 } from './onnx';
import type { ExportTarget } from './target';
import { web } from './web';

export const TARGETS: readonly ExportTarget[] = [gguf, ggufLora, ollama, onnx, onnxV2, web];
