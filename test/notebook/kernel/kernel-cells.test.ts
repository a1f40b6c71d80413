/** What a person may write in a cell: awaits in odd places, import.meta, exports; and what they may throw. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { Session } from './kernel-session';
import { ROOT } from '../../support/paths';

const folder = path.join(ROOT, 'notebooks');

describe('cells', { timeout: 60_000 }, () => {
  let session: Session;
  before(async () => {
    session = await Session.start(folder);
  });
  after(() => session.kernel.shutdown());

  const odd: [string, string][] = [
    ['const [a1, { b: b1 }] = [await 1, { b: await 2 }]; console.log(a1, b1)', '1 2\n'],
    ['if (await Promise.resolve(true)) console.log(`in ${await Promise.resolve("if")}`)', 'in if\n'],
    ['for (const x of await Promise.resolve([1, 2])) console.log(x)', '1\n2\n'],
    ['switch (await Promise.resolve(2)) { case await Promise.resolve(2): console.log("two") }', 'two\n'],
    ['do {} while (await Promise.resolve(false)); console.log("loop")', 'loop\n'],
    [
      'try { await Promise.reject(new Error("x")) } catch { console.log("caught") } finally { await null }',
      'caught\n',
    ],
    [
      'outer: for (const a of [1]) for await (const b of [2]) continue outer; console.log("label")',
      'label\n',
    ],
    ['class A { async m() { return await 3 } } console.log(await new A().m())', '3\n'],
    ['enum E { A, B } namespace N { export const v = 4 } await null; console.log(E.B, N.v)', '1 4\n'],
    ['let u = 1; u += await 2; const o = { await: u }; console.log(o.await)', '3\n'],
  ];
  for (const [code, expected] of odd)
    it(`run: ${code}`, async () => {
      const { text, reply } = await session.run(code);
      assert.equal(reply.status, 'ok', String(reply.evalue));
      assert.equal(text, expected);
    });

  it('have an import.meta, as a file in their folder', async () => {
    const { text } = await session.run(
      'const where = import.meta.dirname; console.log(import.meta.url, where, import.meta.resolve("node:fs"))\nawait null;',
    );
    assert.equal(text, `${pathToFileURL(path.join(folder, 'notebook.ts')).href} ${folder} node:fs\n`);
    const { reply, messages } = await session.run('import.meta.url; throw new Error(import.meta.dirname);');
    assert.equal(reply.evalue, folder);
    const error = messages.find(({ type }) => type === 'error');
    assert.match(
      (error?.content.traceback as string[]).join('\n'),
      /In\[\d+\]:1:24/,
      'columns are not moved',
    );
  });

  it('have a __dirname and a __filename, which they may declare anew', async () => {
    const file = path.join(folder, 'notebook.ts');
    const { text } = await session.run(
      'console.log(__dirname, __filename); const place = () => __dirname; await null; console.log(place())',
    );
    assert.equal(text, `${folder} ${file}\n${folder}\n`);
    const own = await session.run('const __dirname: string = "own"; console.log(__dirname, place())');
    assert.equal(own.text, `own ${folder}\n`);
    assert.equal((await session.run('console.log(__dirname)')).text, 'own\n');
  });

  it('show null as their value, and nothing for undefined', async () => {
    const shown = async (code: string): Promise<unknown> =>
      (await session.run(code)).messages.find(({ type }) => type === 'execute_result')?.content.data;
    assert.deepEqual(await shown('null'), { 'text/plain': 'null' });
    assert.deepEqual(await shown('await Promise.resolve(null)'), { 'text/plain': 'null' });
    for (const code of ['undefined', 'void 0', 'const nothing = null;', ''])
      assert.equal(await shown(code), undefined, code);
  });

  it('may say export, as files do', async () => {
    const cell =
      'export const size: number = await Promise.resolve(2);\nexport function twice(n: number): number { return 2 * n; }\nexport interface Shape { side: number }';
    assert.equal((await session.run(cell)).status, 'ok');
    const { text } = await session.run(
      'const shape: Shape = { side: twice(size) }; console.log(shape.side);',
    );
    assert.equal(text, '4\n');
  });

  it('say what to write instead of using', async () => {
    const { reply } = await session.run('const fine = 1;\nusing file = { [Symbol.dispose]() {} };');
    assert.match(
      String(reply.evalue),
      /^line 2:1: the kernel's TypeScript 5\.0\.4 does not know `using`; write/,
    );
    assert.equal(String(reply.evalue).split('\n').length, 1);
  });

  const thrown: [string, string, string][] = [
    ['throw undefined', 'ThrownValue', 'undefined'],
    ['throw null', 'ThrownValue', 'null'],
    ['throw 10n', 'ThrownValue', '10n'],
    ['throw Symbol("s")', 'ThrownValue', 'Symbol(s)'],
    ['await Promise.reject(undefined)', 'ThrownValue', 'undefined'],
    ['setTimeout(() => { throw 5 }, 5); await new Promise((r) => setTimeout(r, 50))', 'ThrownValue', '5'],
    ['throw new Proxy({}, { get() { throw new Error("trap") } })', 'ThrownValue', '{}'],
    [
      'throw { [Symbol.for("nodejs.util.inspect.custom")]() { throw new Error("trap") } }',
      'ThrownValue',
      'a object was thrown that cannot be shown',
    ],
    ['const e = new Error("s"); Object.assign(e, { stack: 5 }); throw e', 'Error', 's'],
    [
      'const e2 = new Error("t"); Object.defineProperty(e2, "stack", { get() { throw 1 } }); throw e2',
      'Error',
      't',
    ],
    [
      'throw { get a() { throw new Error("getter") }, [Symbol.for("nodejs.util.inspect.custom")]() { throw 1 } }',
      'ThrownValue',
      'a object was thrown that cannot be shown',
    ],
    ['throw { get a() { throw new Error("getter") } }', 'ThrownValue', '{ a: [Getter] }'],
    [
      'const e3 = new TypeError("w"); Object.defineProperty(e3, "message", { get() { throw 2 } }); throw e3',
      'TypeError',
      '(its message cannot be read)',
    ],
    [
      'const e4 = new Error("y"); Object.defineProperty(e4, "name", { get() { throw 2 } }); throw e4',
      'Error',
      'y',
    ],
    ['throw new (class extends Error { toJSON() { throw 1 } name = "Quiet" })("v")', 'Quiet', 'v'],
    ['throw Object.create(null)', 'ThrownValue', '[Object: null prototype] {}'],
    ['throw function named() {}', 'ThrownValue', '[Function: named]'],
  ];
  for (const [code, name, value] of thrown)
    it(`report: ${code}`, async () => {
      const { reply, messages } = await session.run(code);
      assert.deepEqual([reply.ename, reply.evalue], [name, value]);
      assert.equal(messages.filter(({ type }) => type === 'error').length, 1);
    });
});
