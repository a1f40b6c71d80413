/** Values of the wrong kind, one by one: what takes their place, and what is left because nobody can tell. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, describe, it } from 'node:test';
import { checkNotebook } from '../../../lib/notebook/repair/check';
import { repairText } from '../../../lib/notebook/repair/repair';
import { Workplace } from '../../support/make-notebook';

type Part = Record<string, unknown>;
const code: Part = { cell_type: 'code', metadata: {}, source: 'x', execution_count: null, outputs: [] };
const text: Part = { cell_type: 'markdown', metadata: {}, source: 'x' };
const STREAM: Part = { output_type: 'stream', name: 'stdout', text: 'a' };
const shown: Part = { output_type: 'display_data', data: {}, metadata: {} };
const error: Part = { output_type: 'error', ename: 'E', evalue: 'v', traceback: [] };
const whole = (change: Part): Part => ({
  cells: [code],
  metadata: {},
  nbformat: 4,
  nbformat_minor: 4,
  ...change,
});
const cell = (change: Part): Part => whole({ cells: [text, { ...code, ...change }] });
const output = (change: Part): Part => cell({ outputs: [change] });
const metadata = (change: Part): Part => whole({ metadata: { keep: 1, ...change } });

const widget = (kind: string): string => `application/vnd.jupyter.widget-${kind}+json`;

/** A fault, the notebook with it, and what it is repaired to. */
const repaired: [name: string, broken: unknown, expected: unknown][] = [
  ['source: null', cell({ source: null }), cell({ source: [] })],
  ['source: a number', cell({ source: 5 }), cell({ source: ['5'] })],
  ['source: lines and null', cell({ source: ['a', null, 3] }), cell({ source: ['a', '3'] })],
  ['outputs: null', cell({ outputs: null }), cell({ outputs: [] })],
  ['outputs: null among them', cell({ outputs: [null, STREAM, null] }), output(STREAM)],
  ['execution_count: below 0', cell({ execution_count: -1 }), cell({})],
  ['execution_count: half', cell({ execution_count: 1.5 }), cell({})],
  ['metadata of a cell: a list', cell({ metadata: [] }), cell({})],
  [
    'tags: twice, with a comma, a number',
    cell({ metadata: { tags: ['a', 'a', 'b, c', 3] } }),
    cell({ metadata: { tags: ['a', 'b', 'c'] } }),
  ],
  ['collapsed: a text', cell({ metadata: { collapsed: 'true', keep: 1 } }), cell({ metadata: { keep: 1 } })],
  ['name of a cell: empty', cell({ metadata: { name: '' } }), cell({})],
  [
    'format of a raw cell: null',
    whole({ cells: [{ ...text, cell_type: 'raw', metadata: { format: null } }] }),
    whole({ cells: [{ ...text, cell_type: 'raw' }] }),
  ],
  ['attachments: null', whole({ cells: [{ ...text, attachments: null }] }), whole({ cells: [text] })],
  ['attachments of a code cell', cell({ attachments: {} }), cell({})],
  ['name of a stream: null', output({ ...STREAM, name: null }), output(STREAM)],
  ['text of a stream: null', output({ ...STREAM, text: null }), output({ ...STREAM, text: [] })],
  ['traceback: a text', output({ ...error, traceback: 'a' }), output({ ...error, traceback: ['a'] })],
  ['evalue: a number', output({ ...error, evalue: 1 }), output({ ...error, evalue: '1' })],
  ['evalue: an object', output({ ...error, evalue: { a: 1 } }), output({ ...error, evalue: '{"a":1}' })],
  ['ename: null', output({ ...error, ename: null }), output({ ...error, ename: '' })],
  ['data: null', output({ ...shown, data: null }), output(shown)],
  [
    'data: null and a number',
    output({ ...shown, data: { 'text/html': null, 'text/plain': 5 } }),
    output({ ...shown, data: { 'text/plain': ['5'] } }),
  ],
  [
    'data: JSON may be null',
    output({ ...shown, data: { 'application/json': null, 'text/html': null } }),
    output({ ...shown, data: { 'application/json': null } }),
  ],
  [
    'output of nbformat 3',
    output({ output_type: 'pyout', text: ['1'], png: 'AA==', prompt_number: 2 }),
    output({
      output_type: 'execute_result',
      execution_count: 2,
      data: { 'text/plain': ['1'], 'image/png': 'AA==' },
      metadata: {},
    }),
  ],
  ['error of nbformat 3', output({ output_type: 'pyerr', ename: 'E', evalue: 'v' }), output(error)],
  ['cells: null among them', whole({ cells: [null, code, null, null] }), whole({})],
  ['cell_type: missing beside outputs', whole({ cells: [{ ...code, cell_type: undefined }] }), whole({})],
  [
    'cell_type: heading',
    whole({ cells: [{ ...text, cell_type: 'heading', level: 3 }] }),
    whole({ cells: [{ ...text, source: '### x' }] }),
  ],
  ['cell_type: html', whole({ cells: [{ ...text, cell_type: 'html' }] }), whole({ cells: [text] })],
  ['metadata: null', whole({ metadata: null }), whole({})],
  ['kernelspec: without a name', metadata({ kernelspec: {} }), metadata({})],
  ['kernelspec: null', metadata({ kernelspec: null }), metadata({})],
  [
    'kernelspec: display_name null',
    metadata({ kernelspec: { name: 'k', display_name: null } }),
    metadata({ kernelspec: { name: 'k', display_name: 'k' } }),
  ],
  ['language_info: without a name', metadata({ language_info: { version: '3' } }), metadata({})],
  ['orig_nbformat: null', metadata({ orig_nbformat: null }), metadata({})],
  ['authors: a text', metadata({ authors: 'me' }), metadata({})],
  ['widgets: null', metadata({ widgets: null }), metadata({})],
  [
    'widgets: their state a list',
    metadata({ widgets: { 'application/vnd.jupyter.widget-state+json': { state: [] } } }),
    metadata({}),
  ],
  ['nbformat: in quotes', whole({ nbformat: '4' }), whole({})],
  ['nbformat: missing', whole({ nbformat: undefined }), whole({})],
  ['nbformat_minor: in quotes', whole({ nbformat_minor: '4' }), whole({})],
  ['nbformat_minor: below 0', whole({ nbformat_minor: -1 }), whole({})],
  [
    'nbformat_minor: missing, though cells have ids',
    whole({ cells: [{ ...code, id: 'a' }], nbformat_minor: undefined }),
    whole({ cells: [{ ...code, id: 'a' }], nbformat_minor: 5 }),
  ],
  [
    'widgets without state, and a view of them',
    {
      ...output({ ...shown, data: { [widget('view')]: { model_id: 'a' }, 'text/plain': 'x' } }),
      metadata: { widgets: { [widget('state')]: {} } },
    },
    output({ ...shown, data: { 'text/plain': 'x' } }),
  ],
  ['members of nobody', whole({ $schema: 'x', extra: 1 }), whole({})],
];

