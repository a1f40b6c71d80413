/**
 * Labels without the published mistakes: (1) lists name segments slower than the peers; (2) columns stay beside
 * their rows; (3) ages are treated alike in training and prediction; (4) a segment's expectation has not seen that
 * segment, nor the athlete. Verdicts come from the spread of the residuals, and the context holds what the answer needs.
 * Where it stands: the label maker that the notebooks use; `as-published.ts` is the other one.
 */
import { TunebookError, requireList, requireObject } from '../../types';
import { scoreOf, slowSegments, verdictOf, writeAnswer, writeContext, readContext } from './answers';
import type { SegmentFact, Verdict } from './answers';
import type { FeedbackRecord } from './as-published';
import { assignClusters, chooseGroups, cluster } from '../statistics/cluster';
import type { Clustering, GroupChoice } from '../statistics/cluster';
import { expectTotals } from './expect';
import type { ExpectOptions } from './expect';
import type { LabelTable } from '../tables/label-table';
import { requireLabels } from '../tables/label-table';
import { peerScores } from './peers';
import type { PeerScores } from './peers';
import { seededRandom } from '../../random';
import type { FitQuality } from '../statistics/regression';
import { quantile, sortedFinite } from '../statistics/statistics';
import { PLAIN_TEMPLATES, RICH_TEMPLATES } from './templates';
import type { AnswerTemplates } from './templates';

export interface CorrectedOptions {
  /** Default 42. */
  seed?: number;
  /** 'rich': several wordings, what costs most, advice, and seconds in the context. 'plain': one wording. Default 'rich'. */
  answers?: 'rich' | 'plain';
  /** Sentences. Default: those of `answers`. */
  templates?: AnswerTemplates;
  /** A segment is listed where its score is above this, in standard deviations of the peers. Default 0.5. */
  weakAbove?: number;
  /** Share of residuals that count as usual, in the middle. Default 0.6. */
  usualShare?: number;
  /** Groups. Default: chosen by elbow and silhouette. */
  k?: number;
  /** How finish times are expected. */
  expect?: ExpectOptions;
  /** Text of each record's input. */
  input?: string;
}

export interface CorrectedResult {
  records: FeedbackRecord[];
  /** Whole units. */
  predicted: Float64Array;
  residual: Float64Array;
  verdicts: Verdict[];
  lists: (readonly string[])[];
  clustering: Clustering;
  /** Undefined where k was given. */
  choice?: GroupChoice;
  peers: PeerScores;
  figures: CorrectedFigures;
}

export interface CorrectedFigures {
  expectation: FitQuality;
  /** Residuals between these two are usual; beyond them a verdict is other than close. */
  usual: readonly [number, number];
  /** Share of verdicts. */
  verdicts: Record<Verdict, number>;
  segmentsPerRow: number;
  /** Share of answers whose verdict and list the context determines: 0 .. 1. */
  determined: number;
}

const INPUT = 'Generate performance feedback based on prediction and true time';
/** Rows that k-means itself looks at; the rest is assigned to the nearest centre. */
const CLUSTER_ROWS = 20000;

