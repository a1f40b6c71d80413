/**
 * Where compiled cells run: the values that they share, and a `require` that knows the notebook's own source files.
 * The form of both is tslab's (its `executor.js`), for which its converter compiles.
 */
import Module, { createRequire } from 'node:module';
import path from 'node:path';
import vm from 'node:vm';
import type { SideOutput } from 'tslab/dist/converter';

type Values = Record<string, unknown>;
type CellFunction = (exports: Values, require: NodeJS.Require) => unknown;
type MakeCell = (file: string, folder: string) => CellFunction;

/** A cell is no file: it counts as this one in the folder that it runs in. */
export const CELL_FILE = 'notebook.ts';

/** TypeScript defines imported names; here they are set, so that a later cell may import them anew. */
function settableValues(): Values {
  const values: Values = {};
  return new Proxy(values, {
    defineProperty(_target, name, { get, value }) {
      return name === '__esModule' || Reflect.set(values, name, get ? get() : value);
    },
  });
}

/** Code of a cell that is ready to run. */
export interface CellCode {
  readonly code: string;
  /** Its name in stacks. */
  readonly name: string;
  /** Whether it awaits outside of its functions. */
  readonly awaits: boolean;
}

/** The values and modules of a kernel's cells. */
export class CellRuntime {
  /** Values as tslab sets them. */
  readonly own: Values = settableValues();
  /** What cells are given for `own`. */
  private readonly values: Values;
  /** JavaScript of source files beside the notebook, by path. */
  private readonly files = new Map<string, string>();
  private readonly modules = new Map<string, NodeJS.Module>();
  private readonly require: NodeJS.Require;
  private readonly folder = process.cwd();

  /**
   * @param library what `import ... from 'tslab'` gives
   * @param over how cells see the values
   */
  constructor(
    private readonly library: unknown,
    over: (values: Values) => Values,
  ) {
    this.values = over(this.own);
    this.require = this.wrapRequire(createRequire(path.join(this.folder, 'src.js')), this.folder);
  }

  /** The values as cells see them. */
  get shared(): Values {
    return this.values;
  }

  /** Takes compiled source files; one that is there is loaded anew. */
  addFiles(files: readonly SideOutput[]): void {
    for (const { path: file, data } of files) {
      this.modules.delete(file);
      this.files.set(file, data);
    }
  }

  /** Runs a cell up to its first await. @returns the cell's promise where it awaits */
  run({ code, name, awaits }: CellCode): unknown {
    // In a function of their own, as a cell may declare names of its own for them.
    const head = `(function(__filename, __dirname) { return ${awaits ? 'async ' : ''}function(exports, require) { `;
    const options = { filename: name, columnOffset: -head.length };
    const make = vm.runInThisContext(`${head}${code}\n} })`, options) as MakeCell;
    return make(path.join(this.folder, CELL_FILE), this.folder)(this.values, this.require);
  }

  private wrapRequire(require: NodeJS.Require, folder: string): NodeJS.Require {
    return new Proxy(require, {
      apply: (target, self, given: [id: string]) => {
        if (given[0] === 'tslab') return this.library;
        return this.ownModule(folder, given[0]) ?? (Reflect.apply(target, self, given) as unknown);
      },
    });
  }

  /** A source file of the notebook, loaded; undefined where there is none. */
  private ownModule(folder: string, id: unknown): unknown {
    if (typeof id !== 'string') return undefined;
    const named = path.join(folder, id).split(path.sep).join('/');
    const file = path.extname(named) === '' ? `${named}.js` : named;
    const code = this.files.get(file);
    const loaded = this.modules.get(file);
    if (loaded) return loaded.exports;
    if (code === undefined) return undefined;
    const module = new Module(file) as NodeJS.Module & { _compile(code: string, file: string): void };
    const { _nodeModulePaths: pathsOf } = Module as unknown as { _nodeModulePaths(folder: string): string[] };
    module.filename = file;
    module.paths = pathsOf(path.dirname(file));
    module.require = this.wrapRequire(module.require.bind(module) as NodeJS.Require, path.dirname(file));
    module._compile(code, file);
    this.modules.set(file, module);
    return module.exports;
  }
}
