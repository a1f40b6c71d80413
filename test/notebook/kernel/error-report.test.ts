/** What a front end is told of whatever a cell throws, and of what the compiler finds. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { reportFindings, reportThrown, writeStack } from '../../../lib/notebook/kernel/error-report';

const SOURCE = 'const a = 1;\nconst b = 2;\nthrow new Error("x");\nconst c = 3;\nconst d = 4;\nconst e = 5;';

/** An error with a stack as the kernel writes it. */
function thrownAt(error: Error, ...frames: string[]): Error {
  error.stack = [`${error.name}: ${error.message}`, ...frames.map((frame) => `    at ${frame}`)].join('\n');
  return error;
}

const report = (thrown: unknown): { ename: string; evalue: string; lines: string[] } => {
  const { ename, evalue, traceback } = reportThrown(thrown, (cell) => (cell === 3 ? SOURCE : undefined));
  return { ename, evalue, lines: traceback.flatMap((part) => stripVTControlCharacters(part).split('\n')) };
};

describe('an error report', () => {
  it('shows the line, two before and one after, and the frames without those of the kernel', () => {
    const error = thrownAt(
      new RangeError('x'),
      'helper (/work/helper.js:1:2)',
      'In[3]:3:7',
      'async In[2]:1:1',
      'runInThisContext (node:vm:1:2)',
      'Object.execute (/p/node_modules/tslab/dist/executor.js:1:2)',
      '/p/lib/notebook/kernel/host-cells.js:1:2',
    );
    assert.deepEqual(report(error), {
      ename: 'RangeError',
      evalue: 'x',
      lines: [
        'In[3], line 3:',
        '     1 | const a = 1;',
        '     2 | const b = 2;',
        '>    3 | throw new Error("x");',
        '               ^',
        '     4 | const c = 3;',
        'RangeError: x',
        '    at helper (/work/helper.js:1:2)',
        '    at In[3]:3:7',
        '    at async In[2]:1:1',
      ],
    });
  });

  it('shows no line of a cell that is not known, and takes colours out of the value only', () => {
    const { evalue, lines } = report(thrownAt(new Error('\u001b[31mred\u001b[39m'), 'In[9]:1:1'));
    assert.equal(evalue, 'red');
    assert.deepEqual(lines, ['Error: red', '    at In[9]:1:1']);
    const raw = reportThrown(new Error('\u001b[31mred\u001b[39m'), () => undefined).traceback.join('\n');
    assert.ok(raw.includes('\u001b[31mred\u001b[39m'));
  });

  const causes: [name: string, error: Error, expected: string[]][] = [
    ['a cause', new Error('top', { cause: thrownAt(new TypeError('below')) }), ['top', 'below']],
    ['a cause that is no error', new Error('top', { cause: { code: 5 } }), ['top', '{ code: 5 }']],
    [
      'several errors, five at most',
      new AggregateError(
        ['a', 'b', 'c', 'd', 'e', 'f'].map((text) => new Error(text)),
        'all',
      ),
      ['all', 'a', 'b', 'c', 'd', 'e'],
    ],
    [
      'causes of causes, three deep',
      [5, 4, 3, 2, 1].reduce<Error>((cause, depth) => new Error(`depth ${depth}`, { cause }), new Error('6')),
      ['depth 1', 'depth 2', 'depth 3', 'depth 4'],
    ],
  ];
  for (const [name, error, expected] of causes)
    it(`tells ${name}`, () => {
      const { lines } = report(error);
      const said = lines.filter((line) => !/^ {4}at /.test(line));
      assert.equal(said.filter((line) => line === 'caused by:').length, expected.length - 1);
      assert.deepEqual(
        said.filter((line) => line !== 'caused by:').map((line) => line.replace(/^\w*Error: /, '')),
        expected,
      );
    });

  it("shows an error's own properties", () => {
    const { lines } = report(
      thrownAt(Object.assign(new Error('no file'), { code: 'ENOENT', path: '/x', name: 'Mine' })),
    );
    assert.deepEqual(lines, ["Mine: no file { code: 'ENOENT', path: '/x' }"]);
  });

  it('ends a cycle of causes', () => {
    const error = new Error('round');
    error.cause = error;
    assert.equal(report(error).lines.filter((line) => line === 'caused by:').length, 3);
  });

  it('shows findings with their lines, and those of another file with its name only', () => {
    const { ename, evalue, traceback } = reportFindings(
      [
        { line: 1, column: 6, message: 'wrong' },
        { line: 0, column: 0, message: 'there', file: 'side.ts' },
      ],
      SOURCE,
    );
    assert.equal(ename, 'TypeScriptError');
    assert.equal(evalue, 'line 2:7: wrong\nside.ts, line 1:1: there');
    const lines = traceback.map((part) => stripVTControlCharacters(part));
    assert.deepEqual(lines, [
      'TypeScriptError: line 2:7: wrong',
      '     1 | const a = 1;',
      '>    2 | const b = 2;\n               ^',
      '     3 | throw new Error("x");',
      'TypeScriptError: side.ts, line 1:1: there',
    ]);
  });

  it('writes stacks with the cells’ own places, and ends them with the last of them', () => {
    const sites = [
      'Proxy.late (In[1]:4:5)',
      'JSON.parse (<anonymous>)',
      'async Proxy.other (In[1]:9:9)',
      'In[1]:99:1',
      'run (node:vm:1:1)',
    ].map((text) => ({ toString: () => text }) as NodeJS.CallSite);
    const stack = writeStack(new TypeError('x'), sites, (_, { line, column }) =>
      line > 50 ? undefined : { line: line - 1, column: column + 1 },
    );
    assert.equal(
      stack,
      'TypeError: x\n    at late (In[1]:3:6)\n    at JSON.parse (<anonymous>)\n    at async other (In[1]:8:10)',
    );
    assert.equal(
      writeStack(null, sites.slice(4), () => undefined),
      'Error\n    at run (node:vm:1:1)',
    );
  });
});
