/** What is shown can be read on light and on dark pages: contrasts computed. And frames of danfojs are tables. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as danfo from 'danfojs-node';
import { lineSvg, profileSvg, waterfallSvg } from '../../lib/display';
import {
  COLORWAY,
  barFigure,
  heatmapFigure,
  histogramFigure,
  intervalFigure,
  lineFigure,
} from '../../lib/display/figures/figure';
import type { Figure } from '../../lib/display/figures/figure';
import { renderFigure } from '../../lib/display/figures/render-figure';
import { renderSamples } from '../../lib/display/output/samples';
import { renderTable } from '../../lib/display/output/table';
import { REPORT_STYLE } from '../../lib/eval/report-style';
import { PAGE_STYLE } from '../../lib/hyrox/page/page-style';
import { notebookToHtml } from '../../lib/notebook/page';
import { RUN_STYLE } from '../../lib/notebook/page/run-style';
import { makeNotebook } from '../support/make-notebook';
import { contrast, hex, over, textPairs } from './contrast';
import type { Color } from './contrast';

/** WCAG 2.2, AA: of text, and of what is no text. */
const [TEXT, MARK] = [4.5, 3];

/** Pages and the colour of their text: GitHub and Jupyter light, Jupyter dark, VS Code dark, GitHub dark. */
const pages = {
  white: [hex('#ffffff'), hex('#212121')],
  black: [hex('#000000'), hex('#ffffff')],
  'Jupyter, dark': [hex('#111111'), hex('#e0e0e0')],
  'JupyterLab, dark cells': [hex('#1e1e1e'), hex('#e0e0e0')],
  'VS Code, dark': [hex('#1f1f1f'), hex('#cccccc')],
  'GitHub, dark': [hex('#0d1117'), hex('#f0f6fc')],
} as const;

const T = { title: 'Title', x: 'x axis', y: 'y axis' };
const NAMES = ['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine'];
const sizes = NAMES.map((_, i) => 12 - i);
const SHARES = { first: { a: 0, b: 0.1, c: 0.2, d: 0.3 }, second: { a: 0.4, b: 0.5, c: 0.6, d: 0.7 } };
const inner = { labels: ['all', ...NAMES], parents: ['', ...NAMES.map(() => 'all')], values: [72, ...sizes] };
const kind = (trace: Record<string, unknown>, layout: Record<string, unknown> = {}): Figure => ({
  data: [trace],
  layout: { title: { text: 'Title' }, ...layout },
});

/** Figures of ours, and those of Plotly's kinds that write words. */
const figures: Record<string, Figure> = {
  lines: lineFigure(
    [
      { name: 'training', x: [1, 2, 3], y: [3, 2, 1] },
      { name: 'validation', x: [1, 3], y: [3, 2] },
    ],
    T,
  ),
  bars: barFigure({ one: 3, two: 2 }, T),
  histogram: histogramFigure([1, 2, 2, 3], T),
  intervals: intervalFigure({ one: { value: 0.5, low: 0.4, high: 0.6 } }, T),
  'heat map': heatmapFigure({ ...SHARES, third: { a: 0.8, b: 0.9, c: 1 } }, T),
  'bars with words': {
    data: sizes.map((size, i) => ({
      type: 'bar',
      x: [size],
      y: [NAMES[i]],
      text: [NAMES[i]],
      orientation: 'h',
    })),
    layout: { barmode: 'stack', showlegend: false },
  },
  'bars with words outside': kind({ type: 'bar', x: NAMES, y: sizes, text: NAMES, textposition: 'outside' }),
  'words as points': kind({ type: 'scatter', mode: 'text', x: sizes, y: sizes, text: NAMES }),
  pie: kind({ type: 'pie', labels: NAMES, values: sizes, textinfo: 'label+percent' }),
  box: kind({ type: 'box', y: sizes, name: 'one' }),
  violin: kind({ type: 'violin', y: sizes, name: 'one' }),
  polar: kind({ type: 'scatterpolar', r: sizes, theta: NAMES }),
  treemap: kind({ type: 'treemap', ...inner, branchvalues: 'total' }),
  sunburst: kind({ type: 'sunburst', ...inner, branchvalues: 'total' }),
  icicle: kind({ type: 'icicle', ...inner, branchvalues: 'total' }),
  funnel: kind({ type: 'funnel', y: NAMES, x: sizes, textinfo: 'value' }),
  waterfall: kind({ type: 'waterfall', x: NAMES, y: sizes, text: NAMES }),
  indicator: kind({ type: 'indicator', mode: 'number+delta', value: 3, delta: { reference: 2 } }),
  table: kind({
    type: 'table',
    header: { values: NAMES.slice(0, 3) },
    cells: { values: [['a'], ['b'], ['c']] },
  }),
  'colour bar': kind({ type: 'heatmap', z: [sizes, sizes] }),
  contours: kind({ type: 'contour', z: [sizes, [...sizes].reverse()], contours: { showlabels: true } }),
  sankey: kind({
    ...{ type: 'sankey', node: { label: ['a', 'b', 'c'] } },
    link: { source: [0, 0], target: [1, 2], value: [2, 1] },
  }),
  annotation: kind({ y: sizes }, { annotations: [{ x: 7, y: 11, text: 'here' }] }),
};

