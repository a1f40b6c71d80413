/**
 * The metrics of race feedback for `evaluateGeneration`: is the verdict the truth's, and are the segments?
 */
import { requireOptions } from '../../options';
import type { Metric, MetricInputs } from '../../eval';
import { segmentF1 } from './segments';
import type { F1Scores, SegmentOptions, VerdictRule, VerdictScores } from './types';
import { classifyVerdict, RACE_VERDICTS, verdictAccuracy } from './verdicts';

/** Names of `raceMetrics`. */
export type RaceMetricName = 'verdictAccuracy' | 'segmentMicroF1' | 'segmentMacroF1';

/** What counts as a verdict, and as a list of segments. */
export interface RaceMetricOptions {
  /** Default: `RACE_VERDICTS`. */
  readonly verdicts?: readonly VerdictRule[];
  readonly segments?: SegmentOptions;
}

/**
 * Share of verdicts that are right, and F1 of the segments named.
 * @example
 * ```ts
 * import { evaluateGeneration, hyrox } from 'tunebook';
 *
 * const records = [{ input: 'A race', context: '', response: 'You performed close to expected levels.' }];
 * const generate = async (prompts: string[]) => prompts.map(() => 'You performed close to expected levels.');
 * const { metrics } = await evaluateGeneration({ records, generate, metrics: hyrox.raceMetrics() });
 * console.log(metrics.verdictAccuracy); // 1
 * ```
 */
export function raceMetrics(options: RaceMetricOptions = {}): Readonly<Record<RaceMetricName, Metric>> {
  requireOptions<RaceMetricOptions>(options, {
    where: 'raceMetrics',
    names: { verdicts: true, segments: true },
  });
  const { verdicts = RACE_VERDICTS, segments } = options;
  const f1 = ({ truths, answers }: MetricInputs): F1Scores => segmentF1(truths, answers, segments);
  const scores = ({ truths, answers }: MetricInputs): VerdictScores =>
    verdictAccuracy(truths, answers, verdicts);
  return {
    verdictAccuracy: {
      label: (inputs) => `Verdict right (of ${scores(inputs).total})`,
      unit: 'share',
      measure: (inputs) => scores(inputs).accuracy,
    },
    segmentMicroF1: { label: 'Segments, micro F1', measure: (inputs) => f1(inputs).micro },
    segmentMacroF1: { label: 'Segments, macro F1', measure: (inputs) => f1(inputs).macro },
  };
}

/** In words whether an answer has the truth's verdict: `judge` of `evaluateGeneration`. */
export function judgeVerdict(
  truth: string,
  answer: string,
  rules: readonly VerdictRule[] = RACE_VERDICTS,
): 'verdict right' | 'verdict wrong' | 'different' {
  const wanted = classifyVerdict(truth, rules);
  if (wanted === undefined) return 'different';
  return wanted === classifyVerdict(answer, rules) ? 'verdict right' : 'verdict wrong';
}
