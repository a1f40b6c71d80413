/**
 * Makes and starts a kernel's image: a heap of V8 in which TypeScript is loaded and its declarations are parsed. Run as
 * `node --snapshot-blob FILE --build-snapshot ENTRY PARSER TYPESCRIPT FOLDER KIND` by `client/kernel-image`; a process that
 * is started from FILE runs the program that its arguments name, as node without one does. Within an image node has no
 * modules but its own, so that the package's are loaded by the few lines here.
 */
import fs from 'node:fs';
import path from 'node:path';
import { startupSnapshot } from 'node:v8';
import vm from 'node:vm';

interface Loaded {
  exports: unknown;
}
type Load = (exports: unknown, load: unknown, module: Loaded, file: string, folder: string) => void;

const cache: Record<string, Loaded> = {};

/** The file of a path without its ending, or of a folder. */
function fileOf(place: string): string | undefined {
  const manifest = path.join(place, 'package.json');
  if (fs.existsSync(manifest)) {
    const { main = 'index.js' } = JSON.parse(fs.readFileSync(manifest, 'utf8')) as { main?: string };
    return fileOf(path.join(place, main));
  }
  const names = [place, `${place}.js`, path.join(place, 'index.js')];
  return names.find((name) => fs.statSync(name, { throwIfNoEntry: false })?.isFile());
}

function resolve(id: string, folder: string): string {
  if (/^[./]|^[A-Za-z]:/.test(id)) {
    const file = fileOf(path.resolve(folder, id));
    if (file !== undefined) return fs.realpathSync(file);
  } else
    for (let at = folder; ; at = path.dirname(at)) {
      const file = fileOf(path.join(at, 'node_modules', id));
      if (file !== undefined) return fs.realpathSync(file);
      if (path.dirname(at) === at) break;
    }
  throw new Error(`image: ${id} is not found from ${folder}`);
}

/** What the compiler takes of node's loader. */
const loader = Object.assign(() => undefined, {
  createRequire: (file: string) => requireFrom(path.dirname(file)),
  builtinModules: [],
  _resolveFilename: (id: string) => id,
});

function requireFrom(folder: string): unknown {
  const load = (id: string): unknown => {
    const name = id.replace(/^node:/, '');
    if (name === 'module') return loader;
    return process.getBuiltinModule(name) ?? loadFile(resolve(id, folder));
  };
  const find = Object.assign((id: string) => resolve(id, folder), { paths: () => [] });
  return Object.assign(load, { resolve: find, cache });
}

function loadFile(file: string): unknown {
  if (cache[file]) return cache[file].exports;
  const module: Loaded = (cache[file] = { exports: {} });
  const text = fs.readFileSync(file, 'utf8');
  if (file.endsWith('.json')) return (module.exports = JSON.parse(text));
  const head = '(function (exports, require, module, __filename, __dirname) {';
  const run = vm.runInThisContext(`${head}${text}\n})`, { filename: file }) as Load;
  run(module.exports, requireFrom(path.dirname(file)), module, file, path.dirname(file));
  return module.exports;
}

const [, , parser, typescript, folder, kind] = process.argv;
const ts = loadFile(typescript) as { readonly sys: { getCurrentDirectory: () => string } };
// TypeScript looks once, and the process that is started from the image stands elsewhere.
ts.sys.getCurrentDirectory = () => process.cwd();
const began = process.cwd();
process.chdir(folder);
(loadFile(parser) as { parseAhead(library: boolean): void }).parseAhead(kind === 'project');
process.chdir(began);
for (const file of Object.keys(cache)) Reflect.deleteProperty(cache, file);

interface NodeLoader {
  readonly _cache: Record<string, unknown>;
  new (file: string): NodeJS.Module;
  createRequire(file: string): NodeJS.Require;
}

startupSnapshot.setDeserializeMainFunction(() => {
  process.chdir('.'); // node remembers the folder, too
  // Programs that cells fork are started as node is.
  process.execArgv = process.execArgv.filter((name) => !name.startsWith('--snapshot-blob'));
  const Module = process.getBuiltinModule('node:module') as unknown as NodeLoader;
  Module._cache[typescript] = Object.assign(new Module(typescript), {
    filename: typescript,
    exports: ts,
    loaded: true,
  });
  const [, program] = process.argv;
  Module.createRequire(program)(program);
});
