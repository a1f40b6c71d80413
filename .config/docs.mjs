/**
 * The API reference by TypeDoc, with the executed notebooks beside it as pages. Opens from disk: nothing is loaded from
 * the network. `node .config/docs.mjs [FOLDER [ENTRY_POINT...]]`; by default outputs/docs and every public door.
 */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const require = createRequire(import.meta.url);
const [out = path.join(ROOT, 'outputs', 'docs'), ...entryPoints] = process.argv.slice(2);

const typedoc = [path.join(ROOT, 'node_modules', 'typedoc', 'bin', 'typedoc')];
typedoc.push('--options', path.join(ROOT, '.config', 'typedoc.json'), '--out', out, '--logLevel', 'Warn');
for (const file of entryPoints) typedoc.push('--entryPoints', file);
execFileSync(process.execPath, typedoc, { cwd: ROOT, stdio: 'inherit' });

// TypeDoc leaves an address among its navigation links as it is, at every depth.
for (const name of fs.readdirSync(out, { recursive: true }).filter((one) => one.endsWith('.html'))) {
  const file = path.join(out, name);
  const notebooks = path.relative(path.dirname(file), path.join(out, 'notebooks', 'index.html'));
  const html = fs.readFileSync(file, 'utf8');
  fs.writeFileSync(
    file,
    html.replaceAll('href="notebooks/index.html"', `href="${notebooks.replaceAll('\\', '/')}"`),
  );
}

const { readNotebook } = require('../.build/lib/notebook/format');
const { notebookToHtml } = require('../.build/lib/notebook/page');
const pages = path.join(out, 'notebooks');
fs.mkdirSync(pages);
const titles = fs
  .readdirSync(path.join(ROOT, 'notebooks'))
  .filter((name) => name.endsWith('.ipynb'))
  .map((name) => name.slice(0, -'.ipynb'.length));
for (const title of titles) {
  const notebook = readNotebook(path.join(ROOT, 'notebooks', `${title}.ipynb`));
  fs.writeFileSync(path.join(pages, `${title}.html`), notebookToHtml(notebook, title));
}
const list = titles.map((title) => `<li><a href="${title}.html">${title}</a></li>`).join('\n');
fs.writeFileSync(
  path.join(pages, 'index.html'),
  `<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>tunebook: notebooks</title>
<h1>Notebooks, as executed</h1>
<ul>
${list}
</ul>
<p><a href="../index.html">API reference</a></p>
</html>
`,
);
