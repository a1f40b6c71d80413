/** The dialect that the linter holds: each rule finds a violation that is planted for it. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { ESLint } from 'eslint';
import { ROOT } from './support/paths';

const NULL = /Expected undefined: null is for JSON/;
const PRIVATE = /not #name or _name/;
const JS = /have no '\.js'/;

/** A file of `lib`, line by line, with what the linter says of the line; undefined: nothing. */
const PLANTED: readonly (readonly [line: string, message?: RegExp])[] = [
  ["import { isGzip } from './gzip.js';", JS],
  ["export { isFile } from './presence.js';", JS],
  ["export * as gzip from './gzip.js';", JS],
  ["export * from './lines';", /is listed by name/],
  ["import { type JsonObject } from './json';", /a statement of their own/],
  ["import { ReadJsonOptions } from './json';", /Use `import type`/],
  ["export { type CsvRow } from './csv';", /a statement of their own/],
  ["export const later = (): Promise<unknown> => import('./gzip.js');", JS],
  ["export type Other = import('./gzip.js').Nothing;", JS],
  ['const limit = 5;', /UPPER_CASE: limit/],
  ["export const names = ['a'];", /UPPER_CASE: names/],
  ["const known = new Set(['a']);", /UPPER_CASE: known/],
  ['const sizes = { small: 1, large: [2, 3] } as const;', /UPPER_CASE: sizes/],
  ['const made = Object.keys(sizes);'],
  ['export class Planted {'],
  ['  #own = limit + known.size + made.length;', PRIVATE],
  ['  private _count = isGzip(new Uint8Array()) ? 1 : 0;', PRIVATE],
  ['  sum(): number {'],
  ['    return this._count;'],
  ['  }'],
  ['  late = 3;', /should be declared before/],
  ['}'],
  ['export interface Planned { execution_count: number | null; count: number | null }', NULL],
  ['export const missing = (value: JsonObject, of?: ReadJsonOptions<string>): unknown =>'],
  ['  value.name === null ? null : of;', NULL],
];

test('each rule of the dialect finds what is planted for it', async () => {
  const eslint = new ESLint({ cwd: ROOT, overrideConfigFile: path.join('.config', 'eslint.config.mjs') });
  const [{ messages }] = await eslint.lintText(PLANTED.map(([line]) => line).join('\n'), {
    filePath: path.join(ROOT, 'lib', 'files', 'planted.ts'),
  });
  PLANTED.forEach(([line, message], at) => {
    const found = messages.filter((one) => one.line === at + 1).map((one) => one.message);
    assert.equal(found.length, message === undefined ? 0 : 1, `${line}: ${found.join('; ')}`);
    if (message !== undefined) assert.match(found[0], message, line);
  });
});
