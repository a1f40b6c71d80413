/**
 * Each metric on cases that were worked by hand.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { exactMatch, perplexity, rougeL, supportedNumbers } from '../../lib/eval';
import {
  classifyVerdict,
  namedSegments,
  PLAIN_TEMPLATES,
  RICH_TEMPLATES,
  segmentF1,
  verdictAccuracy,
} from '../../lib/hyrox';

const SLOWER = 'You performed slower than expected by more than 3 minutes.';
const CLOSE = 'You performed close to expected levels.';
const OUTPERFORMED = 'You outperformed the model’s prediction significantly — great job!';

function close(actual: number | null, expected: number): void {
  assert.ok(actual !== null && Math.abs(actual - expected) < 1e-12, `${actual} is not ${expected}`);
}

/** An answer that names segments. */
function improve(...names: string[]): string {
  return `${CLOSE} Compared to your cluster (#4.0), you may want to improve: ${names.join(', ')}.`;
}

describe('classifyVerdict', () => {
  for (const [set, templates] of Object.entries({ plain: PLAIN_TEMPLATES, rich: RICH_TEMPLATES })) {
    it(`knows every wording of the ${set} answers`, () => {
      for (const label of ['slower', 'close', 'outperformed'] as const)
        for (const sentence of templates[label]) assert.equal(classifyVerdict(sentence), label, sentence);
    });
  }
});

describe('exactMatch', () => {
  it('counts equal texts, white space aside', () => {
    assert.equal(exactMatch(['a b', 'c', 'd', 'e'], [' a\n b ', 'c', 'D', 'e.']), 0.5);
    assert.equal(exactMatch([], []), 0);
    assert.throws(() => exactMatch(['a'], []), /expected 1 answers, one for each truth, got 0/);
  });
});

describe('rougeL', () => {
  // Lin 2004, section 3.1: reference "police killed the gunman".
  for (const [truth, answer, expected] of [
    ['police killed the gunman', 'police kill the gunman', 3 / 4],
    ['police killed the gunman', 'the gunman kill police', 2 / 4],
    // 4 in common of 5 and 6 words: 2 * 4 / 11.
    ['one two three four five', 'one two x three y five', 8 / 11],
    ['The END, of it.', 'the end of it', 1],
    ['¡Qué rápido!', 'qué RÁPIDO', 1],
    // The longest common subsequence crosses sentences, as in rouge-score's rougeL.
    ['a b. c d.', 'a b c d', 1],
    ['a', 'b', 0],
    ['a', '', 0],
    ['', '', 1],
  ] as const) {
    it(`${JSON.stringify(truth)} against ${JSON.stringify(answer)}: ${expected.toFixed(3)}`, () => {
      close(rougeL([truth], [answer]), expected);
      close(rougeL([answer], [truth]), expected);
    });
  }

  it('is the mean over answers', () => {
    close(rougeL(['a b', 'a b'], ['a b', 'c d']), 0.5);
    assert.equal(rougeL([], []), 0);
  });
});

describe('perplexity', () => {
  it('is e to the loss', () => {
    assert.equal(perplexity(0), 1);
    close(perplexity(Math.log(50257)) / 50257, 1);
    assert.throws(() => perplexity(Number.NaN), /got NaN/);
  });
});

describe('verdicts', () => {
  it('are decided by the words that come first', () => {
    assert.equal(classifyVerdict(SLOWER), 'slower');
    assert.equal(classifyVerdict(improve('1000m Row')), 'close');
    assert.equal(classifyVerdict(OUTPERFORMED), 'outperformed');
    assert.equal(classifyVerdict(`${OUTPERFORMED} ${SLOWER}`), 'outperformed');
    assert.equal(classifyVerdict('You ran.'), undefined);
    assert.equal(classifyVerdict('nobody outperformedx'), undefined);
  });

  it('accuracy and confusion; truths without a verdict do not count', () => {
    const scores = verdictAccuracy(
      [SLOWER, SLOWER, CLOSE, OUTPERFORMED, 'none here'],
      [SLOWER, CLOSE, 'silence', OUTPERFORMED, SLOWER],
    );
    assert.deepEqual(scores, {
      accuracy: 0.5,
      correct: 2,
      total: 4,
      confusion: {
        slower: { slower: 1, close: 1 },
        close: { none: 1 },
        outperformed: { outperformed: 1 },
      },
    });
    assert.equal(verdictAccuracy(['x'], ['y']).accuracy, null);
  });

  it('another domain brings its own rules', () => {
    const rules = [
      { label: 'yes', pattern: /\byes\b/i },
      { label: 'no', pattern: /\bno\b/i },
    ];
    assert.equal(verdictAccuracy(['Yes!', 'No.'], ['yes', 'yes'], rules).accuracy, 0.5);
  });
});

