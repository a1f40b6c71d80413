/** Declarations parsed ahead: given to later programs as they are, and read anew once a file has changed. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import { after, it } from 'node:test';
import type * as TypeScript from '@tslab/typescript-for-tslab';
import { keepParsed, useParsed } from '../../../lib/notebook/compiler/parsed-files';
import { Workplace } from '../../support/make-notebook';

const place = new Workplace();
after(() => place.remove());

it('gives the files that are kept, and none that has changed since', () => {
  const load = createRequire(require.resolve('tslab/package.json'));
  const ts = load('@tslab/typescript-for-tslab') as typeof TypeScript;
  const [same, changed] = ['same.d.ts', 'changed.d.ts'].map((name) => place.file(name));
  for (const file of [same, changed]) fs.writeFileSync(file, 'declare const before: number;');
  const options = { noLib: true, types: [] };
  const first = ts.createProgram([same, changed], options);
  keepParsed(first);
  fs.writeFileSync(changed, 'declare const later: string;');

  const host = ts.createCompilerHost(options);
  useParsed(host);
  const second = ts.createProgram([same, changed], options, host);
  assert.equal(second.getSourceFile(same), first.getSourceFile(same));
  assert.equal(second.getSourceFile(changed)?.text, 'declare const later: string;');
});
