/** Every target of `tunebook export`. */
import { gguf, ggufLora, ollama } from './gguf';
import { onnx, onnxV2, web } from './onnx';
import type { ExportTarget } from './target';

export const TARGETS: readonly ExportTarget[] = [gguf, ggufLora, ollama, onnx, onnxV2, web];
