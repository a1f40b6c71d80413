/** What the kernel says where a module is missing, or where a cell is meant for Deno or a browser. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { moduleAdvice } from '../../../lib/notebook/kernel/compiler-advice';
import { checkNotebook } from '../../../lib/notebook/repair/check';
import { runNotebook } from '../../../lib/notebook/run/runner';
import { makeNotebook, Workplace } from '../../support/make-notebook';
import { Session } from './kernel-session';

describe('advice on modules', { timeout: 60_000 }, () => {
  const place = new Workplace();
  const project = place.file('project');
  const folder = path.join(project, 'notebooks');
  let session: Session;
  before(async () => {
    for (const [file, text] of Object.entries({
      'package.json': '{ "name": "p" }',
      'notebooks/beside.json': '{}',
      'node_modules/here/package.json': '{ "name": "here", "main": "index.js" }',
      'node_modules/here/index.js': 'exports.a = 1;',
      'node_modules/page/index.js': 'window.title = 1;',
      'node_modules/needs/index.js': 'require("peer-of-it");',
      'node_modules/plotly.js-dist/index.js': 'self.d3 = 1;',
    })) {
      fs.mkdirSync(path.dirname(path.join(project, file)), { recursive: true });
      fs.writeFileSync(path.join(project, file), text);
    }
    session = await Session.start(folder);
  });
  after(async () => {
    await session.kernel.shutdown();
    place.remove();
  });

  const missing = (name: string): string =>
    `the package ${name} is not installed: run \`npm install ${name}\` in ${project}`;
  const rows: [code: string, advice: () => string][] = [
    ['import _ from "lodash-nope";', () => missing('lodash-nope')],
    ['import { map } from "lodash-nope/fp";', () => missing('lodash-nope')],
    ['await import("@scope/nope/deep");', () => missing('@scope/nope')],
    ['const lost = require("lodash-nope");', () => missing('lodash-nope')],
    ['const named: string = "lodash-nope"; await import(named);', () => missing('lodash-nope')],
    ['require("needs");', () => missing('peer-of-it')],
    ['import x from "here/nothing";', () => "the package here is installed, and has no 'here/nothing'"],
    [
      'import { z } from "npm:zod@3";',
      () =>
        `'npm:zod@3' is an import of a Deno notebook, and this kernel runs on Node: run \`npm install zod\` in ${project}, and import 'zod'`,
    ],
    [
      'import { walk } from "jsr:@std/fs@1/walk";',
      () =>
        `'jsr:@std/fs@1/walk' is an import of a Deno notebook, and this kernel runs on Node: run \`npx jsr add @std/fs\` in ${project}, and import '@std/fs'`,
    ],
    [
      'import _ from "https://esm.sh/lodash";',
      () =>
        "'https://esm.sh/lodash' is an import of a Deno notebook, and Node imports no addresses: install the package, and import it by its name",
    ],
    [
      'Deno.readTextFileSync("x");',
      () =>
        'this is a cell of a Deno notebook, and this kernel runs on Node: use `node:fs`, `process.env` and so on',
    ],
    [
      'require("plotly.js-dist");',
      () =>
        'plotly.js draws in browsers only; give the figure { data, layout } to `plot` of tunebook: `import { plot } from "tunebook"`',
    ],
    ['require("page");', () => 'the package page is made for browsers'],
  ];
  for (const [code, advice] of rows)
    it(code, async () => {
      const { reply } = await session.run(code);
      assert.equal(reply.status, 'error');
      const said = String(reply.evalue);
      assert.ok(said.endsWith(`: ${advice()}`), said);
      assert.doesNotMatch(said, /Require stack/);
      assert.ok((reply.traceback as string[]).join('\n').includes(advice()));
    });

  it('says plotly.js where that is not installed either; nothing of files and of packages that are there', () => {
    assert.match(String(moduleAdvice('plotly.js-dist-min', folder)), /^plotly\.js draws in browsers only/);
    for (const id of ['./nope', '../nope.json', '/nope', 'node:nope', 'here', '$lib/x', '#own'])
      assert.equal(moduleAdvice(id, folder), undefined, id);
  });

  it('names the command of the project’s own package manager', () => {
    for (const [lock, command] of [
      ['pnpm-lock.yaml', 'pnpm add'],
      ['yarn.lock', 'yarn add'],
      ['bun.lock', 'bun add'],
    ]) {
      fs.writeFileSync(path.join(project, lock), '');
      assert.match(String(moduleAdvice('nope', folder)), new RegExp(`run \`${command} nope\` in `));
      fs.rmSync(path.join(project, lock));
    }
  });

  it('a Deno notebook is called one by check and run; others are not', async () => {
    const note =
      'this is a Deno notebook (npm:, jsr:, Deno.), and its cells run on Node here: packages are installed with npm and imported by their names, and there is no Deno.';
    const file = place.write('deno.ipynb', [
      'import z from "npm:zod"; const fs = await import("jsr:@std/fs");',
      'Deno.env.get("HOME")',
    ]);
    const findings = checkNotebook(file);
    assert.deepEqual(
      findings.filter(({ where }) => where === 'notebook').map(({ message }) => message),
      [note],
    );
    assert.deepEqual(
      findings.filter(({ where }) => where === 'imports'),
      [],
    );
    const said: string[] = [];
    const output = place.file('deno-out/out.ipynb');
    const { status } = await runNotebook({
      notebook: file,
      output,
      onEvent: (event) => event.type === 'note' && said.push(event.text),
    });
    assert.equal(status, 'error');
    assert.deepEqual(said, [note]);
    const kernel = {
      ...makeNotebook(['1']),
      metadata: { kernelspec: { name: 'deno', language: 'typescript', display_name: 'Deno' } },
    };
    fs.writeFileSync(file, JSON.stringify(kernel));
    assert.match(
      checkNotebook(file).find(({ where }) => where === 'notebook')?.message ?? '',
      /\(the kernel 'deno'\)/,
    );
    const plain = place.write('plain.ipynb', ['const text = "a denomination"; // Deno is another one']);
    assert.equal(
      checkNotebook(plain).some(({ where }) => where === 'notebook'),
      false,
    );
  });
});
