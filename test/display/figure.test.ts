/** The short ways to figures, what they become, and the room that their texts get. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  barFigure,
  figureTitle,
  heatmapFigure,
  histogramFigure,
  intervalFigure,
  lineFigure,
  styledFigure,
} from '../../lib/display/figures/figure';
import type { Figure } from '../../lib/display/figures/figure';
import { fitTexts } from '../../lib/display/figures/fit-text';
import { textWidth } from '../../lib/display/figures/font';
import { renderFigure } from '../../lib/display/figures/render-figure';

const series = (name: string, length: number): { name: string; x: number[]; y: number[] } => {
  const x = Array.from({ length }, (_, i) => i);
  return { name, x, y: x };
};

describe('figures in short', () => {
  it('lines: points are marked while they are few, names are shown where there are several', () => {
    const one = lineFigure([series('a', 39)], { title: 'T' });
    assert.equal(one.data[0].mode, 'lines+markers');
    assert.equal(one.layout?.showlegend, false);
    const two = lineFigure([series('a', 40), series('b', 2)], { title: 'T' });
    assert.deepEqual(
      two.data.map(({ mode }) => mode),
      ['lines', 'lines+markers'],
    );
    assert.equal(two.layout?.showlegend, true);
  });

  it('axes: titles where they are given, a logarithm where it is asked for', () => {
    const plain = barFigure({ a: 1, b: 2 }, { title: 'T' });
    assert.deepEqual(plain.data[0], { type: 'bar', x: ['a', 'b'], y: [1, 2] });
    assert.deepEqual(plain.layout, { title: { text: 'T' }, xaxis: {}, yaxis: {} });
    const full = barFigure({}, { title: 'T', x: 'X', y: 'Y', logY: true });
    assert.deepEqual(full.layout?.xaxis, { title: { text: 'X' } });
    assert.deepEqual(full.layout?.yaxis, { title: { text: 'Y' }, type: 'log' });
  });

  it('histograms: thirty classes, or as many as are asked for', () => {
    assert.equal(histogramFigure([1], { title: 'T' }).data[0].nbinsx, 30);
    assert.equal(histogramFigure([1], { title: 'T' }, 7).data[0].nbinsx, 7);
  });

  it('intervals: show how far a value may lie to each side', () => {
    const { data } = intervalFigure({ a: { value: 0.5, low: 0.4, high: 0.75 } }, { title: 'T' });
    const { array, arrayminus } = data[0].error_y as { array: number[]; arrayminus: number[] };
    assert.deepEqual([data[0].y, array], [[0.5], [0.25]]);
    assert.ok(Math.abs(arrayminus[0] - 0.1) < 1e-12, String(arrayminus[0]));
  });

  it('heat maps: shares in percent, the first row at the top, what is missing left empty', async () => {
    const figure = heatmapFigure({ first: { a: 0, b: 1 }, second: { b: 0.346 } }, { title: 'T' });
    const [{ x, y, z, text }] = figure.data;
    assert.deepEqual([x, y], [['a', 'b'], ['first', 'second']]); // prettier-ignore
    assert.deepEqual(z, [[0, 1], [null, 0.346]]); // prettier-ignore
    assert.deepEqual(text, [['0 %', '100 %'], ['', '35 %']]); // prettier-ignore
    const svg = await renderFigure(figure, { format: 'svg' });
    const heights = ['100 %', '35 %'].map((share) =>
      Number(new RegExp(`y="([\\d.]+)"[^>]*>${share}<`).exec(svg)?.[1]),
    );
    assert.ok(
      heights[0] < heights[1],
      `expected the first row above the second, got ${heights.join(' and ')}`,
    );
  });

  it('have a title in words', () => {
    assert.equal(figureTitle({ data: [], layout: { title: 'T' } }), 'T');
    assert.equal(figureTitle({ data: [], layout: { title: { text: 'U' } } }), 'U');
    assert.equal(figureTitle({ data: [{ type: 'pie' }] }), 'pie figure');
    assert.equal(figureTitle({ data: [] }), 'line figure');
  });

  it('take the requested size first, then their own, then the default', () => {
    const size = (figure: Figure, asked = {}): unknown[] => {
      const { layout } = styledFigure(figure, asked);
      return [layout.width, layout.height];
    };
    assert.deepEqual(size({ data: [] }), [720, 420]);
    assert.deepEqual(size({ data: [], layout: { width: 300 } }), [300, 420]);
    const own = { data: [], layout: { width: 300, height: 200 } };
    assert.deepEqual(size(own, { width: 200, height: 100 }), [200, 100]);
    assert.deepEqual(size(own), [300, 200]);
  });
});

describe('room for texts', () => {
  // DejaVu Sans at 100 px, measured by a browser; Helvetica is narrower.
  const widths: [text: string, width: number][] = [
    ['training', 387],
    ['validation', 492],
    ['loss (nats per token)', 1028],
    ['Segments, micro F1: 42.4 %', 1414],
    ['WARMUP', 451],
    ['0123456789', 636],
  ];
  for (const [text, width] of widths)
    it(`is enough for a wide face, and not much more: ${text}`, () => {
      const share = textWidth(text, 100) / width;
      assert.ok(share > 0.96 && share < 1.15, String(share));
    });

  it('is left for a legend where one is shown', () => {
    const many = Array.from({ length: 40 }, (_, i) => ({ name: `run ${i}`, y: [i] }));
    const height = (figure: Figure): number | undefined => fitTexts(figure).size.height;
    assert.ok(Number(height({ data: many })) > 600);
    assert.equal(height({ data: many, layout: { showlegend: false } }), undefined);
    assert.equal(height({ data: many.map((trace) => ({ ...trace, showlegend: false })) }), undefined);
    const hidden = many.map((trace, i) => ({ ...trace, showlegend: i < 2 }));
    assert.equal(height({ data: hidden }), undefined);
  });

  it('is the same whether figures are drawn one after another or concurrently', async () => {
    const figures = [1, 2, 3, 4].map((n) => lineFigure([series(`s${n}`, 5 * n)], { title: `Figure ${n}` }));
    const draw = (figure: Figure, i: number): Promise<string> =>
      renderFigure(figure, { format: 'svg', width: 300 + 50 * i });
    const plain = (svg: string): string =>
      svg.replace(/(?:clip|legend|trace|g|topdefs-|defs-)[0-9a-f]{6}/g, '-');
    const together = await Promise.all(figures.map(draw));
    for (const [i, figure] of figures.entries())
      assert.equal(plain(together[i]), plain(await draw(figure, i)), `figure ${i + 1}`);
  });
});
