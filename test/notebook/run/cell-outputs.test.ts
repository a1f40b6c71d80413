/** What a kernel publishes becomes the outputs of cells, as a notebook keeps them. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { foldCarriageReturns, OutputCollector, savedOutputs } from '../../../lib/notebook/run/cell-outputs';
import { makeCell } from '../../../lib/notebook/format/nbformat';
import type { CellOutput } from '../../../lib/notebook/format/nbformat';

const stream = (text: string, name = 'stdout'): [string, Record<string, unknown>] => [
  'stream',
  { name, text },
];
const shown = (value: string, id?: string): [string, Record<string, unknown>] => [
  'display_data',
  { data: { 'text/plain': value }, metadata: {}, ...(id ? { transient: { display_id: id } } : {}) },
];

/** Texts of the outputs after the messages. */
function collect(messages: [string, Record<string, unknown>][], limitBytes?: number): (string | string[])[] {
  const cell = makeCell('code', '1');
  const collector = new OutputCollector(limitBytes);
  collector.assign('request', cell);
  for (const [type, content] of messages)
    collector.take({ type, content, metadata: {}, parentId: 'request' });
  return (cell.outputs ?? []).map((output) => {
    if (output.output_type === 'stream') return output.text;
    if (output.output_type === 'error') return output.ename;
    return output.data['text/plain'] as string[];
  });
}

describe('outputs', () => {
  it('of one stream are one, in order with the others', () => {
    assert.deepEqual(
      collect([stream('a\n'), stream('b\n'), stream('e', 'stderr'), shown('d'), stream('c')]),
      ['a\nb\n', 'e', ['d'], 'c'],
    );
  });

  it('are cleared at once, or when the next one comes', () => {
    assert.deepEqual(collect([stream('a'), ['clear_output', { wait: false }]]), []);
    assert.deepEqual(collect([stream('a'), ['clear_output', { wait: true }]]), ['a']);
    assert.deepEqual(collect([stream('a'), ['clear_output', { wait: true }], stream('b'), stream('c')]), [
      'bc',
    ]);
  });

  it('are updated where they stand, and only those of the same id', () => {
    const update: [string, Record<string, unknown>] = ['update_display_data', shown('new', 'x')[1]];
    assert.deepEqual(collect([shown('old', 'x'), shown('other', 'y'), update]), [['new'], ['other']]);
  });

  it('above the limit are dropped; an error is always kept', () => {
    const error: [string, Record<string, unknown>] = ['error', { ename: 'E', evalue: 'v', traceback: [] }];
    assert.deepEqual(collect([stream('x'.repeat(12)), stream('y'), shown('z'), error], 10), [
      'x'.repeat(12),
      'E',
    ]);
  });

  it('of unknown requests belong to no cell', () => {
    const collector = new OutputCollector();
    const message = {
      type: 'stream',
      content: { name: 'stdout', text: 'x' },
      metadata: {},
      parentId: 'other',
    };
    assert.equal(collector.take(message), undefined);
  });

  it('are saved as a terminal shows them, images in one piece, whatever the length of a line', () => {
    const cases: [string, string][] = [
      ['10 %\r20 %\r30 %\n', '30 %\n'],
      ['a\r\nb\r\r\nc', 'a\nb\nc'],
      ['a\rb\r', 'b\r'],
      ['\r', '\r'],
    ];
    for (const [text, folded] of cases) assert.equal(foldCarriageReturns(text), folded);
    const start = Date.now();
    assert.equal(foldCarriageReturns(`${'x'.repeat(2e6)}\r${'y'.repeat(2e6)}`).length, 2e6);
    assert.ok(Date.now() - start < 2000);
    const output: CellOutput = { output_type: 'stream', name: 'stdout', text: 'old\rnew\nmore' };
    assert.deepEqual(savedOutputs([output]), [{ ...output, text: ['new\n', 'more'] }]);
  });
});
