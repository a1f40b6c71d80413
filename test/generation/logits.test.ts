/**
 * Logits to tokens: transformers' processors (test/golden/generation, generator beside it), distributions worked
 * by hand, and draws counted over many seeds.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import {
  allowOnly,
  candidates,
  draw,
  forbid,
  largest,
  mostLikely,
  penalizeRepetition,
} from '../../lib/generation/logits';
import type { Candidates, Shaping } from '../../lib/generation/logits';
import { uniformAt } from '../../lib/random';
import { ROOT } from '../support/paths';

interface GoldenCase {
  options: Partial<Shaping> & { repetitionPenalty?: number };
  logits: number[];
  before: number[];
  tokens: number[];
  probabilities: number[];
}
const GOLDEN = path.join(ROOT, 'test', 'golden', 'generation', 'golden.json');
const { cases } = JSON.parse(readFileSync(GOLDEN, 'utf8')) as { cases: GoldenCase[] };

const NEUTRAL: Shaping = { temperature: 1, topK: 0, topP: 1 };

/** Logits whose softmax is the given probabilities. */
function logitsOf(...probabilities: number[]): Float32Array {
  return Float32Array.from(probabilities, (p) => Math.log(p));
}

function assertDistribution(
  actual: Candidates,
  tokens: number[],
  probabilities: number[],
  near: number,
): void {
  assert.deepEqual([...actual.tokens], tokens);
  probabilities.forEach((p, i) => {
    const difference = Math.abs(actual.probabilities[i] - p);
    assert.ok(difference <= near, `token ${tokens[i]}: ${actual.probabilities[i]}, expected ${p}`);
  });
}

for (const [i, { options, logits, before, tokens, probabilities }] of cases.entries()) {
  test(`as transformers: case ${i}, ${JSON.stringify(options)}`, () => {
    const { repetitionPenalty, ...shaping } = options;
    const row = Float32Array.from(logits);
    if (repetitionPenalty !== undefined) penalizeRepetition(row, new Set(before), repetitionPenalty);
    assertDistribution(candidates(row, { ...NEUTRAL, ...shaping }), tokens, probabilities, 1e-6);
  });
}

const PREFIX = path.join(ROOT, 'test', 'golden', 'generation', 'golden-prefix.json');
const prefix = JSON.parse(readFileSync(PREFIX, 'utf8')) as { cases: GoldenCase[] };
for (const { options, logits, before, tokens, probabilities } of prefix.cases) {
  test(`as transformers, restricted: ${JSON.stringify(options)}`, () => {
    const { repetitionPenalty, ...shaping } = options;
    const row = Float32Array.from(logits);
    if (repetitionPenalty !== undefined) penalizeRepetition(row, new Set(before), repetitionPenalty);
    const last = before[before.length - 1];
    const allowed = logits.flatMap((_, token) => (token % 7 === last % 7 ? [token] : []));
    assert.ok(allowOnly(row, allowed));
    const { tokens: left, probabilities: shares } = candidates(row, { ...NEUTRAL, ...shaping });
    const drawn = [...left.keys()].filter((i) => shares[i] > 0);
    assert.deepEqual(
      drawn.map((i) => left[i]),
      tokens,
    );
    drawn.forEach((i, at) => assert.ok(Math.abs(shares[i] - probabilities[at]) <= 1e-6));
  });
}

test('by hand: temperature squares, top-k cuts, top-p cuts', () => {
  const logits = logitsOf(0.4, 0.1, 0.3, 0.2);
  // At temperature 1/2 probabilities go as their squares: 16, 1, 9, 4 of 30.
  const sharp = candidates(logits, { ...NEUTRAL, temperature: 0.5 });
  assertDistribution(sharp, [0, 1, 2, 3], [16 / 30, 1 / 30, 9 / 30, 4 / 30], 1e-6);
  assertDistribution(candidates(logits, { ...NEUTRAL, topK: 2 }), [0, 2], [4 / 7, 3 / 7], 1e-6);
  // 0.4 + 0.3 is the first sum to reach 0.6; 0.4 alone reaches 0.35.
  assertDistribution(candidates(logits, { ...NEUTRAL, topP: 0.6 }), [0, 2], [4 / 7, 3 / 7], 1e-6);
  assertDistribution(candidates(logits, { ...NEUTRAL, topP: 0.35 }), [0], [1], 1e-6);
  // Top-k first: among 4/7 and 3/7 the first alone reaches 0.5, which it would not among all four.
  assertDistribution(candidates(logits, { temperature: 1, topK: 2, topP: 0.5 }), [0], [1], 1e-6);
  assertDistribution(candidates(logits, { ...NEUTRAL, topK: 9 }), [0, 1, 2, 3], [0.4, 0.1, 0.3, 0.2], 1e-6);
});

