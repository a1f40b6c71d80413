/** `check --untrusted`: what runs, or takes the reader elsewhere, is found in whatever shape the file is. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, describe, it } from 'node:test';
import { JSDOM } from 'jsdom';
import { checkNotebook } from '../../../lib/notebook/repair/check';
import { formatNotebook } from '../../../lib/notebook/format/nbformat';
import { isScripted, scriptsIn } from '../../../lib/notebook/format/untrusted';
import { makeNotebook, Workplace } from '../../support/make-notebook';
import { seeded } from '../repair/notebook-corpus';

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
    ['text/html', '<img title=">" src=x onerror=alert(1)>'],
    ['text/html', '<img title="<" src=x ONERROR=alert(1)>'],
    ['text/html', `<style><img title="</style><img title='>' onerror=x>">`],
    ['text/html', `<!-- <img title="--><img title='>' onerror=x>">`],
    ['text/html', '<!--><img title=">" onerror=x>-->'],
    ['text/html', '<svg><style><img src=x onerror=y></style></svg>'],
    ['text/html', '<a/href=x onclick=y>'],
    ['text/html', '<a =x onclick=y>'],
    ['text/html', '<a title=x"y onclick=y>'],
    ['text/html', '<body onload=alert(1)>'],
    ['text/html', '<input autofocus\nonfocus=alert(1)>'],
    ['text/html', '<table><tr onclick=alert(1)><td>x</table>'],
    ['text/html', '<div style="a:b"><p><scr<script>ipt>x'],
    ['image/svg+xml', '<svg><a><animate attributeName=href to="javascript:alert(1)"/></a></svg>'],
    ['image/svg+xml', '<svg><a xlink:href="javascript:alert(1)"><text>x</text></a></svg>'],
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
    ['text/html', '<p title="onclick=x &lt;script&gt;">only = once, on = off</p>'],
    ['text/html', '<textarea>b onload=alert(1)</textarea>'],
    ['text/html', '<!-- <b onload=alert(1)> --><p>a < b on = c</p>'],
    ['text/html', '<p title=\'<b onclick="x">\'>x</p><div class="onload">'],
    ['text/markdown', 'JavaScript: [a language](https://example.org), `x = on`'],
    ['text/plain', '<script>x</script>'],
  ];
  for (const [mime, value] of good)
    it(`accepts ${mime} ${value}`, () => assert.equal(scripts(mime, value), 0));

  it('is not misled by faults beside the script', () => {
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

  it('misses nothing that a browser finds', () => {
    const pieces = [
      '<img ',
      '<a',
      '<svg/',
      '<style>',
      '</style>',
      '<!--',
      '-->',
      '<!-->',
      '<textarea ',
      '</textarea',
      '>',
      '"',
      "'",
      '=',
      ' ',
      '/',
      'x',
      ' title=',
      ' onerror=y',
      ' onclick="z"',
      '<iframe>',
      '</',
      '<p>',
      '<b title="',
      "<i title='",
      '\n',
    ];
    let met = 0;
    for (let seed = 0; seed < 2000; seed++) {
      const random = seeded(seed);
      const html = Array.from({ length: 12 }, () => pieces[Math.floor(random() * pieces.length)]).join('');
      const found = [...JSDOM.fragment(html).querySelectorAll('*')].some(
        (element) =>
          element.localName === 'iframe' || element.getAttributeNames().some((name) => /^on[a-z]/.test(name)),
      );
      if (found) met++;
      if (found) assert.ok(isScripted(html), html);
    }
    assert.ok(met > 300, String(met));
  });

  it('reads long texts with odd beginnings', () => {
    for (const piece of ['<', '= ', '<a on', '&#', '<meta ', '[x](', '<div>', '<!--'])
      assert.equal(isScripted(piece.repeat(200_000)), false, piece); // hours, were it quadratic
    assert.equal(isScripted(`=${' '.repeat(1_000_000)}x`), false);
  });

  it('leaves invalid entities as they are', () => {
    assert.equal(isScripted('&#9999999; &unknown; &# &'), false);
  });
});