const ROWS = [
  { label: 'run', value: '51:15', share: 12, note: '+5:24', strong: true },
  { label: 'ski', value: '4:15', share: 100, note: '-0:39' },
  { label: 'row', value: '2:13', share: 50, note: '0:00' },
];
const way = {
  ...{ title: 'Way', from: { label: 'You', value: 100, text: '1:40' }, to: { label: 'Next', text: '1:10' } },
  steps: [
    { label: 'run', by: -50, text: '-0:50', strong: true },
    { label: 'row', by: 20, text: '+0:20' },
  ],
};
const LINE = { name: 'training', points: [[1, 3], [2, 2], [3, 900]] } as const; // prettier-ignore
const images: Record<string, string> = {
  'draft of lines': lineSvg(
    { title: 'Loss', series: [LINE, { ...LINE, name: 'validation' }] },
    { standalone: true },
  ),
  profile: profileSvg(
    { title: 'Profile', scale: ['slower', 'median', 'faster'], rows: ROWS },
    { standalone: true },
  ),
  'narrow profile': profileSvg(
    { title: 'Profile', scale: ['slower', 'median', 'faster'], rows: ROWS },
    { standalone: true, narrow: true },
  ),
  way: waterfallSvg(way, { standalone: true }),
};

/** What cannot be read on a dark page, in words: on a light one a figure with paper of its own is the same. */
function faint(svg: string): string[] {
  const pairs = textPairs(svg, '#111111');
  assert.ok(pairs.length > 0, 'the figure has words');
  return pairs
    .filter((pair) => pair.contrast < TEXT)
    .map(({ text, behind, contrast: least }) => `${text.join()} on ${behind.join()}: ${least.toFixed(2)}`);
}

describe('figures have words that can be read on every page', () => {
  for (const [name, figure] of Object.entries(figures))
    it(name, async () => {
      const svg = await renderFigure(figure, { format: 'svg', width: 480, height: 320 });
      assert.deepEqual(faint(svg), []);
    });
  for (const [name, svg] of Object.entries(images)) it(name, () => assert.deepEqual(faint(svg), []));
});