test('by hand: equals', () => {
  const flat = new Float32Array(8).fill(1.5);
  // transformers keeps every equal of the k-th; of a nucleus, as many as it takes.
  assert.equal(candidates(flat, { ...NEUTRAL, topK: 3 }).tokens.length, 8);
  assert.deepEqual([...candidates(flat, { ...NEUTRAL, topP: 0.5 }).tokens], [0, 1, 2, 3]);
  assert.equal(mostLikely(Float32Array.of(1, 3, 3, 2)), 1);
});

test('by hand: the penalty divides positive logits and multiplies negative ones; forbidden tokens are never drawn', () => {
  const logits = Float32Array.of(2, -2, 1, -1);
  penalizeRepetition(logits, new Set([0, 1]), 2);
  assert.deepEqual([...logits], [1, -4, 1, -1]);
  forbid(logits, [0, 2]);
  assert.equal(mostLikely(logits), 3);
  const left = candidates(logits, NEUTRAL);
  assert.deepEqual([left.probabilities[0], left.probabilities[2]], [0, 0]);
  assert.equal(draw(left, 0), 1);
});

test('refuses logits that are all NaN', () => {
  assert.throws(() => mostLikely(new Float32Array(4).fill(NaN)), /expected logits that are numbers/);
  assert.throws(() => candidates(new Float32Array(4).fill(NaN), NEUTRAL), /expected logits that are numbers/);
});

test('the k-th largest, against sorting', () => {
  for (const size of [1, 2, 7, 100, 5000]) {
    const values = Float32Array.from({ length: size }, (_, i) => Math.floor(uniformAt(1, size, i) * 300) / 7);
    const sorted = values.slice().sort().reverse();
    for (const k of new Set([1, 2, 3, 50, size])) {
      if (k <= size) assert.equal(largest(values, k), sorted[k - 1]);
    }
  }
});

test('nucleus of a large vocabulary, against sorting', () => {
  for (const [spread, topP] of [
    [0.2, 0.9],
    [2, 0.5],
    [8, 0.95],
    [0, 0.25],
  ]) {
    const logits = Float32Array.from(
      { length: 20000 },
      (_, i) => spread * Math.log(uniformAt(2, 0, i) + 1e-6),
    );
    const all = candidates(logits, NEUTRAL).probabilities;
    const order = [...all.keys()].sort((a, b) => all[b] - all[a] || a - b);
    let [count, mass] = [0, 0];
    while (mass < topP) mass += all[order[count++]];
    // Sums in another order round differently, which may move the limit by one token.
    const kept = candidates(logits, { ...NEUTRAL, topP });
    assert.ok(Math.abs(kept.tokens.length - count) <= 1, `${kept.tokens.length} kept, expected ${count}`);
    const least = Math.min(...kept.tokens.map((token) => all[token] * 1e9)) / 1e9;
    assert.ok(Math.abs(least - all[order[count - 1]]) <= 1e-9);
  }
});

test('draws follow the distribution (chi-square) and cover it to the ends', () => {
  const distribution = candidates(logitsOf(0.05, 0.5, 0.25, 0.15, 0.05), NEUTRAL);
  const [N, expected] = [20000, [0.05, 0.5, 0.25, 0.15, 0.05]];
  for (const vary of ['seed', 'row', 'index'] as const) {
    const counts = [0, 0, 0, 0, 0];
    for (let i = 0; i < N; i++) {
      const at = { seed: 7, row: 3, index: 11, [vary]: i };
      counts[draw(distribution, uniformAt(at.seed, at.row, at.index))]++;
    }
    const chiSquare = counts.reduce((sum, n, i) => sum + (n - N * expected[i]) ** 2 / (N * expected[i]), 0);
    assert.ok(chiSquare < 18.5, `${vary}: chi-square ${chiSquare} of 4 degrees, p < 0.001`);
  }
  assert.equal(draw(distribution, 0), 0);
  assert.equal(draw(distribution, 1 - 2 ** -53), 4);
});

test('neighbouring draws are uncorrelated', () => {
  const N = 20000;
  for (const next of [
    (i: number) => uniformAt(5, 0, i + 1),
    (i: number) => uniformAt(5, 1, i),
    (i: number) => uniformAt(6, 0, i),
  ]) {
    let sum = 0;
    for (let i = 0; i < N; i++) sum += (uniformAt(5, 0, i) - 0.5) * (next(i) - 0.5) * 12;
    assert.ok(Math.abs(sum / N) < 4 / Math.sqrt(N), `correlation ${sum / N}`);
  }
});
