/** The offline page of an executed notebook. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { JSDOM } from 'jsdom';
import { markdownToHtml, notebookToHtml } from '../../../lib/notebook/page';
import { makeNotebook } from '../../support/make-notebook';

describe('html report', () => {
  it('renders the Markdown of notebooks', () => {
    const html = markdownToHtml(
      '# A *b*\n\ntext `x<y` **bold**\nmore [l](https://e.org)\n\n- one\n- two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```ts\na < b\n```\n<b>raw</b>',
    );
    assert.equal(
      html,
      '<h1>A <em>b</em></h1>\n<p>text <code>x&lt;y</code> <strong>bold</strong>\nmore <a href="https://e.org">l</a></p>\n' +
        '<ul>\n<li>one</li>\n<li>two</li>\n</ul>\n' +
        '<table>\n<thead>\n<tr>\n<th>a</th>\n<th>b</th>\n</tr>\n</thead>\n' +
        '<tbody><tr>\n<td>1</td>\n<td>2</td>\n</tr>\n</tbody></table>\n' +
        '<pre><code class="language-ts">a &lt; b\n</code></pre>\n<p>&lt;b&gt;raw&lt;/b&gt;</p>',
    );
    for (const address of [
      'javascript:alert(1)',
      'data:text/html,x',
      'java&Tab;script:x',
      '//e.org',
      'file:///x',
    ])
      assert.doesNotMatch(markdownToHtml(`[x](${address}) <${address}> [y][r]\n\n[r]: ${address}`), /href/);
    assert.equal(markdownToHtml('[x](a/b.csv) [y](#z)'), '<p><a href="a/b.csv">x</a> <a href="#z">y</a></p>');
    assert.equal(markdownToHtml('![words](https://e.org/x.png)'), '<p>words</p>');
    assert.equal(markdownToHtml('a <img src=x onerror=y> b'), '<p>a &lt;img src=x onerror=y&gt; b</p>');
  });

  it('shows Markdown outputs rendered, and text where there is nothing else', () => {
    const notebook = makeNotebook(['1']);
    const show = (data: Record<string, unknown>): void =>
      void notebook.cells[0].outputs?.push({ output_type: 'display_data', data, metadata: {} });
    show({ 'text/markdown': '**bold** <i>x</i>', 'text/plain': 'not this' });
    show({ 'text/plain': ['a <b>\n', 'c'] });
    show({ 'image/png': 'AA\n==' });
    const html = notebookToHtml(notebook, 't');
    assert.ok(html.includes('<p><strong>bold</strong> &lt;i&gt;x&lt;/i&gt;</p>\n<pre>a &lt;b&gt;\nc</pre>'));
    assert.ok(html.includes('src="data:image/png;base64,AA=="'));
    assert.ok(!html.includes('not this'));
  });

  it('shows outputs without a script and loads nothing', () => {
    const notebook = makeNotebook(['# T', 'code < 1']);
    notebook.cells[1].outputs = [
      { output_type: 'stream', name: 'stdout', text: ['\u001b[31mred <x>\u001b[39m\n'] },
      {
        output_type: 'display_data',
        data: { 'text/html': '<script>Plotly</script>', 'text/plain': 'gone' },
        metadata: {},
      },
      {
        output_type: 'display_data',
        data: { 'image/svg+xml': ['<svg xmlns="http://www.w3.org/2000/svg"/>'] },
        metadata: {},
      },
      {
        output_type: 'display_data',
        data: { 'text/html': ['<table><tr><td>cell</td></tr></table>'] },
        metadata: {},
      },
      {
        output_type: 'display_data',
        data: { 'text/html': '<img src=x onerror=alert(1)>', 'text/plain': 'safe' },
        metadata: {},
      },
      { output_type: 'error', ename: 'E', evalue: 'v', traceback: ['\u001b[31mE\u001b[39m: v'] },
    ];
    const html = notebookToHtml(notebook, 'a<b');
    const { document } = new JSDOM(html).window;
    assert.equal(document.title, 'a<b');
    assert.equal(document.querySelectorAll('script, iframe, link').length, 0);
    assert.deepEqual(
      [...document.querySelectorAll('pre')].map((pre) => pre.textContent),
      ['code < 1', 'red <x>\n', 'safe', 'E: v'],
    );
    assert.equal(document.querySelectorAll('td')[0].textContent, 'cell');
    for (const image of document.querySelectorAll('img')) assert.match(image.src, /^data:image\//);
    assert.doesNotMatch(html, /(?:src|href)="http/);
    assert.ok(!html.includes('gone'));
  });

  const active: [string, string][] = [
    ['a script', '<b>x</b><script>alert(1)</script>'],
    ['a script in capitals', '<SCRIPT src=x></SCRIPT>'],
    ['a frame', '<iframe srcdoc="x"></iframe>'],
    ['an object', '<object data="x"></object>'],
    ['an embedded thing', '<embed src="x">'],
    ['a style sheet from elsewhere', '<link rel=stylesheet href=x>'],
    ['a handler', '<b onclick = "x()">y</b>'],
    ['a script as an address', '<a href="javascript:x()">y</a>'],
  ];
  for (const [name, markup] of active)
    it(`leaves out an output with ${name}, and shows its text`, () => {
      const notebook = makeNotebook(['1']);
      notebook.cells[0].outputs = [
        { output_type: 'display_data', data: { 'text/html': markup, 'text/plain': 'plain' }, metadata: {} },
      ];
      const html = notebookToHtml(notebook, 't');
      assert.ok(!html.includes(markup));
      assert.match(html, /<pre>plain<\/pre>/);
    });

  it('forbids what might have come through, and keeps a drawing out of the page itself', () => {
    const notebook = makeNotebook(['1']);
    const svg = '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>';
    notebook.cells[0].outputs = [
      { output_type: 'display_data', data: { 'image/svg+xml': svg }, metadata: {} },
    ];
    const { document } = new JSDOM(notebookToHtml(notebook, 't')).window;
    const policy = document.querySelector('meta[http-equiv="Content-Security-Policy"]');
    assert.equal(
      policy?.getAttribute('content'),
      "default-src 'none'; img-src data:; style-src 'unsafe-inline'",
    );
    assert.equal(document.querySelectorAll('svg, script').length, 0);
    const [, base64] = document.querySelector('img')?.src.split(',') ?? [];
    assert.equal(Buffer.from(base64, 'base64').toString(), svg);
  });
});
