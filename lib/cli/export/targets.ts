/** Every target of `tunebook export`. */
import type { ExportTarget } from './target';

export const TARGETS: readonly ExportTarget[] = [];
