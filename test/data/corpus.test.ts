/** The pre-training text: seeded, varied, true where it can be checked, and free of the label maker's sentences. */
import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { raceCorpus } from '../../data/corpus/generate';
import { SAMPLE_FOLDER } from '../../data/hyrox/generate';

const documents = [...raceCorpus({ seed: 7, documents: 48000 })];
const text = documents.join('\n');

/** Asserts `holds` for every match, and that there are enough matches to mean something. */
function everyMatch(pattern: RegExp, atLeast: number, holds: (groups: string[]) => boolean): void {
  let count = 0;
  for (const match of text.matchAll(pattern)) {
    count++;
    assert.ok(holds(match.slice(1)), match[0]);
  }
  assert.ok(count >= atLeast, `${pattern} matched only ${count} times`);
}

/** All that stands between `z: ` and `, residual` in a line, both included: looked up, for a search takes 5 ms each. */
function scoresIn(line: string): string[] {
  const ends = [...line.matchAll(/, residual/g)].map(({ 0: end, index }) => index + end.length);
  return [...line.matchAll(/z: /g)].flatMap(({ index }) =>
    ends.filter((end) => end > index).map((end) => line.slice(index, end)),
  );
}

describe('raceCorpus', () => {
  it('gives the same documents for the same seed, others for another', () => {
    const take = (seed: number): string[] => [...raceCorpus({ seed, documents: 50 })];
    assert.deepEqual(take(1), take(1));
    assert.notDeepEqual(take(1), take(2));
    assert.equal(take(1).length, 50);
  });

  it('rarely repeats itself', () => {
    assert.ok(new Set(documents).size > 0.97 * documents.length, `${new Set(documents).size} distinct`);
  });

  it("holds none of the label maker's sentences, and no row of the samples", () => {
    const sentences = new Set<string>();
    let shared = 0;
    const lines = ['hyrox-sample.jsonl', 'hyrox-sample-corrected.jsonl'].flatMap((file) =>
      fs.readFileSync(path.join(SAMPLE_FOLDER, file), 'utf8').trimEnd().split('\n'),
    );
    assert.equal(lines.length, 2397 + 2395);
    const athlete = /gender: .*? (?:residual|cluster): -?\d+/g;
    const totals = new Set(text.match(athlete));
    const known = new Set(text.split('\n').flatMap(scoresIn));
    for (const line of lines) {
      const record = JSON.parse(line) as { input: string; context: string; response: string };
      const [scores] = /z: .*, residual/.exec(record.context) ?? [];
      if (scores !== undefined) assert.ok(!known.has(scores), scores);
      const [numbers = ''] = record.context.match(athlete) ?? [];
      assert.ok(numbers !== '');
      shared += totals.has(numbers) ? 1 : 0;
      sentences.add(record.input);
      for (const sentence of record.response.split(/(?<=[.!]) /)) sentences.add(sentence);
    }
    // Of hundreds of millions of possible athletes one may coincide.
    assert.ok(shared <= 1, `${shared} athletes of the samples`);
    assert.ok(sentences.size > 100);
    // One pass for the starts of all, the shortest first, as one for each sentence takes long.
    const starts = [...new Set([...sentences].map((sentence) => sentence.slice(0, 20)))]
      .sort((a, b) => a.length - b.length)
      .map((start) => start.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
    for (const { 1: start, index } of text.matchAll(new RegExp(`(?=(${starts.join('|')}))`, 'g')))
      for (const sentence of sentences)
        assert.ok(!sentence.startsWith(start) || !text.startsWith(sentence, index), sentence);
    for (const start of [
      'You performed',
      'You outperformed',
      'Compared to your cluster',
      'you may want to',
    ]) {
      assert.ok(!text.includes(start), start);
    }
  });

  it('subtracts, converts and compares correctly', () => {
    everyMatch(/^(\d+) - (\d+) = (-?\d+)$/gm, 300, ([a, b, c]) => Number(a) - Number(b) === Number(c));
    everyMatch(
      /total_time: (\d+), predicted: (\d+), residual: (-?\d+)/g,
      2000,
      ([a, b, c]) => Number(a) - Number(b) === Number(c),
    );
    everyMatch(
      /^(\d+) seconds = (\d+):(\d\d)$/gm,
      300,
      ([s, m, r]) => Number(s) === Number(m) * 60 + Number(r),
    );
    everyMatch(/^(-?\d+) > (-?\d+)$/gm, 500, ([a, b]) => Number(a) > Number(b));
    everyMatch(/^(-?\d+) is smaller than (-?\d+)\.$/gm, 100, ([a, b]) => Number(a) < Number(b));
  });

  it('says the right side of three minutes', () => {
    const limit = '(?:180 s|180 seconds|3:00|3 minutes|3 min|three minutes|three full minutes)';
    everyMatch(
      new RegExp(`: \\+?(-?\\d+)(?: -> |, )more than ${limit} behind`, 'g'),
      100,
      ([n]) => Number(n) > 180,
    );
    everyMatch(
      new RegExp(`: (-?\\d+)(?: -> |, )more than ${limit} ahead`, 'g'),
      100,
      ([n]) => Number(n) < -180,
    );
    everyMatch(
      new RegExp(`: \\+?(-?\\d+)(?: -> |, )within ${limit}(?! ?\\d)`, 'g'),
      100,
      ([n]) => Math.abs(Number(n)) <= 180,
    );
    everyMatch(/Is (-?\d+) above 180\? (Yes|No)/g, 300, ([n, said]) => Number(n) > 180 === (said === 'Yes'));
    everyMatch(
      /Is (-?\d+) below -180\? (Yes|No)/g,
      300,
      ([n, said]) => Number(n) < -180 === (said === 'Yes'),
    );
  });

  it('says the right side of a range', () => {
    everyMatch(
      /^(-?\d+) is (below|inside|above) (-?\d+) to (\d+)\.$/gm,
      50,
      ([n, place, low, high]) =>
        place === (Number(n) < Number(low) ? 'below' : Number(n) > Number(high) ? 'above' : 'inside'),
    );
    everyMatch(
      /score: ([+-]?\d+\.\d)\n\n### Response:\n(Below the range|Faster than usual|Above the range|Slow for once|Inside the range|As usual)/g,
      500,
      ([score, said]) =>
        (Number(score) <= -1 ? /^(Below|Faster)/ : Number(score) >= 1 ? /^(Above|Slow)/ : /^(In|As)/).test(
          said,
        ),
    );
  });

  it('lists the parts of a record that are above the mark, and only them', () => {
    everyMatch(
      /z: (.*), residual: .*\n\n### Response:\n(?:.*\. )?To work on: (.*)\.$/gm,
      300,
      ([scores, list]) => {
        const values = new Map(
          scores.split(', ').map((part) => {
            const [, value, name] = /^([+-]?\d\.\d) (.*?)(?: \([+-]?\d+\))?$/.exec(part) ?? [];
            return [name, Number(value)] as const;
          }),
        );
        const names = list.split(', ');
        const least = Math.min(...names.map((name) => values.get(name) ?? NaN));
        const missed = [...values].filter(([name, value]) => value >= least && !names.includes(name));
        return least > 0 && missed.length === 0;
      },
    );
    const lines = text.match(/; above \+\d\.\d: .*$/gm) ?? [];
    assert.ok(lines.some((line) => line.endsWith(': none')) && lines.length > 500, String(lines.length));
  });

  it('lists the right segments above a mark', () => {
    everyMatch(/^z: (.*)\nabove \+(\d\.\d): (.*)$/gm, 300, ([scores, mark, listed]) => {
      const slow = scores.split(', ').flatMap((part) => {
        const [, value, name] = /^([+-]?\d\.\d) (.*)$/.exec(part) ?? [];
        return Number(value) > Number(mark) ? [name] : [];
      });
      return slow.length === 0 ? /^(none|nothing)$/.test(listed) : listed === slow.join(', ');
    });
  });

  it('shows every whole number from -999 to 999 with sign, and most after "residual:"', () => {
    const seen = new Map<number, number>();
    for (const [, number] of text.matchAll(/(?<![\d:.])(-?\d{1,3})(?![\d:.]\d|\d)/g)) {
      seen.set(Number(number), (seen.get(Number(number)) ?? 0) + 1);
    }
    for (let n = -999; n <= 999; n++)
      assert.ok((seen.get(n) ?? 0) >= 5, `${n} seen ${seen.get(n) ?? 0} times`);
    const residuals = new Set(
      [...text.matchAll(/residual: (-?\d{1,3})\b/g)].map((match) => Number(match[1])),
    );
    assert.ok(residuals.size > 1500, `${residuals.size} values after "residual:"`);
  });

  it('knows the instruction layout', () => {
    const layouts = documents.filter((document) => document.startsWith('### Instruction:\n'));
    assert.ok(layouts.length > 4000);
    for (const layout of layouts) {
      assert.match(
        layout,
        /^### Instruction:\n.+\n\n### Input:\n.+\n\n### Context:\n.+\n\n### Response:\n[^\n]+$/,
      );
    }
  });
});
