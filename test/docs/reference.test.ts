/** `npm run docs`, for one door: a reference and the notebooks that open from disk and load nothing from the network. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parse } from 'parse5';
import { ROOT } from '../support/paths';

interface Element {
  readonly tagName?: string;
  readonly attrs?: readonly { readonly name: string; readonly value: string }[];
  readonly childNodes?: readonly Element[];
}

/** Addresses that a page loads, and those that it links to. */
function addressesOf(html: string): { loaded: string[]; linked: string[] } {
  const loaded: string[] = [];
  const linked: string[] = [];
  const visit = ({ tagName, attrs = [], childNodes = [] }: Element): void => {
    for (const { name, value } of attrs) {
      if (name === 'href' && tagName === 'a') linked.push(value);
      else if (['src', 'href', 'srcset', 'data', 'poster', 'xlink:href'].includes(name)) loaded.push(value);
    }
    childNodes.forEach(visit);
  };
  visit(parse(html) as Element);
  loaded.push(...[...html.matchAll(/url\(['"]?([^'")]*)/g)].map(([, address]) => address));
  return { loaded, linked };
}

describe('the API reference', { timeout: 300_000 }, () => {
  let out: string;
  let files: string[];
  before(() => {
    out = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-docs-')), 'docs');
    execFileSync(
      process.execPath,
      ['.config/docs.mjs', out, 'lib/quantization/index.ts', 'lib/hub/index.ts'],
      {
        cwd: ROOT,
      },
    );
    files = fs.readdirSync(out, { recursive: true, encoding: 'utf8' });
  });
  after(() => fs.rmSync(path.dirname(out), { recursive: true, force: true }));

  it('has a page of each public name, and of each notebook', () => {
    const pages = new Set(files.map((name) => name.replaceAll('\\', '/')));
    for (const page of [
      'functions/quantization.quantize',
      'classes/quantization.BitsAndBytesConfig',
      'index',
    ])
      assert.ok(pages.has(`${page}.html`), page);
    for (const notebook of fs.readdirSync(path.join(ROOT, 'notebooks')).filter((name) => /ipynb$/.test(name)))
      assert.ok(pages.has(`notebooks/${notebook.replace('.ipynb', '.html')}`), notebook);
    const results = fs.readFileSync(path.join(out, 'notebooks', '01-gpt2-finetuning.html'), 'utf8');
    assert.match(results, /<h1>Fine-tuning GPT-2/);
  });

  it('loads nothing from the network, and its own links lead somewhere', () => {
    for (const name of files.filter((one) => one.endsWith('.html'))) {
      const { loaded, linked } = addressesOf(fs.readFileSync(path.join(out, name), 'utf8'));
      for (const address of loaded) assert.doesNotMatch(address, /^(?:https?:)?\/\//i, name);
      for (const address of [...loaded, ...linked]) {
        const [file] = address.split(/[#?]/);
        if (file === '' || /^[a-z]+:/i.test(address) || name.startsWith('notebooks')) continue;
        assert.ok(fs.existsSync(path.join(out, path.dirname(name), decodeURI(file))), `${name}: ${address}`);
      }
    }
    for (const name of files.filter((one) => one.endsWith('.css'))) {
      const css = fs.readFileSync(path.join(out, name), 'utf8');
      assert.doesNotMatch(css, /@import|url\(\s*['"]?(?:https?:)?\/\//i, name);
    }
  });

  it('is made of every door of the package, by a tool that is no dependency', () => {
    const read = (file: string): unknown => JSON.parse(fs.readFileSync(path.join(ROOT, file), 'utf8'));
    const { exports, dependencies } = read('package.json') as Record<string, Record<string, unknown>>;
    const doors = Object.keys(exports).filter((name) => !name.endsWith('.json'));
    assert.deepEqual(
      (read('.config/typedoc.json') as { readonly entryPoints: readonly string[] }).entryPoints,
      doors.map((door) => `../lib/${door === '.' ? '' : `${door.slice(2)}/`}index.ts`),
    );
    assert.equal(dependencies.typedoc, undefined);
  });
});
