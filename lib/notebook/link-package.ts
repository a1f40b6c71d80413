/**
 * What a build ends with. Makes `import { ... } from 'tunebook'` work inside this checkout: tslab resolves packages through
 * node_modules only, so node_modules/tunebook is a link to the package root; and the images that kernels start from.
 * Run by `npm run build`.
 */
import fs from 'node:fs';
import path from 'node:path';
import { PACKAGE_ROOT } from '../environment';
import { makeKernelImage } from './client/kernel-image';

const link = path.join(PACKAGE_ROOT, 'node_modules', 'tunebook');
if (!fs.existsSync(link)) {
  fs.rmSync(link, { force: true });
  fs.symlinkSync(PACKAGE_ROOT, link, 'junction');
}
for (const kind of ['project', 'elsewhere'] as const) makeKernelImage(kind);
