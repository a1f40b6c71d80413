/** Display calls: plain in a terminal, rich in a kernel, escaped everywhere, figures drawn without a browser. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { inflateSync } from 'node:zlib';
import { interactiveHtml, figureText, saveFigure } from '../../lib/display/figures/plot';
import { barFigure, lineFigure, styledFigure } from '../../lib/display/figures/figure';
import type { Figure } from '../../lib/display/figures/figure';
import { wrapText } from '../../lib/display/figures/fit-text';
import { hasGlyph, textWidth } from '../../lib/display/figures/font';
import { renderFigure } from '../../lib/display/figures/render-figure';
import { encodePng } from '../../lib/display/figures/raster-canvas';
import { Session } from '../notebook/kernel/kernel-session';
import { Workplace } from '../support/make-notebook';
import { ROOT } from '../support/paths';

const library = path.join(ROOT, '.build', 'lib', 'notebook', 'index.js');
const loss = lineFigure(
  [
    { name: 'train', x: [1, 2, 3], y: [3, 2, 1.5] },
    { name: 'eval', x: [1, 3], y: [3.1, 1.8] },
  ],
  { title: 'Loss </script>', x: 'step', y: 'nats' },
);

describe('figures', { timeout: 60_000 }, () => {
  const place = new Workplace();
  after(() => place.remove());

  it('are drawn as SVG with their text, lines and colours, inside their frame', async () => {
    const svg = await renderFigure(loss, { format: 'svg', width: 600, height: 300 });
    assert.match(svg, /^<svg[^>]*width="600" height="300"/);
    for (const text of ['Loss', 'step', 'nats', 'train', 'eval']) assert.ok(svg.includes(text), text);
    assert.doesNotMatch(svg, /NaN/);
    assert.ok((svg.match(/class="js-line"/g) ?? []).length >= 2);
    // The plot takes most of the frame: a margin measured wrongly would shrink it.
    const clip = /<clipPath id="clip[^"]*xyplot"[^>]*><rect width="([\d.]+)" height="([\d.]+)"/.exec(svg);
    assert.ok(Number(clip?.[1]) > 380 && Number(clip?.[2]) > 170, `${clip?.[1]} x ${clip?.[2]}`);
  });

  it('cut off no text: long titles and legend entries wrap, more entries make a higher figure, names get room', async () => {
    const draw = async (figure: Figure): Promise<{ svg: string; height: number; legend: number[] }> => {
      const svg = await renderFigure(figure, { format: 'svg' });
      const [, x, y, width, height] = (
        /<clipPath id="legend[^"]*"><rect width="([\d.]+)" height="([\d.]+)"[^]*<g class="legend"[^>]*translate\(([\d.]+),\s*([\d.]+)\)/.exec(
          svg,
        ) ?? []
      ).map(Number);
      const total = Number(/^<svg[^>]* height="(\d+)"/.exec(svg)?.[1]);
      return { svg, height: total, legend: [x, y, width, height] };
    };
    const series = (names: string[]): Figure =>
      lineFigure(
        names.map((name, i) => ({ name, x: [1, 2], y: [i, i + 1] })),
        { title: 'T' },
      );
    const many = await draw(series(Array.from({ length: 40 }, (_, i) => `run ${i}`)));
    assert.ok(many.svg.includes('run 39'));
    const [width, height, left, top] = many.legend;
    assert.ok(height >= 40 * 19 && top + height <= many.height && left + width <= 720, String(many.legend));

    const long = 'a legend entry that is much longer than any figure can be wide, and then some more of it';
    const wide = await draw(series([long, 'short']));
    assert.equal(wide.height, 420);
    const lines = [...wide.svg.matchAll(/<tspan[^>]*class="line"[^>]*>([^<]*)</g)].map(([, text]) => text);
    assert.ok(lines.length >= 3);
    assert.equal(lines.join(' '), long);
    for (const line of lines) assert.ok(textWidth(line, 12) <= 0.33 * 720, line);
    assert.ok(wide.legend[2] + wide.legend[0] <= 720 && wide.legend[0] >= 60 + textWidth(lines[0], 12) - 40);

    const titled = await draw({ data: [{ y: [1] }], layout: { title: { text: `${long}; ${long}` } } });
    const title = [...titled.svg.matchAll(/<tspan[^>]*class="line"[^>]*>([^<]*)</g)].map(([, text]) => text);
    assert.equal(title.join(' '), `${long}; ${long}`);
    for (const line of title) assert.ok(textWidth(line, 17) <= 680, line);

    const bars = await draw(
      barFigure(
        Object.fromEntries(['aa', 'bb', 'cc', 'dd', 'a very long metric name here'].map((n) => [n, 1])),
        {
          title: 'B',
        },
      ),
    );
    const plotHeight = Number(
      /<clipPath id="clip[^"]*xyplot"[^>]*><rect[^>]* height="([\d.]+)"/.exec(bars.svg)?.[1],
    );
    const room = 420 - 50 - plotHeight;
    assert.ok(room >= 0.5 * textWidth('a very long metric name here', 12) + 20, `${room}`);
  });

  it('have lines of words, and of parts of a word that is too long', () => {
    assert.equal(wrapText('one two three', 1000, 12), 'one two three');
    assert.equal(wrapText('one two three', 60, 12), 'one two<br>three');
    assert.equal(wrapText('a<br>b c', 1000, 12), 'a<br>b c');
    const parts = wrapText('x'.repeat(50), 60, 12).split('<br>');
    assert.equal(parts.join(''), 'x'.repeat(50));
    for (const part of parts) assert.ok(textWidth(part, 12) <= 60);
    assert.equal(wrapText('', 10, 12), '');
  });

  it('are drawn as PNG with text on a machine without fonts', async () => {
    const bare = (text: string): Figure => ({
      data: [{ x: [1, 2], y: [1, 2] }],
      layout: { title: { text } },
    });
    const png = async (figure: Figure): Promise<Buffer> =>
      renderFigure(figure, { format: 'png', width: 300, height: 200 });
    const [one, other] = [await png(bare('Some title')), await png(bare('WWWWWWWWWW'))];
    assert.equal(one.subarray(1, 4).toString(), 'PNG');
    assert.equal(one.readUInt32BE(16), 600);
    assert.notDeepEqual(one, other, 'the text shows');
  });

  it('have captions in Latin, Greek and Cyrillic letters, whatever fonts the machine has', async () => {
    const draw = async (text: string): Promise<Buffer> =>
      renderFigure({ data: [], layout: { title: { text } } }, { format: 'png', width: 300, height: 200 });
    for (const text of ['Zażółć gęślą jaźń', 'Ωμέγα, ταχύτητα', 'Скорость', 'Loss ≤ 0.5 → été Ω']) {
      for (const character of text) assert.ok(hasGlyph(character), character);
      const boxes = await draw(text.replace(/\S/g, '\ue0ff'));
      assert.notDeepEqual(await draw(text), boxes, `${text}: not boxes`);
    }
    assert.ok(!hasGlyph('\ue0ff') && !hasGlyph('例'));
    assert.equal(textWidth('例', 12), 12);
  });

  const kinds: Record<string, Record<string, unknown>> = {
    bar: { x: ['a long name', 'b'], y: [1, 2] },
    histogram: { x: [1, 2, 2, 3] },
    box: { y: [1, 2, 3, 9] },
    heatmap: {
      z: [
        [1, 2],
        [3, 4],
      ],
      x: ['a', 'b'],
      y: ['c', 'd'],
    },
    pie: { labels: ['a', 'b'], values: [1, 3] },
    violin: { y: [1, 2, 2, 3] },
  };
  for (const [type, trace] of Object.entries(kinds))
    it(`of kind ${type} are drawn`, async () => {
      const svg = await renderFigure({ data: [{ type, ...trace }] }, { format: 'svg' });
      assert.match(svg, type === 'heatmap' ? /<image[^>]*data:image\/png;base64,iVBOR/ : /<path[^>]* d="M/);
    });

  it('of kinds that WebGL draws are drawn as SVG, with their points', async () => {
    for (const type of ['scattergl', 'scatterpolargl']) {
      const trace = { type, mode: 'markers', x: [1, 2, 3], y: [1, 4, 2], r: [1, 2, 3], theta: [0, 90, 180] };
      const svg = await renderFigure({ data: [trace] }, { format: 'svg' });
      assert.equal(svg.match(/<path class="point"/g)?.length, 3, type);
    }
  });

  for (const type of [
    'scatter3d',
    'surface',
    'mesh3d',
    'splom',
    'parcoords',
    'scattermap',
    'choropleth',
    'scattergeo',
  ])
    it(`of kind ${type} are refused at once: only a browser draws them`, async () => {
      const figure = { data: [{ y: [1] }, { type, x: [1], y: [1], z: [1] }] };
      const message = new RegExp(`traces of kind ${type} have no static picture`);
      await assert.rejects(renderFigure(figure, { format: 'svg' }), { name: 'TunebookError', message });
      await assert.rejects(saveFigure(figure, place.file('x.png')), message);
      assert.ok(!fs.existsSync(place.file('x.png')));
    });

  it('leave what they are given as it was, and their look can be set', () => {
    const figure: Figure = {
      data: [{ y: [1] }],
      layout: { font: { size: 20 }, title: 'T', yaxis2: { title: 'Y' } },
    };
    const before = JSON.stringify(figure);
    const { layout } = styledFigure(figure);
    assert.equal(JSON.stringify(figure), before);
    assert.deepEqual(layout.font, { family: 'Helvetica, Arial, sans-serif', size: 20, color: '#525252' });
    assert.deepEqual(layout.title, { text: 'T' });
    assert.deepEqual((layout.yaxis2 as Record<string, unknown>).title, { text: 'Y' });
    assert.equal(layout.paper_bgcolor, '#ffffff');
  });

  it('are small as interactive HTML, from which nothing in them can break out', () => {
    const html = interactiveHtml(loss);
    assert.ok(html.length < 2600, `${html.length}`);
    assert.equal(html.match(/<\/script>/g)?.length, 1);
    assert.doesNotMatch(html, /https?:\/\//);
  });

  it('are described in words where there is no screen', () => {
    assert.equal(
      figureText(loss),
      '[figure] Loss </script>\n  train: 3 values from 1.5 to 3, last 1.5\n  eval: 2 values from 1.8 to 3.1, last 1.8',
    );
  });

  it("are saved in the format of the file's extension", async () => {
    await saveFigure(loss, place.file('deep/loss.svg'));
    await saveFigure(loss, place.file('loss.json'));
    assert.match(fs.readFileSync(place.file('deep/loss.svg'), 'utf8'), /^<svg/);
    assert.deepEqual(
      JSON.parse(fs.readFileSync(place.file('loss.json'), 'utf8')),
      JSON.parse(JSON.stringify(loss)),
    );
    await assert.rejects(saveFigure(loss, place.file('loss.gif')), /\.svg, \.png or \.json/);
  });

  it('write PNG files that hold the pixels', () => {
    const pixels = Uint8ClampedArray.from([255, 0, 0, 255, 0, 255, 0, 128]);
    const png = encodePng(2, 1, pixels);
    const at = png.indexOf('IDAT');
    const data = inflateSync(png.subarray(at + 4, at + 4 + png.readUInt32BE(at - 4)));
    assert.deepEqual([...data], [0, ...pixels]);
  });
});

describe('display outside of a notebook', () => {
  it('is plain text outside of a notebook', () => {
    const script = `const nb = require(${JSON.stringify(library)});
      const bar = nb.progressBar({ total: 4, label: 'train' });
      for (let i = 1; i <= 4; i++) bar.update(i, 'loss 1.5');
      bar.finish();
      nb.showTable([{ a: 1 }]);
      nb.plot(nb.lineFigure([{ name: 'n', x: [1], y: [2] }], { title: 't' }));
      console.log(nb.isInNotebook());`;
    const { stdout } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
    assert.match(stdout, /^train ░+ 0 % · 0\/4 · 0:00\n/);
    assert.match(stdout, /a\n-\n1\n\[figure\] t\n {2}n: 1 values from 2 to 2, last 2\nfalse\n$/);
  });

  it('refuses an invalid total', () => {
    const script = `require(${JSON.stringify(library)}).progressBar({ total: 0 })`;
    const { stderr } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
    assert.match(stderr, /expected a total above 0, got 0/);
  });

  it('loads nothing heavy', () => {
    const script = `require(${JSON.stringify(library)});
      console.log(Object.keys(require.cache).filter((f) => /jsdom|plotly|zeromq|node_modules[/]typescript[/]|tslab|danfo/.test(f)).join())`;
    const { stdout } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
    assert.equal(stdout.trim(), '');
  });
});

describe('display in the kernel', { timeout: 60_000 }, () => {
  let session: Session;
  before(async () => {
    session = await Session.start();
    await session.run(`const nb = require(${JSON.stringify(library)});`);
  });
  after(() => session.kernel.shutdown());
  const outputs = (messages: { type: string; content: Record<string, unknown> }[]): [string, string[]][] =>
    messages
      .filter(({ type }) => /display|clear/.test(type))
      .map(({ type, content }) => [type, Object.keys((content.data ?? {}) as object)]);

  it('updates a progress bar in place', async () => {
    const { messages } = await session.run(
      'const bar = nb.progressBar({ total: 2, throttleMs: 0 }); bar.update(1); bar.update(2); bar.finish("done");',
    );
    assert.deepEqual(
      outputs(messages).map(([type]) => type),
      ['display_data', 'update_display_data', 'update_display_data', 'update_display_data'],
    );
    const last = messages.filter(({ type }) => type === 'update_display_data').at(-1);
    assert.match(
      String((last?.content.data as Record<string, string>)['text/plain']),
      /100 % · 2\/2 .* took 0:00 · done/,
    );
  });

  it('shows a figure twice: interactive, and static for those who run no scripts', async () => {
    const { messages, status } = await session.run(
      'await nb.plot(nb.lineFigure([{ name: "a", x: [1, 2], y: [1, 2] }], { title: "T" }));',
    );
    assert.equal(status, 'ok');
    assert.deepEqual(outputs(messages), [
      ['display_data', ['text/html', 'text/plain']],
      ['display_data', ['image/svg+xml', 'text/plain']],
    ]);
  });

  it('shows many thousands of points as pixels, at the size of the figure', async () => {
    const { messages } = await session.run(
      'const many = Array.from({ length: 8000 }, (_, i) => Math.sin(i * i));\n' +
        'await nb.plot({ data: [{ type: "scatter", mode: "markers", y: many }] }, { width: 300, height: 200 });',
    );
    assert.deepEqual(outputs(messages).at(-1), ['display_data', ['image/png', 'text/plain']]);
    const { data, metadata } = messages.filter(({ type }) => type === 'display_data').at(-1)?.content ?? {};
    const png = Buffer.from((data as Record<string, string>)['image/png'], 'base64');
    assert.equal(png.readUInt32BE(16), 600);
    assert.deepEqual(metadata, { 'image/png': { width: 300, height: 200 } });
  });

  it('says in words what has no static picture, and fails no cell', async () => {
    const { messages, status } = await session.run(
      'const solid = { data: [{ type: "scatter3d", x: [1], y: [1], z: [1] }] };\n' +
        'await nb.plot(solid); const shown = nb.livePlot(); shown.update(solid); await shown.finish();',
    );
    assert.equal(status, 'ok');
    assert.deepEqual(outputs(messages).slice(0, 2), [
      ['display_data', ['text/html', 'text/plain']],
      ['display_data', ['text/plain']],
    ]);
    for (const { content } of messages.filter(({ type }) => type === 'display_data').slice(1, 3))
      assert.match(
        (content.data as Record<string, string>)['text/plain'],
        /scatter3d have no static picture/,
      );
  });

  it('redraws a live figure in place and ends with the last state', async () => {
    const { messages } = await session.run(`const live = nb.livePlot({ throttleMs: 10 });
for (let i = 1; i < 4; i++) {
  live.update(nb.lineFigure([{ name: 'loss', x: [1, 2], y: [3, i] }], { title: 'Step ' + i }));
  await new Promise((r) => setTimeout(r, 30));
}
await live.finish();`);
    const svgs = messages
      .map(({ content }) => (content.data as Record<string, string> | undefined)?.['image/svg+xml'])
      .filter((svg) => svg !== undefined);
    assert.ok(svgs.length >= 2);
    assert.ok(svgs.at(-1)?.includes('Step 3'));
    assert.equal(outputs(messages).filter(([type]) => type === 'display_data').length, 2);
  });

  it('clears output', async () => {
    const { messages } = await session.run('nb.showHtml("<i>x</i>", "x"); nb.clearOutput(true);');
    assert.deepEqual(outputs(messages), [
      ['display_data', ['text/html', 'text/plain']],
      ['clear_output', []],
    ]);
  });
});