/** What cannot be told stays, and is said. */
const left: [name: string, broken: unknown, said: RegExp][] = [
  [
    'a cell that is a number',
    whole({ cells: [3, code] }),
    /^cell 1: expected a cell_type of code, markdown or raw, got undefined$/,
  ],
  ['a cell without a kind', whole({ cells: [{ source: 'x' }] }), /^cell 1: expected a cell_type/],
  ['a cell of an unknown kind', whole({ cells: [{ ...text, cell_type: 'sql' }] }), /got "sql"/],
  [
    'a source that is an object',
    cell({ source: { a: 1 } }),
    /^cell 2 source: must be a text or a list of texts$/,
  ],
  [
    'an output of an unknown kind',
    output({ output_type: 'update' }),
    /^cell 2, output 1: expected an output of nbformat 4, got "update"$/,
  ],
  [
    'text of an output that is an object',
    output({ ...shown, data: { 'text/plain': {} } }),
    /^cell 2, output 1 data\/text\/plain: must be a text/,
  ],
  ['no cells', whole({ cells: undefined }), /must have required property 'cells'/],
];

/** Old and foreign, and right. */
const fine: [name: string, notebook: unknown][] = [
  [
    'widgets as ipywidgets 6 left them',
    metadata({ widgets: { state: { a: { views: [] } }, version: '1.1.2' } }),
  ],
  ['no widgets at all', metadata({ widgets: {} })],
  ['keys of JavaScript', metadata({ constructor: 1, toString: {} })],
  ['scrolled: auto', cell({ metadata: { scrolled: 'auto', collapsed: false } })],
  ['JSON of any kind', output({ ...shown, data: { 'application/vnd.x+json': 5, 'application/json': 1 } })],
  ['a minor version of the future', whole({ cells: [{ ...code, id: 'a' }], nbformat_minor: 9 })],
];

describe('repair of values', { timeout: 60_000 }, () => {
  const place = new Workplace();
  after(() => place.remove());
  const check = (notebook: unknown): string[] => {
    fs.writeFileSync(place.file('values.ipynb'), JSON.stringify(notebook));
    return checkNotebook(place.file('values.ipynb'), { executed: true, types: false, untrusted: true }).map(
      ({ where, message }) => `${where}: ${message}`,
    );
  };

  for (const [name, broken, expected] of repaired)
    it(name, () => {
      assert.notDeepEqual(check(broken), [], 'check finds it');
      const result = repairText(JSON.stringify(broken, null, 1));
      assert.deepEqual(JSON.parse(result.text), JSON.parse(JSON.stringify(expected)));
      assert.deepEqual(result.left, []);
      assert.ok(result.repaired.length > 0);
      assert.deepEqual(check(JSON.parse(result.text)), []);
    });

  for (const [name, broken, said] of left)
    it(`stays: ${name}`, () => {
      const result = repairText(JSON.stringify(broken));
      assert.equal(result.left.length, 1, result.left.join('\n'));
      assert.match(result.left[0], said);
      assert.ok(check(broken).includes(result.left[0]));
    });

  it('touches nothing in a cell of an unknown kind', () => {
    const notebook = whole({ cells: [{ cell_type: 'sql', outputs: [{ output_type: 'stream' }], query: 1 }] });
    const text = JSON.stringify(notebook);
    assert.equal(repairText(text).text, text);
  });

  for (const [id, good] of [
    ['x'.repeat(64), true],
    ['x'.repeat(65), false],
    ['', false],
    ['a b', false],
    ['A_-9', true],
    [5, false],
    [null, false],
  ])
    it(`id ${JSON.stringify(id)} ${good ? 'stays' : 'is replaced'}`, () => {
      const text = JSON.stringify(whole({ cells: [{ ...code, id }], nbformat_minor: 5 }));
      const result = repairText(text);
      const { cells } = JSON.parse(result.text) as { cells: { id: unknown }[] };
      if (good) assert.deepEqual(result, { text, repaired: [], left: [] });
      else assert.match(String(cells[0].id), /^[0-9a-f]{8}$/);
      assert.deepEqual(result.left, []);
    });

  for (const [name, notebook] of fine)
    it(`is fine: ${name}`, () => {
      const text = JSON.stringify(notebook);
      assert.deepEqual(repairText(text), { text, repaired: [], left: [] });
      assert.deepEqual(check(notebook), []);
    });
});
