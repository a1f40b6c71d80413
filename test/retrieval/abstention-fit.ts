/** How the bounds of abstention were chosen: a logistic regression that both classes weigh alike, and a share to keep. */

/** A query by its two numbers, and whether something answers it. */
export interface ReachRow {
  readonly words: number;
  readonly coverage: number;
  readonly isAnswerable: boolean;
}

const NAMES = ['words', 'coverage'] as const;
const RIDGE = 0.01;
const STEPS = 4000;

/** Weights and a constant, such that at most `lost` of the answerable rows lie below 0. */
export function fitAbstention(
  rows: readonly ReachRow[],
  lost: number,
): { words: number; coverage: number; bias: number } {
  const answerable = rows.filter(({ isAnswerable }) => isAnswerable);
  const columns = NAMES.map((name) => {
    const values = rows.map((row) => row[name]);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
    return { mean, deviation };
  });
  const scaled = rows.map((row) =>
    NAMES.map((name, j) => (row[name] - columns[j].mean) / columns[j].deviation),
  );
  const weights = NAMES.map(() => 0);
  let constant = 0;
  for (let step = 0; step < STEPS; step++) {
    const slope = weights.map((weight) => RIDGE * weight);
    let constantSlope = 0;
    rows.forEach(({ isAnswerable }, i) => {
      const odds = constant + scaled[i].reduce((sum, value, j) => sum + value * weights[j], 0);
      const share = 0.5 / (isAnswerable ? answerable.length : rows.length - answerable.length);
      const error = share * (1 / (1 + Math.exp(-odds)) - Number(isAnswerable));
      scaled[i].forEach((value, j) => (slope[j] += error * value));
      constantSlope += error;
    });
    slope.forEach((value, j) => (weights[j] -= value));
    constant -= constantSlope;
  }
  const [words, coverage] = weights.map((weight, j) => weight / columns[j].deviation);
  const scores = answerable.map((row) => words * row.words + coverage * row.coverage).sort((a, b) => a - b);
  return { words, coverage, bias: -scores[Math.floor(lost * scores.length)] };
}

/** The area under the curve of unanswerable queries refused over answerable ones kept: 1 separates them, 0.5 is chance. */
export function areaUnderCurve(scored: readonly (readonly [score: number, isAnswerable: boolean])[]): number {
  const of = (wanted: boolean): number[] => scored.flatMap(([score, is]) => (is === wanted ? [score] : []));
  const [inReach, out] = [of(true), of(false)];
  const won = inReach.flatMap((a) => out.map((b): number => (a > b ? 1 : a === b ? 0.5 : 0)));
  return won.reduce((sum, value) => sum + value, 0) / won.length;
}
