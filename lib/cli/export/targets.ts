/** Every target of `tunebook export`. */
import { gguf } from './gguf';
import { ggufLora } from './gguf-lora';
import { ollama } from './ollama';
import type { ExportTarget } from './target';

export const TARGETS: readonly ExportTarget[] = [gguf, ggufLora, ollama];
