/** Axes that a warm-up's few high values do not press flat. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { lineSvg } from '../../lib/display/figures/line-svg';
import { robustRange } from '../../lib/display/figures/robust-range';
import { renderSamples } from '../../lib/display/output/samples';
import { lossFigure } from '../../lib/notebook/training-view';

/** A warm-up from 12, then a fall from 3 to 2. */
const losses = [12, 9, ...Array.from({ length: 38 }, (_, i) => 3 - i / 37)];

describe('the axis of a loss', () => {
  it('covers the usual range, and says what lies beyond', () => {
    const { high, above, most } = robustRange(losses);
    assert.ok(high > 3 && high < 4, `ends at ${high}`);
    assert.deepEqual([above, most], [2, 12]);
    const figure = lossFigure(losses.map((loss, step) => ({ step, epoch: 0, loss })));
    const yaxis = figure.layout?.yaxis as { title: { text: string }; range: number[] };
    assert.equal(yaxis.title.text, 'loss (nats per token); 2 above, up to 12');
    assert.ok(yaxis.range[0] < 2 && yaxis.range[1] === high);
    const svg = lineSvg({ title: 'Loss', series: [{ name: 'a', points: losses.map((y, x) => [x, y]) }] });
    assert.match(svg, />2 above the axis, up to 12</);
  });

  const whole: [what: string, values: number[]][] = [
    ['few values', [12, 3, 2, 2]],
    ['a steady fall', Array.from({ length: 40 }, (_, i) => 10 - i / 5)],
    ['equal values', Array.from({ length: 40 }, () => 2)],
    ['none', []],
    ['some that are not finite', [NaN, Infinity, ...Array.from({ length: 20 }, (_, i) => i)]],
  ];
  for (const [what, values] of whole)
    it(`covers all of ${what}`, () => assert.equal(robustRange(values).above, 0));
});

describe('samples', () => {
  it('of long texts scroll in their cells', () => {
    const { html } = renderSamples([{ question: 'word '.repeat(100), truth: 'a', answer: 'b' }]);
    assert.equal((html.match(/max-height/g) ?? []).length, 1);
  });
});