/** Labels every row of a table that has been checked. */
export function labelCorrected(table: LabelTable, options: CorrectedOptions = {}): CorrectedResult {
  requireLabels(table, 'labelCorrected');
  requireObject(options, { where: 'labelCorrected', what: 'options' });
  const { seed = 42, answers = 'rich', weakAbove = 0.5, usualShare = 0.6, input = INPUT } = options;
  const templates = options.templates ?? (answers === 'rich' ? RICH_TEMPLATES : PLAIN_TEMPLATES);
  checkFinite(table);
  const expectation = expectTotals(table, { seed, ...options.expect });
  const predicted = expectation.predicted.map(Math.round);
  const residual = table.target.map((total, i) => Math.round(total) - predicted[i]);
  const sorted = sortedFinite(residual);
  const tail = (1 - usualShare) / 2;
  const usual = [Math.round(quantile(sorted, tail)), Math.round(quantile(sorted, 1 - tail))] as const;

  const peers = peerScores(table);
  const names = Object.keys(table.segments);
  const { clustering, choice } = clusterScores(peers, { size: table.size, k: options.k, seed });
  const groups = Object.entries(table.groups);
  const verdicts: Verdict[] = [];
  const lists: (readonly string[])[] = [];
  const records: FeedbackRecord[] = [];
  const contexts: string[] = [];
  for (let i = 0; i < table.size; i++) {
    const segments = names.map((name): SegmentFact => {
      const z = Math.round(peers.z[name][i] * 10) / 10;
      return answers === 'plain' ? { name, z } : { name, z, behind: Math.round(peers.behind[name][i]) };
    });
    // Slowest first, in the context and so in the list: what there is most to win in is named first.
    segments.sort((a, b) => b.z - a.z);
    const facts = { residual: residual[i], score: scoreOf(residual[i], usual), segments };
    const context = writeContext({
      ...facts,
      groups: groups.map(([name, values]) => [name, values[i]]),
      targetName: table.targetName,
      total: Math.round(table.target[i]),
      predicted: predicted[i],
      cluster: clustering.clusters[i],
    });
    verdicts.push(verdictOf(facts));
    lists.push(slowSegments(facts, weakAbove).map(({ name }) => name));
    contexts.push(context);
    const response = writeAnswer(context, { templates, mark: weakAbove, unit: table.unit, seed });
    records.push({ input, context, response });
  }
  return {
    records,
    predicted,
    residual,
    verdicts,
    lists,
    clustering,
    ...(choice ? { choice } : {}),
    peers,
    figures: {
      expectation: expectation.quality,
      usual,
      verdicts: shares(verdicts),
      segmentsPerRow: lists.reduce((sum, list) => sum + list.length, 0) / lists.length,
      determined: determinedShare(
        contexts.map((context) => contextKey(context, weakAbove)),
        verdicts.map((verdict, i) => `${verdict} ${lists[i].join()}`),
      ),
    },
  };
}

function checkFinite(table: LabelTable): void {
  for (const [name, values] of Object.entries({ ...table.segments, [table.targetName]: table.target })) {
    const at = values.findIndex((value) => !Number.isFinite(value));
    if (at >= 0) {
      throw new TunebookError(
        `labelCorrected: row ${at} of the checked table has no "${name}". Skip or impute rows with missing values first.`,
      );
    }
  }
}

/** Groups of athletes with like strengths. */
function clusterScores(
  peers: PeerScores,
  { size, k, seed }: { size: number; k: number | undefined; seed: number },
): { clustering: Clustering; choice?: GroupChoice } {
  const columns = Object.values(peers.z);
  const rows = Array.from({ length: size }, (_, i) => columns.map((column) => column[i]));
  const choice = k === undefined ? chooseGroups(rows, { seed }) : undefined;
  const count = k ?? choice?.chosen ?? 1;
  if (size <= CLUSTER_ROWS)
    return { clustering: cluster(rows, { k: count, seed }), ...(choice ? { choice } : {}) };
  const random = seededRandom(seed);
  const some = Array.from({ length: CLUSTER_ROWS }, () => rows[random.integer(0, size - 1)]);
  const { centroids, iterations } = cluster(some, { k: count, seed });
  return { clustering: assignClusters(rows, centroids, iterations), ...(choice ? { choice } : {}) };
}

function shares(verdicts: readonly Verdict[]): Record<Verdict, number> {
  const counts: Record<Verdict, number> = { slower: 0, close: 0, outperformed: 0 };
  for (const verdict of verdicts) counts[verdict] += 1 / verdicts.length;
  return counts;
}

/** What a context's text says about the answer: the verdict, and the segments above the mark. */
function contextKey(context: string, mark: number): string {
  const facts = readContext(context);
  return `${verdictOf(facts)} ${slowSegments(facts, mark).map(({ name }) => name)}`;
}

/**
 * Share of answers that the best possible reader gets right: of all rows with the same key, the most frequent answer.
 *
 * @param keys what the context says about the answer, per row; for the published labels verdict and cluster
 */
export function determinedShare(keys: readonly string[], answers: readonly string[]): number {
  requireList(keys, { where: 'determinedShare', what: 'a list of keys' });
  requireList(answers, { where: 'determinedShare', what: 'a list of answers' });
  const counts = new Map<string, Map<string, number>>();
  keys.forEach((key, i) => {
    const own = counts.get(key) ?? new Map<string, number>();
    own.set(answers[i], (own.get(answers[i]) ?? 0) + 1);
    counts.set(key, own);
  });
  let right = 0;
  for (const own of counts.values()) right += Math.max(...own.values());
  return keys.length === 0 ? 0 : right / keys.length;
}
