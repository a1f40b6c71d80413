/**
 * What a build ends with. Makes `import { ... } from 'tunebook'` work inside this checkout: tslab resolves packages through
 * node_modules only, so node_modules/tunebook is a link to the package root; has the door load rooms when they are used;
 * and makes the images that kernels start from. Run by `npm run build`.
 */
import fs from 'node:fs';
import path from 'node:path';
import { PACKAGE_ROOT } from '../environment';
import { writeFileAtomicSync } from '../files';
import { makeKernelImage } from './client/kernel-image';

const link = path.join(PACKAGE_ROOT, 'node_modules', 'tunebook');
if (!fs.existsSync(link)) {
  fs.rmSync(link, { force: true });
  fs.symlinkSync(PACKAGE_ROOT, link, 'junction');
}
makeDoorLazy(path.join(PACKAGE_ROOT, '.build', 'lib', 'index.js'));
for (const kind of ['project', 'elsewhere'] as const) makeKernelImage(kind);

/**
 * Has the compiled door load a room when one of its names is first read: all six hundred modules take as long as
 * everything else of an import, and few programs use every room. Getters keep the form in which node finds their names for
 * `import { ... }`.
 */
function makeDoorLazy(file: string): void {
  const eager = fs.readFileSync(file, 'utf8');
  const lazy = eager
    .replace(
      /^(?:var|const) (\w+) = require\(("[^"]+")\);$/gm,
      'const $1 = new Proxy({}, { get: (_, name) => require($2)[name] });',
    )
    .replace(
      /^exports\.(\w+) = __importStar\(require\(("[^"]+")\)\);$/gm,
      'const $1_1 = { get all() { return __importStar(require($2)); } };\n' +
        'Object.defineProperty(exports, "$1", { enumerable: true, get: function () { return $1_1.all; } });',
    );
  if (lazy !== eager) writeFileAtomicSync(file, lazy);
}
