/**
 * Ordinary TypeScript at the top level of cells, through the real kernel: each row is a few cells, one after the
 * other, and what the last of them prints; or what the kernel says where its TypeScript 5.0.4 cannot.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { checkCellTypes } from '../../../lib/notebook/repair/check-types';
import { Session } from '../kernel/kernel-session';
import { makeNotebook, Workplace } from '../../support/make-notebook';

const ROWS: Record<string, [...cells: string[], printed: string]> = {
  'a base class that is awaited': [
    'class Base { v = 1 } const base = Promise.resolve(Base);',
    'class Derived extends (await base) { w = 2 } console.log(new Derived().v + new Derived().w)',
    '3\n',
  ],
  'awaited member names': [
    'class Named { [await Promise.resolve("m")]() { return 5 } } console.log((new Named() as any).m())',
    '5\n',
  ],
  'await before a parenthesis': [
    'let late = 0; await (async () => { late = 3 })(); console.log(late, await (1), await [2], await -3)',
    '3 1 [ 2 ] -3\n',
  ],
  'destructuring with awaited defaults': [
    'const { a1 = await Promise.resolve(1), ...rest } = { b: 2 } as { a1?: number }; const [x1, y1 = await (2)] = [0];',
    'console.log(a1, rest, x1, y1)',
    '1 { b: 2 } 0 2\n',
  ],
  'destructuring of an earlier object under new names': [
    'const point = { x: 1, deep: { z: 2 } }, key = "x";',
    'const { x: first, deep: { z: second }, [key]: third } = point; console.log(first, second, third)',
    'function take({ x: k = 0 }: typeof point) { return k } for (const { x: k } of [point]) console.log(k, take(point))',
    '1 1\n',
  ],
  'names of earlier cells as keys, parameters, labels and members': [
    'const size = 3; const id = 4;',
    `const o = { size: 5, id() { return id }, get len() { return size } }; enum En { size = 9 }
     class K { size = size; static id = id; m(n = size) { return n } }
     size: for (;;) { const size = 1; break size }
     console.log(o.size, o.id(), o.len, { size, id }, En.size, new K().size, K.id, new K().m(), ((size) => size)(8))`,
    '5 4 3 { size: 3, id: 4 } 9 3 4 3 8\n',
  ],
  'assignment to names of earlier cells': [
    'let n = 1, q = { z: 1 }; const inc = () => ++n;',
    'n += 2; q.z++; ({ z: n } = q); [n] = [n * 2]; inc(); for (const i of [1]) n += i; console.log(n, q)',
    '6 { z: 2 }\n',
  ],
  'variables that functions of an earlier cell use': [
    'let count = 1; var shared = "a"; const next = () => ++count, read = () => [count, shared];',
    'count = 10; shared = "b"; next(); const seen = read();',
    'let count = "mine"; next(); console.log(seen, count, read())',
    "[ 11, 'b' ] mine [ 12, 'b' ]\n",
  ],
  'namespaces, two cells later': [
    'namespace N { export const v = 4; export type T = number } class M { a = 1 } namespace M { export const z = 2 }',
    'console.log(N.v)',
    'const typed: N.T = N.v; console.log(typed, new M().a + M.z)',
    '4 3\n',
  ],
  'a namespace that is declared again': [
    'namespace Once { export const v = 1 }',
    'namespace Once { export const w = 2 }',
    'console.log(Object.keys(Once).join(), Once.w)',
    'w 2\n',
  ],
  'global declarations, two cells later': [
    'declare global { interface Array<T> { ownLast(): T } }\nArray.prototype.ownLast = function () { return this[this.length - 1] };',
    '1;',
    'console.log([1, 2].ownLast().toFixed(1))',
    '2.0\n',
  ],
  enums: ['enum E { A = 1, B } const enum CE { X = 9 }', 'console.log(E.B, E[1], CE.X)', '2 A 9\n'],
  'everything declared again in a later cell': [
    'const c1 = 1; let l1 = 2; class C1 { y = 1 } function f1() { return 1 } type T1 = number; enum E1 { A } interface I1 { a: number }',
    'const c1 = "s"; let l1 = "t"; class C1 { z = 1 } function f1(x: string) { return x } type T1 = string; enum E1 { B = 7 } interface I1 { b: T1 }',
    'const all: T1 = c1 + l1 + f1("k"); const i: I1 = { b: "x" }; console.log(all, E1.B, new C1(), i)',
    "stk 7 C1 { z: 1 } { b: 'x' }\n",
  ],
  'an imported name that is defined, and imported again': [
    'import { join } from "node:path"; import fs, { readFileSync } from "node:fs";',
    'const join = (n: number) => n * 2; console.log(join(4), typeof fs.statSync, typeof readFileSync)',
    'import { join } from "node:path";',
    'console.log(join("x", "y"))',
    'x/y\n',
  ],
  'imports of all kinds': [
    'import path, { sep, type ParsedPath } from "path"; import type { Stats } from "fs"; import * as os from "os"; import "node:fs";',
    'const parsed: ParsedPath = path.parse("/a/b"); let stats: Stats | null = null; console.log(sep, parsed.base, stats, typeof os.cpus)',
    '/ b null function\n',
  ],
  'imports at run time': [
    'const m = await import("node:os"); console.log(typeof m.cpus, typeof (await import("path")).default.join)',
    'function function\n',
  ],
  'JSON, with and without attributes': [
    'import data from "./data.json"; import again from "./data.json" with {\n  type: "json" };',
    'console.log(data.a.b, again.a.b)',
    '7 7\n',
  ],
  'a file beside the notebook, and what it imports': [
    'import { side, below } from "./side"; console.log(side, below)',
    '3 4\n',
  ],
  'export in all places': [
    'export const e1 = 1; export enum EE { A } export abstract class AC {} export async function af() {} const e2 = 2; export { e2, e1 as e3 }',
    'export default 5; export type X = number; export namespace NN { export const z: X = 1 }',
    'console.log(e1, e2, EE.A, typeof AC, typeof af, NN.z)',
    '1 2 0 function function 1\n',
  ],
  generators: [
    'function* g1() { yield 1; yield* [2, 3] } async function* g2() { yield { a: 4 } }',
    'console.log([...g1()]); for await (const { a: v } of g2()) console.log(v)',
    '[ 1, 2, 3 ]\n4\n',
  ],
  labels: [
    'outer: for (let i = 0; i < 3; i++) for (;;) { if (i === 1) break outer; console.log(i); continue outer }',
    '0\n',
  ],
  overloads: [
    'function ov(a: number): number;\nfunction ov(a: string): string;\nfunction ov(a: any): any { return a }',
    'console.log(ov(1).toFixed(1), ov("x").length)',
    '1.0 1\n',
  ],
  'regular expressions and large numbers': [
    'console.log(/a(?<n>b)/dgimsuy.flags, /[\\p{L}--[a-z]]/v.test("A"), 2n ** 64n, 1_000)',
    'dgimsuy true 18446744073709551616n 1000\n',
  ],
  'classes with all kinds of members': [
    `class All { f = async () => (await this.v) + 1; v = 6; #p = 2; static s = async () => await (3); accessor acc = 1;
       static n = 0; static { All.n = 4 } get p() { return this.#p } }`,
    'const all2 = new All(); console.log(await all2.f(), all2.p, await All.s(), all2.acc, All.n)',
    '7 2 3 1 4\n',
  ],
  decorators: [
    `function twice(_: any, __: string, d: PropertyDescriptor) { const f = d.value; d.value = () => 2 * f() }
     function sealed(c: Function) { console.log("sealed", c.name) }
     @sealed class D { @twice m() { return 4 } } console.log(new D().m())`,
    'sealed D\n8\n',
  ],
  'generic and abstract classes': [
    'abstract class Shape<T extends object = {}> { constructor(protected readonly k: number, public t?: T) {} abstract area(): number }',
    'class Square extends Shape<{ q: 1 }> { area() { return this.k ** 2 } } const fn = <T,>(x: T) => x',
    'console.log(new Square(3).area(), fn(new Square(2, { q: 1 }).t?.q))',
    '9 1\n',
  ],
  'hoisting and closures over several cells': [
    'console.log(h1()); function h1() { return h2() } function h2() { return count } var count = 1;',
    'count = 5;',
    'console.log(h1())',
    '5\n',
  ],
  'a var inside of a block or a loop': [
    `import path from "node:path"; if (1) { var part = path.parse("/a/b.c"); class Own { q = 5 } var own = new Own() }
     for (var i = 0, last: string | number = "x"; i < 3; i++) last = i; const count = () => i++; { var i = i }`,
    'const base: string = part.base; const sum: number = own.q + i; i = 10; count(); console.log(base, sum, last, i)',
    'b.c 8 2 11\n',
  ],
  'a var in every kind of statement': [
    `for (var [k1, { v: v1 }] of [["x", { v: 2 }]] as [string, { v: number }][]) {} try { throw 1 } catch { var cc = "c" } finally { var ff = 1n }
     do { var dd = true } while (0); switch (1) { default: var sw = [1] } label: { var ll = await 5 } for (var kk in { a: 1 }); if (0) { var un: Date | undefined }`,
    'const typed: [string, number, string, bigint, boolean, number[], number, string] = [k1, v1, cc, ff, dd, sw, ll, kk]; console.log(typed.join(), un)',
    'x,2,c,1,true,1,5,a undefined\n',
  ],
  'a var in a block, declared again': [
    'var v = 1; { var v = 2 } { var w = "w" }',
    'const before = [v, w]; { var w2 = 3 } if (w2) { var shown = before }',
    '{ var w = 7 } let v = "new"; function own() { var hidden = 1 } namespace Inner { var hidden = 2 }',
    'const text: string = v; const n: number = w; console.log(shown, text, n, typeof (globalThis as any).hidden)',
    "[ 2, 'w' ] new 7 undefined\n",
  ],
  'names that are not Latin': ['const größe = 3, 変数 = 4;', 'console.log(größe + 変数)', '7\n'],
  'satisfies, const type parameters, optional chains': [
    'const sat = { a: 1 } satisfies Record<string, number>; function tuple<const T>(x: T) { return x }',
    'const oc: { a?: { b(): number } } = {}; let na: number | null = null; na ??= sat.a; console.log(tuple([1, 2]), oc.a?.b() ?? "none", na)',
    '[ 1, 2 ] none 1\n',
  ],
};

/** What cannot be: the cell, and what the kernel says of it. */
const REFUSED: [string, RegExp][] = [
  [
    'const f = (a = await 1) => a',
    /^line 1:16: 'await' expressions cannot be used in a parameter initializer/m,
  ],
  ['async function f(a = await 1) {}', /cannot be used in a parameter initializer/],
  [
    'class C { static x = await 1 }',
    /^line 1:22: 'await' expressions are only allowed within async functions/,
  ],
  ['function f() { await 1 }', /^line 1:16: 'await' expressions are only allowed within async functions/],
  ['1;\nreturn 5', /^line 2:1: A 'return' statement can only be used within a function body/],
  ['{ function inBlock() {} }\ninBlock()', /^line 2:1: Cannot find name 'inBlock'/],
  ['await using x = { async [Symbol.asyncDispose]() {} }', /`using`; write `const`/],
  [
    'class C { @((f: any, c: ClassMethodDecoratorContext) => f) m() {} }',
    /decorators in TypeScript's older form: \(target, /,
  ],
  ['function f<T>(a: T, b: NoInfer<T>) {}', /does not know `NoInfer`; leave it out$/],
  ['import { side } from "./side.ts"', /write the import without \.ts/],
  ['import p = require("path")', /write `import x from 'module'`/],
  [
    'import { fine } from "./faulty"',
    /^faulty\.ts, line 2:14: Type 'string' is not assignable to type 'number'/,
  ],
  ['await import("./data.json", { with: { type: "json" } })', /leave out `\{ with/],
  ['1;\n!ls -l', /^line 2:.*a cell is TypeScript; for a shell command/],
  ['%%time\n1', /^line 1:1: a cell is TypeScript/],
];

describe('TypeScript in cells', { timeout: 90_000 }, () => {
  const place = new Workplace();
  let session: Session;
  before(async () => {
    fs.writeFileSync(place.file('data.json'), '{"a": {"b": 7}}');
    fs.writeFileSync(
      place.file('side.ts'),
      'export const side: number = 3;\nexport { below } from "./below";',
    );
    fs.writeFileSync(place.file('below.ts'), 'export const below: number = 4;');
    fs.writeFileSync(
      place.file('faulty.ts'),
      'export const fine = 1;\nexport const faulty: number = "text";',
    );
    session = await Session.start(place.folder);
  });
  after(async () => {
    await session.kernel.shutdown();
    place.remove();
  });

  for (const [name, row] of Object.entries(ROWS))
    it(`has ${name}`, async () => {
      let last = '';
      for (const code of row.slice(0, -1)) {
        const { reply, text } = await session.run(code);
        assert.equal(reply.status, 'ok', `${code}\n${String(reply.evalue)}`);
        last = text;
      }
      assert.equal(last, row.at(-1));
    });

  it('and `tunebook check` finds nothing wrong with them', () => {
    const newer = 'regular expressions and large numbers'; // a flag that the checker's target does not have
    const cells = Object.entries(ROWS).flatMap(([name, row]) => (name === newer ? [] : row.slice(0, -1)));
    assert.deepEqual(checkCellTypes(makeNotebook(cells), place.file('x.ipynb')), []);
  });

  for (const [code, message] of REFUSED)
    it(`says what is wrong: ${code.replace('\n', ' / ')}`, async () => {
      const { reply } = await session.run(code);
      assert.equal(reply.ename, 'TypeScriptError');
      assert.match(String(reply.evalue), message);
    });
});
