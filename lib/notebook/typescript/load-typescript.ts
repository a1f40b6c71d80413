/** The TypeScript compiler as a library: the project's own where it is installed, tslab's otherwise. Loaded on first use. */
import { createRequire } from 'node:module';
import path from 'node:path';
import type * as TypeScript from 'typescript';

let loaded: typeof TypeScript | undefined;

/** The compiler's API; takes about 0.3 s the first time. */
export function loadTypescript(): typeof TypeScript {
  if (loaded) return loaded;
  const load = createRequire(__filename);
  try {
    loaded = load('typescript') as typeof TypeScript;
  } catch {
    const tslab = createRequire(
      path.join(path.dirname(load.resolve('tslab/package.json')), 'dist', 'main.js'),
    );
    loaded = tslab('@tslab/typescript-for-tslab') as typeof TypeScript;
  }
  return loaded;
}