/** The colours that a style sheet names, on light and on dark pages. */
function themes(style: string): { light: Record<string, string>; dark: Record<string, string> } {
  const at = style.indexOf('prefers-color-scheme');
  const dark = style.slice(
    at,
    style.indexOf('} }', at) < 0 ? style.indexOf('}}', at) : style.indexOf('} }', at),
  );
  const named = (text: string): Record<string, string> =>
    Object.fromEntries(
      [...text.matchAll(/--([\w-]+): ?(#[\da-f]{3,8})/g)].map(([, name, color]) => [name, color]),
    );
  const light = named(style.slice(0, at));
  return { light, dark: { ...light, ...named(dark) } };
}

describe('pages have words that can be read in both themes', () => {
  /** The grounds and the texts of browsers: Canvas and CanvasText. */
  const canvas = { light: [hex('#ffffff'), hex('#000000')], dark: [hex('#121212'), hex('#ffffff')] } as const;
  const holds = (what: string, text: Color, ground: Color): void =>
    assert.ok(contrast(text, ground) >= TEXT, `${what}: ${contrast(text, ground).toFixed(2)}`);

  for (const theme of ['light', 'dark'] as const) {
    const [paper, ink] = canvas[theme];
    it(`the page of a run, ${theme}`, () => {
      const colors = themes(RUN_STYLE)[theme];
      const code = over(hex('#7f7f7f'), 0.12, paper);
      for (const name of ['comment', 'string', 'word', 'number']) holds(name, hex(colors[name]), code);
    });
    it(`the page of samples, ${theme}`, () => {
      const colors = themes(REPORT_STYLE)[theme];
      for (const name of ['good', 'half', 'bad', 'number']) holds(name, hex(colors[name]), paper);
      for (const name of ['extra', 'lack']) holds(name, ink, hex(colors[name]));
      holds('a wrong number among extra words', hex(colors.number), hex(colors.extra));
      holds('names of values, of the page of a training run as well', over(ink, 0.75, paper), paper);
      assert.ok(contrast(hex(colors.blue), paper) >= MARK);
    });
    it(`the page of feedback, ${theme}`, () => {
      const colors = themes(PAGE_STYLE)[theme];
      for (const ground of ['paper', 'tint'])
        for (const name of ['ink', 'soft', 'ahead', 'behind', 'middle'])
          holds(`${name} on ${ground}`, hex(colors[name]), hex(colors[ground]));
      for (const mark of ['ahead', 'behind', 'middle'])
        holds(`shares, ${mark}`, hex(colors.dot), hex(colors[mark]));
    });
  }
});

describe('readable', () => {
  for (const [page, [paper, text]] of Object.entries(pages)) {
    it(`lines on ${page}`, () => {
      for (const color of COLORWAY)
        assert.ok(contrast(hex(color), paper) >= MARK, `${color}: ${contrast(hex(color), paper).toFixed(2)}`);
    });

    it(`differences and the page of a run on ${page}`, () => {
      const { html } = renderSamples([{ question: 'q', truth: 'a b', answer: 'a c' }]);
      const report = notebookToHtml(makeNotebook(['1']), 't');
      const marks = [...`${html}${report}`.matchAll(/background:rgba\((\d+),(\d+),(\d+),([\d.]+)\)/g)];
      assert.ok(marks.length >= 5);
      for (const [mark, red, green, blue, alpha] of marks) {
        const behind = over([Number(red), Number(green), Number(blue)], Number(alpha), paper);
        assert.ok(contrast(text, behind) >= TEXT, `${mark}: ${contrast(text, behind).toFixed(2)}`);
      }
      assert.match(report, /color-scheme:light dark/);
      assert.doesNotMatch(html, /[^-]color:/, 'the text keeps the colour of the page');
    });
  }

  it('frames and series of danfojs', () => {
    const frame = new danfo.DataFrame({ name: ['a|b', 'c'], loss: [0.123456, 2], best: [true, false] });
    const { text, html } = renderTable(frame, { columns: ['loss', 'name'] });
    assert.deepEqual(text.split('\n'), ['  loss  name', '------  ----', '0.1235  a|b', '     2  c']);
    assert.equal((html.match(/<tr>/g) ?? []).length, 3);
    const series = new danfo.Series([1, 2, 3], { columns: ['steps'] });
    assert.deepEqual(renderTable(series, { maxRows: 2 }).text.split('\n'), [
      'steps',
      '-----',
      '    1',
      '    2',
      '… and 1 more row',
    ]);
  });
});
