/**
 * The folders in which imports were looked for. TypeScript watches each with all folders in it, `node_modules` too: most
 * of a kernel's start, and thousands of the system's watches. Here none is watched; once a cell has failed, the next one
 * looks again.
 */
import type * as TypeScript from '@tslab/typescript-for-tslab';

export class SearchedFolders {
  private readonly changed = new Set<() => void>();

  /** Has a system call here rather than watch. */
  serve(system: TypeScript.System): void {
    system.watchDirectory = (folder, callback) => {
      const change = (): void => callback(folder);
      this.changed.add(change);
      return { close: () => this.changed.delete(change) };
    };
  }

  /** With the next program, imports that were not found are looked for again. */
  lookAgain(): void {
    for (const change of [...this.changed]) change();
  }
}
