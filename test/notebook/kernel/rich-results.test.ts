/** What a cell returns is shown in its richest form: frames, tensors, figures, images, objects that say how. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Session } from './kernel-session';
import { ROOT } from '../../support/paths';

/** One white pixel. */
const PNG =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8/5+hHgAHggJ/PchI7wAAAABJRU5ErkJggg==';

describe('results', { timeout: 180_000 }, () => {
  let session: Session;
  before(async () => {
    session = await Session.start(ROOT);
  });
  after(() => session.kernel.shutdown());

  /** The forms of a cell's result. */
  async function result(code: string): Promise<Record<string, string>> {
    const { status, messages, reply } = await session.run(code);
    assert.equal(status, 'ok', JSON.stringify(reply));
    const found = messages.filter(({ type }) => type === 'execute_result');
    assert.equal(found.length, 1);
    return found[0].content.data as Record<string, string>;
  }

  it('a frame and a series of danfojs are tables', async () => {
    const frame = await result(
      'import * as dfd from "danfojs-node"; new dfd.DataFrame({ a: [1, 2], b: ["x", "<y>"] })',
    );
    assert.equal(frame['text/plain'], '2 rows × 2 columns\na  b\n-  ---\n1  x\n2  <y>');
    assert.match(frame['text/html'], /^<table.*<td[^>]*>&lt;y&gt;<\/td>/s);
    const indexed = await result('new dfd.DataFrame({ a: [1, 2] }, { index: ["p", "q"] })');
    assert.equal(indexed['text/plain'], '2 rows × 1 column\n   a\n-  -\np  1\nq  2');
    const series = await result('new dfd.Series([1.5, 2], { columns: ["s"] })');
    assert.equal(series['text/plain'], '2 rows × 1 column\n  s\n---\n1.5\n  2');
  });

  it('a tensor of TensorFlow.js is its dtype, shape and values', async () => {
    const tensor = await result('import * as tf from "@tensorflow/tfjs"; tf.tensor([[1, 2], [3, 4]])');
    assert.deepEqual(tensor, { 'text/plain': 'Tensor float32 [2, 2]\n    [[1, 2],\n     [3, 4]]' });
    const gone = await result('const t = tf.tensor([1], [1], "int32"); t.dispose(); t');
    assert.deepEqual(gone, { 'text/plain': 'Tensor int32 [1] (disposed)' });
  });

  it('a Plotly figure is drawn, interactive and static, the same in each run', async () => {
    const code = '({ data: [{ x: [1, 2], y: [3, 4], type: "scatter" }], layout: { title: "F" } })';
    const { messages } = await session.run(code);
    const forms = messages.flatMap(({ type, content }) =>
      type === 'display_data' || type === 'execute_result'
        ? [[type, Object.keys(content.data as object).sort()]]
        : [],
    );
    assert.deepEqual(forms, [
      ['display_data', ['text/html', 'text/plain']],
      ['execute_result', ['image/svg+xml', 'text/plain']],
    ]);
  });

  it('objects choose their own display', async () => {
    assert.deepEqual(
      await result(
        '({ [Symbol.for("Jupyter.display")]: () => ({ "text/markdown": "**b**", "text/plain": "b" }) })',
      ),
      { 'text/markdown': '**b**', 'text/plain': 'b' },
    );
    const later = await result(
      '({ async [Symbol.for("Jupyter.display")]() { return { "text/html": "<b>x</b>" }; } })',
    );
    assert.equal(later['text/html'], '<b>x</b>');
    assert.ok(later['text/plain'].length > 0);
    assert.equal((await result('({ toHTML: () => "<i>y</i>" })'))['text/html'], '<i>y</i>');
  });

  it('images are shown as such', async () => {
    const image = await result(`Buffer.from("${PNG}", "base64")`);
    assert.deepEqual(image, { 'image/png': PNG, 'text/plain': '[image/png, 70 B]' });
    assert.equal((await result(`"data:image/png;base64,${PNG}"`))['image/png'], PNG);
    const jpeg = await result('new Uint8Array([0xff, 0xd8, 0xff, 0xe0])');
    assert.deepEqual(jpeg, { 'image/jpeg': '/9j/4A==', 'text/plain': '[image/jpeg, 4 B]' });
    const svg = await result('"data:image/svg+xml,%3Csvg%3E%3C/svg%3E"');
    assert.equal(svg['image/svg+xml'], '<svg></svg>');
  });

  const plain: [what: string, code: string, text: string][] = [
    ['null', 'null', 'null'],
    ['an object with data', '({ data: [{ x: 1 }] })', '{ data: [ { x: 1 } ] }'],
    [
      'a reply with data',
      '({ data: [{ type: "a" }], status: 200 })',
      "{ data: [ { type: 'a' } ], status: 200 }",
    ],
    ['bytes', 'new Uint8Array([1, 2])', 'Uint8Array(2) [ 1, 2 ]'],
    ['columns alone', '({ columns: ["a"], values: [1] })', "{ columns: [ 'a' ], values: [ 1 ] }"],
    ['a class with toHTML', 'class C { static toHTML() { return "x"; } }; C', '[class C]'],
    ['other data URLs', '"data:text/plain,a"', "'data:text/plain,a'"],
  ];
  for (const [what, code, text] of plain)
    it(`${what} stays text`, async () => assert.deepEqual(await result(code), { 'text/plain': text }));

  const failing: [what: string, code: string, text: string | RegExp][] = [
    [
      'toHTML that throws',
      '({ a: 1, toHTML() { throw new Error("not drawn"); } })',
      '{ a: 1, toHTML: [Function: toHTML] }\n(shown as text: Error: not drawn)',
    ],
    [
      'toHTML that rejects',
      '({ async toHTML() { throw new RangeError("late"); } })',
      '{ toHTML: [AsyncFunction: toHTML] }\n(shown as text: RangeError: late)',
    ],
    [
      'toHTML that throws no error',
      '({ toHTML() { throw null; } })',
      '{ toHTML: [Function: toHTML] }\n(shown as text: null)',
    ],
    [
      'an error that cannot be read',
      '({ toHTML() { throw { toString() { throw 1; } }; } })',
      '{ toHTML: [Function: toHTML] }\n(shown as text: an error that cannot be shown)',
    ],
    [
      'a getter of toHTML',
      '({ get toHTML(): string { throw new Error("got"); } })',
      '{ toHTML: [Getter] }\n(shown as text: Error: got)',
    ],
    [
      'a getter that looks like a figure',
      '({ get data(): number[] { throw new Error("data"); } })',
      '{ data: [Getter] }\n(shown as text: Error: data)',
    ],
    [
      'a getter that looks like a frame',
      '({ get columns(): string[] { throw new Error("columns"); } })',
      '{ columns: [Getter] }\n(shown as text: Error: columns)',
    ],
    ['a getter of then', '({ get then(): number { throw new Error("then"); } })', '{ then: [Getter] }'],
    [
      'a display with a circle',
      'const o: any = { [Symbol.for("Jupyter.display")]: () => ({ "application/json": o }) }; o.o = o; o',
      /^<ref \*1> \{[^]*\(shown as text: TypeError: Converting circular structure to JSON/,
    ],
    [
      'a display with a bigint',
      '({ [Symbol.for("Jupyter.display")]: () => ({ "application/json": 1n }) })',
      /\(shown as text: TypeError: Do not know how to serialize a BigInt\)$/,
    ],
    [
      'a display that is no text',
      '({ [Symbol.for("Jupyter.display")]: () => ({ "text/html": 5 }) })',
      /\(shown as text: TypeError: expected text for text\/html, got number\)$/,
    ],
    [
      'a display without mime types',
      '({ [Symbol.for("Jupyter.display")]: () => ({ html: "x" }) })',
      /\(shown as text: TypeError: expected mime types such as text\/html, got html\)$/,
    ],
    [
      'an inspect of its own that throws',
      '({ a: 1, [Symbol.for("nodejs.util.inspect.custom")]() { throw new Error("x"); } })',
      /^\{\s+a: 1,/,
    ],
    [
      'a tag that throws',
      '({ get [Symbol.toStringTag](): string { throw new Error("x"); } })',
      /^\{|^\[object/,
    ],
    ['a Proxy', 'new Proxy({ a: 1 }, {})', '{ a: 1 }\n(a Proxy: shown as text)'],
    [
      'a Proxy that throws',
      'new Proxy({ a: 1 }, { get() { throw new Error("trap"); }, has() { throw 1; }, ownKeys() { throw 2; } })',
      '{ a: 1 }\n(a Proxy: shown as text)',
    ],
    [
      'a Proxy that answers everything',
      'const all: any = new Proxy(function all() {}, { get: () => all, apply: () => all }); all',
      '[Function: all]\n(a Proxy: shown as text)',
    ],
    ['a Proxy of functions', 'new Proxy({}, { get: () => () => 1 })', '{}\n(a Proxy: shown as text)'],
    [
      'a revoked Proxy',
      'const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); proxy',
      '<Revoked Proxy>\n(a Proxy: shown as text)',
    ],
    ['a revoked Proxy within', '({ proxy })', '{ proxy: <Revoked Proxy> }'],
    ['a promise of a Proxy', 'Promise.resolve([new Proxy({ a: 1 }, {})])', '[ { a: 1 } ]'],
    [
      'a figure that is none',
      '({ data: [{ type: "scatter", x: [1n], y: [2] }], layout: {} })',
      /^\{[^]*\(shown as text: TypeError: Do not know how to serialize a BigInt\)$/,
    ],
    [
      'an image that is none',
      '"data:image/svg+xml,%zz"',
      "'data:image/svg+xml,%zz'\n(shown as text: URIError: URI malformed)",
    ],
  ];
  for (const [what, code, text] of failing)
    it(`${what} does not fail the cell`, async () => {
      const { 'text/plain': shown, ...rest } = await result(code);
      assert.deepEqual(rest, {});
      if (typeof text === 'string') assert.equal(shown, text);
      else assert.match(shown, text);
    });

  it('an interrupt ends a result that is being made', async () => {
    const code = '({ async toHTML() { await new Promise((r) => setTimeout(r, 60_000)); return "x"; } })';
    const { status, reply } = await session.run(code, [1500]);
    assert.equal(status, 'error');
    assert.equal(reply.ename, 'KeyboardInterrupt');
    assert.deepEqual(await result('1 + 1'), { 'text/plain': '2' });
  });
});
