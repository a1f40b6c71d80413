/** The one maker of the kernel's compiler. */
import type { CellCompiler, CellCompilerOptions } from './compiler-types';
import { TslabCompiler } from './tslab-compiler';

export type {
  CellCompiler,
  CellCompilerOptions,
  CompiledCell,
  Completeness,
  Completion,
  Finding,
} from './compiler-types';

/** Makes a compiler for the current folder; takes about half a second, TypeScript's start mostly. */
export function createCellCompiler(options: CellCompilerOptions = {}): CellCompiler {
  return new TslabCompiler(options);
}
