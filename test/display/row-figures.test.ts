/** Figures of rows: where dots and bars stand, what is said of them, valid and self-contained in both widths. */
import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { JSDOM } from 'jsdom';
import { profileSvg, standing, svgToPng, waterfallSvg } from '../../lib/display';
import type { ProfileFigure, WaterfallFigure } from '../../lib/display';

const PROFILE: ProfileFigure = {
  title: 'Profile: run 12 %; <ski> 88 %',
  scale: ['slower', 'median', 'faster'],
  rows: [
    { label: 'run', value: '51:15', share: 12, note: '+5:24', strong: true },
    { label: '<ski>', value: '4:15', share: 88, note: '−0:39' },
    { label: 'a name that is far too long for its place', value: '2:13', share: 50, note: '0:00' },
  ],
};
const WAY: WaterfallFigure = {
  title: 'From 100 to 70',
  from: { label: 'You', value: 100, text: '1:40' },
  steps: [
    { label: 'run', by: -50, text: '−0:50', strong: true },
    { label: 'row', by: 20, text: '+0:20' },
  ],
  to: { label: 'Next', text: '1:10' },
};
const read = (svg: string): Document => new JSDOM(svg, { contentType: 'image/svg+xml' }).window.document;
const numbers = (elements: Iterable<Element>, name: string): number[] =>
  [...elements].map((element) => Number(element.getAttribute(name)));

for (const narrow of [false, true])
  describe(narrow ? 'narrow figures' : 'wide figures', () => {
    it('a profile places each dot by its share, better to the right', () => {
      const document = read(profileSvg(PROFILE, { narrow }));
      const track = document.querySelector('.track');
      const [from, to] = [Number(track?.getAttribute('x1')), Number(track?.getAttribute('x2'))];
      const at = numbers(document.querySelectorAll('.dot'), 'cx');
      [12, 88, 50].forEach((share, i) =>
        assert.ok(Math.abs(at[i] - (from + ((to - from) * share) / 100)) < 0.06),
      );
      assert.deepEqual(
        [...document.querySelectorAll('g')].map((g) => g.getAttribute('class')),
        ['row behind strong', 'row ahead', 'row middle'],
      );
      assert.deepEqual(
        [...document.querySelectorAll('.share')].map((text) => text.textContent),
        ['12', '88', '50'],
      );
    });

    it('a waterfall goes to the right where it gets better, and each step begins where the last one ended', () => {
      const document = read(waterfallSvg(WAY, { narrow }));
      const [run, row] = [...document.querySelectorAll('.bar')];
      const [start, end] = numbers(document.querySelectorAll('.end .dot'), 'cx');
      const [left, width] = [Number(run.getAttribute('x')), Number(run.getAttribute('width'))];
      assert.equal(left, start);
      const [back, less] = [Number(row.getAttribute('x')), Number(row.getAttribute('width'))];
      assert.ok(
        Math.abs(back + less - (left + width)) < 0.11,
        'the second step begins at the end of the first',
      );
      assert.ok(Math.abs(less / width - 20 / 50) < 0.01);
      assert.ok(Math.abs(back - end) < 0.11);
      assert.deepEqual(
        [...document.querySelectorAll('.end .value')].map((text) => text.textContent),
        ['1:40', '1:10'],
      );
    });

    it('all words stay within the frame, long ones are shortened, markup is escaped', () => {
      for (const svg of [profileSvg(PROFILE, { narrow }), waterfallSvg(WAY, { narrow })]) {
        const document = read(svg);
        const { documentElement: root } = document;
        assert.equal(root.getAttribute('role'), 'img');
        assert.match(
          root.getAttribute('aria-label') ?? '',
          /^(Profile: run 12 %; <ski> 88 %|From 100 to 70)$/,
        );
        const [, , width, height] = (root.getAttribute('viewBox') ?? '').split(' ').map(Number);
        for (const x of numbers(document.querySelectorAll('text'), 'x')) assert.ok(x >= 0 && x <= width);
        for (const y of numbers(document.querySelectorAll('text'), 'y')) assert.ok(y > 0 && y < height);
        assert.doesNotMatch(svg, /href|url\(|<script|<style/);
      }
      assert.match(profileSvg(PROFILE, { narrow }), /a name that is far too…|a name that is far to…/);
    });

    it('stands alone as an image', () => {
      const png = svgToPng(profileSvg(PROFILE, { narrow, standalone: true }), { scale: 1 });
      assert.equal(png.readUInt32BE(16), narrow ? 350 : 680);
    });
  });

describe('standing', () => {
  it('is ahead from 60 %, behind up to 40 %', () => {
    assert.deepEqual([100, 60, 59, 41, 40, 0].map(standing), [
      'ahead',
      'ahead',
      'middle',
      'middle',
      'behind',
      'behind',
    ]);
  });
});
