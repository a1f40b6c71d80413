/** What is shown can be read on light and on dark pages: contrasts computed. And frames of danfojs are tables. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as danfo from 'danfojs-node';
import { styledFigure } from '../../lib/display/figures/figure';
import { notebookToHtml } from '../../lib/notebook/page';
import { renderSamples } from '../../lib/display/output/samples';
import { renderTable } from '../../lib/display/output/table';
import { makeNotebook } from '../support/make-notebook';

type Color = readonly [red: number, green: number, blue: number];

const hex = (text: string): Color => {
  const [red, green, blue] = [1, 3, 5].map((at) => Number.parseInt(text.slice(at, at + 2), 16));
  return [red, green, blue];
};

/** Relative luminance and contrast, by WCAG 2.2. */
const luminance = (color: Color): number => {
  const [red, green, blue] = color
    .map((part) => part / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};
const contrast = (a: Color, b: Color): number => {
  const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (light + 0.05) / (dark + 0.05);
};
const over = (top: Color, alpha: number, below: Color): Color => {
  const mix = (i: 0 | 1 | 2): number => alpha * top[i] + (1 - alpha) * below[i];
  return [mix(0), mix(1), mix(2)];
};

/** Pages and the colour of their text: GitHub and Jupyter light, Jupyter dark, VS Code dark, GitHub dark. */
const pages = {
  white: [hex('#ffffff'), hex('#212121')],
  black: [hex('#000000'), hex('#ffffff')],
  'Jupyter, dark': [hex('#111111'), hex('#e0e0e0')],
  'VS Code, dark': [hex('#1f1f1f'), hex('#cccccc')],
  'GitHub, dark': [hex('#0d1117'), hex('#f0f6fc')],
} as const;

describe('readable', () => {
  const { layout } = styledFigure({ data: [] });
  for (const [page, [paper, text]] of Object.entries(pages)) {
    it(`figures on ${page}`, () => {
      const { color } = layout.font as { color: string };
      assert.ok(contrast(hex(color), paper) >= 3.9, `text ${contrast(hex(color), paper).toFixed(2)}`);
      for (const line of layout.colorway as string[])
        assert.ok(contrast(hex(line), paper) >= 3, `${line}: ${contrast(hex(line), paper).toFixed(2)}`);
      assert.equal(layout.paper_bgcolor, 'rgba(0,0,0,0)');
    });

    it(`differences and the page of a run on ${page}`, () => {
      const { html } = renderSamples([{ question: 'q', truth: 'a b', answer: 'a c' }]);
      const report = notebookToHtml(makeNotebook(['1']), 't');
      const marks = [...`${html}${report}`.matchAll(/background:rgba\((\d+),(\d+),(\d+),([\d.]+)\)/g)];
      assert.ok(marks.length >= 5);
      for (const [mark, red, green, blue, alpha] of marks) {
        const behind = over([Number(red), Number(green), Number(blue)], Number(alpha), paper);
        assert.ok(contrast(text, behind) >= 4.5, `${mark}: ${contrast(text, behind).toFixed(2)}`);
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
