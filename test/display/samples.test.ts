/** Differences of two texts, and samples beside the truth: in a terminal, in Jupyter, and behind GitHub's filter. */
import assert from 'node:assert/strict';
import { JSDOM } from 'jsdom';
import { describe, it } from 'node:test';
import { diffWords } from '../../lib/display/output/diff';
import { renderDiff, renderSamples } from '../../lib/display/output/samples';
import { asGithub } from './github-filter';
import { seeded } from '../notebook/repair/notebook-corpus';

/** The changes of a comparison as a terminal shows them. */
const changes = (expected: string, actual: string): string => renderDiff(expected, actual).text;

describe('differences', () => {
  it('are found word by word, and put together again give both texts', () => {
    const [expected, actual] = ['You were slow. Improve: a, b.', 'You were fast. Improve: a, b, c.'];
    const parts = diffWords(expected, actual);
    const join = (...kinds: string[]): string =>
      parts
        .filter(({ kind }) => kinds.includes(kind))
        .map(({ text }) => text)
        .join('');
    assert.equal(join('same', 'missing'), expected);
    assert.equal(join('same', 'extra'), actual);
    assert.equal(join('missing'), 'slow');
    assert.equal(join('extra'), 'fast, c');
  });

  it('are shown as phrases where only blanks are common', () => {
    assert.deepEqual(diffWords('You ran close to plan.', 'You beat the plan.'), [
      { kind: 'same', text: 'You ' },
      { kind: 'missing', text: 'ran close to' },
      { kind: 'extra', text: 'beat the' },
      { kind: 'same', text: ' plan.' },
    ]);
  });

  it('are marked in samples, which are escaped', () => {
    const { html, text } = renderSamples([
      { question: '<q>', truth: 'a b', answer: 'a c' },
      { question: 'r', truth: 'same', answer: ' same ' },
    ]);
    assert.ok(html.includes('&lt;q&gt;') && html.includes('line-through">b</del>'));
    assert.ok(
      text.includes('✗ question: <q>') && text.includes('[-b-]{+c+}') && text.includes('✓ question: r'),
    );
  });

  const pairs: [expected: string, actual: string, shown: string][] = [
    ['', '', ''],
    ['a', '', '[-a-]'],
    ['', 'a b', '{+a b+}'],
    ['same text', 'same text', 'same text'],
    ['Er lief größer an.', 'Er lief größter an.', 'Er lief [-größer-]{+größter+} an.'],
    ['走得太慢了', '走得太快了', '走得太[-慢-]{+快+}了'],
    ['one.\ntwo.', 'one.', 'one.[-\ntwo.-]'],
    ['a  b', 'a b', 'a[-  -]{+ +}b'],
    ['x_1 = 2', 'x_2 = 2', '[-x_1-]{+x_2+} = 2'],
  ];
  for (const [expected, actual, shown] of pairs)
    it(`of ${JSON.stringify(expected)} and ${JSON.stringify(actual)}`, () =>
      assert.equal(changes(expected, actual), shown));

  it('give both texts back, whatever they are', () => {
    const signs = ['a', 'bb', ' ', '\n', 'é', '例', '.', '😀', '\u0301'];
    for (let seed = 0; seed < 300; seed++) {
      const random = seeded(seed);
      const make = (): string =>
        Array.from(
          { length: Math.floor(random() * 12) },
          () => signs[Math.floor(random() * signs.length)],
        ).join('');
      const [expected, actual] = [make(), make()];
      const parts = diffWords(expected, actual);
      const without = (kind: string): string =>
        parts
          .filter((part) => part.kind !== kind)
          .map(({ text }) => text)
          .join('');
      assert.equal(without('extra'), expected, `seed ${seed}`);
      assert.equal(without('missing'), actual, `seed ${seed}`);
      parts.forEach(({ kind, text }, i) =>
        assert.ok(text !== '' && kind !== parts[i - 1]?.kind, `seed ${seed}`),
      );
    }
  });

  it('of texts with many thousands of words need no table of their pairs', () => {
    const long = Array.from({ length: 60_000 }, (_, i) => `w${i}`).join(' ');
    assert.deepEqual(
      diffWords(`${long} a ${long}`, `${long} b ${long}`).map(({ kind, text }) => [kind, text.length]),
      [
        ['same', long.length + 1],
        ['missing', 1],
        ['extra', 1],
        ['same', long.length + 1],
      ],
    );
    const other = Array.from({ length: 60_000 }, (_, i) => `v${i}`).join(' ');
    assert.deepEqual(
      diffWords(`x ${long}`, `x ${other}`).map(({ kind }) => kind),
      ['same', 'missing', 'extra'],
    );
  });

  it('stay readable behind the filter of GitHub, line by line', () => {
    const { html } = renderDiff('You were slow.\nRest.', 'You were fast.\nRest.');
    const { document } = asGithub(html);
    assert.equal(document.querySelector('del')?.textContent, 'slow');
    assert.equal(document.querySelector('ins')?.textContent, 'fast');
    assert.equal(document.querySelectorAll('br').length, 1);
    const samples = asGithub(renderSamples([{ question: 'a\nb', truth: 'x y', answer: 'x z' }]).html);
    const cells = [...samples.document.querySelectorAll('td')].map((cell) => cell.innerHTML);
    assert.deepEqual(cells, ['✗', 'a<br>b', 'x y', 'x <del>y</del> <ins>z</ins>']);
  });
});

describe('samples', () => {
  const sample = { question: 'q', truth: 't', answer: 't ' };

  it('are right where they say so, or where the texts are equal but for blanks around', () => {
    const first = (text: string): string => text.slice(0, 1);
    assert.equal(first(renderSamples([sample]).text), '✓');
    assert.equal(first(renderSamples([{ ...sample, correct: false }]).text), '✗');
    assert.equal(first(renderSamples([{ ...sample, answer: 'u', correct: true }]).text), '✓');
  });

  it('are counted where they are many, under their caption', () => {
    const { text, html } = renderSamples([sample, sample, sample], { maxRows: 1, caption: 'A <caption>' });
    assert.match(text, /^A <caption>\n\n✓ question: q\n {2}truth: {4}t\n {2}answer: {3}t \n\n… and 2 more$/);
    assert.match(html, /<caption[^>]*>A &lt;caption&gt;<\/caption>/);
    assert.equal((html.match(/<tr>/g) ?? []).length, 2);
    assert.match(html, /<p>… and 2 more<\/p>$/);
  });

  it('are low: a long text scrolls in its cell, a short one stands as it is', () => {
    const long = 'word '.repeat(40);
    const { html } = renderSamples([{ question: long, truth: 'short', answer: long }]);
    const { document } = new JSDOM(html).window;
    const heights = [...document.querySelectorAll('td')].map((cell) => {
      const box = cell.querySelector('div');
      return box && [box.style.maxHeight, box.style.overflow];
    });
    assert.deepEqual(heights, [null, ['8.5em', 'auto'], null, ['8.5em', 'auto']]);
  });

  it('show no control characters to a terminal', () => {
    const { text } = renderSamples([{ question: '\u001b[2J', truth: 'a', answer: 'b\u0007' }]);
    assert.doesNotMatch(text, /[\u0007\u001b]/);
    assert.match(text, /question: ␛\[2J\n.*\n {2}answer: {3}b␇\n {2}changes: {2}\[-a-\]\{\+b␇\+\}/);
  });
});