describe('segments', () => {
  it('are the list after the marker', () => {
    assert.deepEqual(namedSegments(improve('1000m Row', '100 Wall Balls', 'work_run_time')), [
      '1000m Row',
      '100 Wall Balls',
      'work_run_time',
    ]);
    assert.deepEqual(namedSegments(`${CLOSE} You are performing in line.`), []);
    assert.deepEqual(namedSegments('IMPROVE: a, a , , b.\nc, d'), ['a', 'b']);
    assert.deepEqual(namedSegments('improve: a, b c. Keep going, d.'), ['a', 'b c']);
    assert.deepEqual(namedSegments('improve: a, nonsense', { segments: ['a', 'b'] }), ['a']);
    assert.deepEqual(namedSegments('mejora: a; improve: b', { marker: /mejora:/ }), ['a; improve: b']);
  });

  it('micro and macro F1, by hand', () => {
    // Row: 2 hits. Ski: 1 hit, 1 missed. Push: 1 extra. Pull: 1 missed.
    const truths = [improve('Row', 'Ski'), improve('Row', 'Ski', 'Pull'), CLOSE];
    const answers = [improve('Ski', 'Row'), improve('Row', 'Push'), CLOSE];
    const scores = segmentF1(truths, answers);
    // 3 hits, 1 extra, 2 missed.
    close(scores.micro, 6 / 9);
    close(scores.microPrecision, 3 / 4);
    close(scores.microRecall, 3 / 5);
    // Row 1, Ski 2/3, Push 0, Pull 0.
    close(scores.macro, (1 + 2 / 3 + 0 + 0) / 4);
    assert.deepEqual(scores.perSegment.Ski, { f1: 2 / 3, precision: 1, recall: 0.5, support: 2 });
    assert.deepEqual(Object.keys(scores.perSegment), ['Pull', 'Push', 'Row', 'Ski']);
  });

  it('where no answer and no truth names any there is nothing to measure', () => {
    const scores = segmentF1([CLOSE], [SLOWER]);
    assert.deepEqual([scores.micro, scores.macro, scores.microRecall], [null, null, null]);
    assert.equal(segmentF1([improve('a')], [CLOSE]).micro, 0);
    assert.deepEqual(Object.keys(segmentF1([CLOSE], [improve('__proto__')]).perSegment), ['__proto__']);
  });
});

describe('supportedNumbers', () => {
  for (const [answer, context, supported, unsupported] of [
    ['cluster (#4.0)', 'cluster: 4', 1, []],
    ['You took 3407 s, predicted 3011.', 'total_time: 3407, predicted: 3010', 1, [3011]],
    ['397 and -397', 'residual: -397', 1, [397]],
    ['between 16 and 24', 'age: 16-24', 2, []],
    ['1:02:33 or 3753 or 1:05', 'time 1:02:33', 2, [65]],
    ['1,000 metres and 3.5', '1000 and 3.50', 2, []],
    ['1000m Row, Q4, 3.5km and 1,000m are names', '', 0, []],
    ['no number', '5', 0, []],
  ] as const) {
    it(`${JSON.stringify(answer)} in ${JSON.stringify(context)}`, () => {
      assert.deepEqual(supportedNumbers(answer, context), {
        supported,
        total: supported + unsupported.length,
        unsupported: [...unsupported],
      });
    });
  }

  it('ignores numbers that belong to the wording', () => {
    assert.deepEqual(supportedNumbers(SLOWER, 'x', { allowed: [3] }), {
      supported: 0,
      total: 0,
      unsupported: [],
    });
    assert.deepEqual(supportedNumbers(SLOWER, 'x').unsupported, [3]);
  });
});
