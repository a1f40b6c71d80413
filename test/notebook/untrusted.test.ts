/** `check --untrusted`: what runs, or takes the reader elsewhere, is found in whatever shape the file is. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, describe, it } from 'node:test';
import { checkNotebook } from '../../lib/notebook/check';
import { formatNotebook } from '../../lib/notebook/nbformat';
import { isScripted, scriptsIn } from '../../lib/notebook/untrusted';
import { makeNotebook, Workplace } from './make-notebook';

describe('check --untrusted', () => {
  const place = new Workplace();
  after(() => place.remove());
  /** Findings in an output and in a Markdown cell. */
  const scripts = (mime: string, value: string, markdown = ''): number => {
    const notebook = makeNotebook(['1', `# ${markdown}`]);
    notebook.cells[0].outputs = [{ output_type: 'display_data', data: { [mime]: [value] }, metadata: {} }];
    const file = place.file('u.ipynb');
    fs.writeFileSync(file, formatNotebook(notebook));
    const options = { executed: true, types: false };
    assert.deepEqual(checkNotebook(file, options), [], 'only where it is asked for');
    return checkNotebook(file, { ...options, untrusted: true }).length;
  };

  const bad: [mime: string, value: string][] = [
    ['text/html', '<script>x</script>'],
    ['text/html', '<img src=x onerror=alert(1)>'],
    ['text/html', '<svg/onload=alert(1)>'],
    ['text/html', '<img src="x"onerror=alert(1)>'],
    ['text/html', '<a href=" javascript:x">x</a>'],
    ['text/html', "<a href='JavaScript:x'>x</a>"],
    ['text/html', '<a href="java\tscript:x">x</a>'],
    ['text/html', '<a href="&#106;avascript&colon;x">x</a>'],
    ['text/html', '<a href="&#x6A;avascript:x">x</a>'],
    ['text/html', '<a href="java&Tab;script:x">x</a>'],
    ['text/html', '<a href="data:text/html,<b>">x</a>'],
    ['text/html', '<button formaction="javascript:x">x</button>'],
    ['text/html', '<form action="https://example.org"><input name="password"></form>'],
    ['text/html', '<meta http-equiv="refresh" content="0;url=//e">'],
    ['text/html', '<iframe srcdoc="x">'],
    ['text/html', '<base href="//e">'],
    ['image/svg+xml', '<svg><script/></svg>'],
    ['text/markdown', '<script>x</script>'],
    ['text/markdown', '[x](javascript:alert(1))'],
    ['text/markdown', '<javascript:alert(1)>'],
    ['text/markdown', '[x]: javascript:alert(1)'],
    ['text/latex', '$\\href{javascript:alert(1)}{x}$'],
    ['application/javascript', 'x'],
    ['application/vnd.bokehjs_exec.v0+json', 'x'],
  ];
  for (const [mime, value] of bad)
    it(`reports ${mime} ${value}`, () => assert.equal(scripts(mime, value), 1));

  it('reports text cells', () => {
    assert.equal(scripts('text/plain', '<script>', '<script>x</script>'), 1);
    assert.equal(scripts('text/plain', 'x', '[x](javascript:x)'), 1);
  });

  const good: [mime: string, value: string][] = [
    ['text/html', '<p>epoch one = 2, javascript: a language</p>'],
    ['text/html', '<table><tr><td style="text-align:right">if (a &lt; b) onload</td></tr></table>'],
    ['text/html', '<a href="https://example.org/javascript">x</a> <img src="data:image/png;base64,AA==">'],
    ['text/html', '<style>td { color: red }</style>'],
    ['text/markdown', 'JavaScript: [a language](https://example.org), `x = on`'],
    ['text/plain', '<script>x</script>'],
  ];
  for (const [mime, value] of good)
    it(`is content with ${mime} ${value}`, () => assert.equal(scripts(mime, value), 0));

  it('is not led astray by faults beside the script', () => {
    const cells = [
      null,
      { outputs: [null, { data: { 'text/html': '<script>' } }] },
      { source: ['<scr', 'ipt>'] },
    ];
    assert.deepEqual(
      scriptsIn({ cells }).map(({ where }) => where),
      ['cell 2', 'cell 3'],
    );
    fs.writeFileSync(place.file('u.ipynb'), JSON.stringify({ nbformat: 4, cells }));
    const found = checkNotebook(place.file('u.ipynb'), { untrusted: true }).map(({ message }) => message);
    assert.equal(found.filter((message) => message.includes('script')).length, 2);
    for (const odd of [null, 1, 'x', [], { cells: 3 }, { metadata: [] }])
      assert.deepEqual(scriptsIn(odd), []);
  });

  it('looks into the state of widgets', () => {
    const state = { a: { model_name: 'HTMLModel', state: { value: '<img src=x onerror=alert(1)>' } } };
    const widgets = { 'application/vnd.jupyter.widget-state+json': { state } };
    assert.deepEqual(
      scriptsIn({ cells: [], metadata: { widgets } }).map(({ where }) => where),
      ['metadata.widgets'],
    );
  });

  it('reads entities that are none as they stand', () => {
    assert.equal(isScripted('&#9999999; &unknown; &# &'), false);
  });
});
