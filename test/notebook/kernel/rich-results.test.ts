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

  it('objects say how they look', async () => {
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
    const { reply } = await session.run('({ toHTML() { throw new Error("not drawn"); } })');
    assert.equal(reply.evalue, 'not drawn');
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
});
