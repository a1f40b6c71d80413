/**
 * Labels without the published mistakes: (1) lists name segments slower than the peers; (2) columns stay beside
 * their rows; (3) ages are treated alike in training and prediction; (4) a segment's expectation has not seen that
 * segment, nor the athlete. Verdicts come from the spread of the residuals, and the context holds what the answer
 * needs. Where it stands: the label maker that the notebooks use; `as-published.ts` is the other one.
 */
import { requireOptions } from '../../options';
import { TunebookError, requireList, requireObject } from '../../types';
import { readContext, scoreOf, slowSegments, verdictOf, writeAnswer, writeContext } from './answers';
import type { SegmentFact, Verdict } from './answers';
import type { FeedbackRecord } from './as-published';
import { assignClusters } from '../statistics/cluster';
import type { Clustering, GroupChoice } from '../statistics/cluster';
import { expectedTotals } from './expect';
import { FIT_OPTIONS, fitTable, requireFinite, scoreRows } from './fit';
import type { FitOptions } from './fit';
import type { LabelTable } from '../tables/label-table';
import { raceLabels, requireLabels } from '../tables/label-table';
import type { RaceTable } from '../tables/columns';
import type { PeerScores } from './peers';
import { fitQuality } from '../statistics/regression';
import type { FitQuality } from '../statistics/regression';
import { requireState } from './race-state';
import type { RaceState } from './race-state';

/** Labelled races: records, and the figures behind them. */
export interface LabelledRaces {
  records: FeedbackRecord[];
  /** Whole units. */
  predicted: Float64Array;
  residual: Float64Array;
  verdicts: Verdict[];
  lists: (readonly string[])[];
  peers: PeerScores;
}

/** Corrected labels, and the state that labels new races in the same way. */
export interface CorrectedResult extends LabelledRaces {
  clustering: Clustering;
  /** Undefined where k was given. */
  choice?: GroupChoice;
  figures: CorrectedFigures;
  /** Labels new races, and finds their peers: see `saveState`. */
  state: RaceState;
}

/** What corrected labels look like as a whole. */
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

/**
 * Labels every row of a table that has been checked, each expected by models that have not seen it.
 * @throws TunebookError where a row has a missing value, or rows are too few
 */
export function labelCorrected(table: LabelTable, options: FitOptions = {}): CorrectedResult {
  requireLabels(table, 'labelCorrected');
  requireObject(options, { where: 'labelCorrected', what: 'options' });
  requireOptions(options, { where: 'labelCorrected', names: FIT_OPTIONS });
  requireFinite(table, 'labelCorrected');
  const { state, expectation, peers, clustering, choice } = fitTable(table, options);
  const labelled = writeRows(table, {
    ...{ state, peers },
    predicted: expectation.predicted,
    clusters: clustering.clusters,
  });
  return {
    ...labelled,
    clustering,
    ...(choice ? { choice } : {}),
    state,
    figures: { ...figuresOf(labelled, { state, table }), expectation: expectation.quality },
  };
}

/** Figures of labels. */
export function figuresOf(
  { records, predicted, verdicts, lists }: LabelledRaces,
  { state, table }: { state: RaceState; table: LabelTable },
): CorrectedFigures {
  return {
    expectation: fitQuality(table.target, predicted),
    usual: state.usual,
    verdicts: shares(verdicts),
    segmentsPerRow: lists.reduce((sum, list) => sum + list.length, 0) / lists.length,
    determined: determinedShare(
      records.map(({ context }) => contextKey(context, state.answers.weakAbove)),
      verdicts.map((verdict, i) => `${verdict} ${lists[i].join()}`),
    ),
  };
}

/**
 * Labels races by a fitted state alone: a row's record does not depend on the rest of the table.
 * @param races checked races, or a table with the state's segments and groups; one row is enough
 * @throws TunebookError where a value is missing, or segments or groups differ from the state's
 * @example
 * const state = await hyrox.loadState('outputs/races.state.json');
 * const { table, log } = hyrox.readRaces('my-race.csv');
 * const { records } = hyrox.labelRaces(state, hyrox.checkRaces(table, log));
 */
export function labelRaces(state: RaceState, races: RaceTable | LabelTable): LabelledRaces {
  requireState(state, 'labelRaces');
  requireObject(races, { where: 'labelRaces', what: 'a table of races', fields: ['size'] });
  const table = 'ageGroup' in races ? raceLabels(races) : races;
  requireLabels(table, 'labelRaces');
  requireColumns(state, table);
  requireFinite(table, 'labelRaces');
  const { totals, peers } = expectedTotals(state.expectation, table);
  const { clusters } = assignClusters(scoreRows(peers, table.size), state.centroids, 0);
  return writeRows(table, { state, peers, predicted: totals, clusters });
}

/** @throws TunebookError where a table has other columns than the state was fitted to */
function requireColumns(state: RaceState, table: LabelTable): void {
  const wanted = [...state.groups, ...state.expectation.peers.segments, state.targetName].join(', ');
  const got = [...Object.keys(table.groups), ...Object.keys(table.segments), table.targetName].join(', ');
  if (wanted !== got)
    throw new TunebookError(
      `labelRaces: expected the columns of the state (${wanted}), got ${got}. Use the mapping that the state was made with.`,
    );
}

interface RowFacts {
  state: RaceState;
  peers: PeerScores;
  /** [rows], not yet rounded */
  predicted: Float64Array;
  clusters: Int32Array;
}

/** Contexts and answers, row by row. */
function writeRows(table: LabelTable, { state, peers, ...facts }: RowFacts): LabelledRaces {
  const { kind, templates, weakAbove, input, seed } = state.answers;
  const predicted = facts.predicted.map(Math.round);
  const residual = table.target.map((total, i) => Math.round(total) - predicted[i]);
  const groups = Object.entries(table.groups);
  const verdicts: Verdict[] = [];
  const lists: (readonly string[])[] = [];
  const records: FeedbackRecord[] = [];
  for (let i = 0; i < table.size; i++) {
    const segments = state.expectation.peers.segments.map((name): SegmentFact => {
      const z = Math.round(peers.z[name][i] * 10) / 10;
      return kind === 'plain' ? { name, z } : { name, z, behind: Math.round(peers.behind[name][i]) };
    });
    // Slowest first, in the context and so in the list: segments with most to win are named first.
    segments.sort((a, b) => b.z - a.z);
    const judged = { residual: residual[i], score: scoreOf(residual[i], state.usual), segments };
    const context = writeContext({
      ...judged,
      groups: groups.map(([name, values]) => [name, values[i]]),
      targetName: table.targetName,
      total: Math.round(table.target[i]),
      predicted: predicted[i],
      cluster: facts.clusters[i],
    });
    verdicts.push(verdictOf(judged));
    lists.push(slowSegments(judged, weakAbove).map(({ name }) => name));
    const response = writeAnswer(context, { templates, mark: weakAbove, unit: table.unit, seed });
    records.push({ input, context, response });
  }
  return { records, predicted, residual, verdicts, lists, peers };
}

function shares(verdicts: readonly Verdict[]): Record<Verdict, number> {
  const counts: Record<Verdict, number> = { slower: 0, close: 0, outperformed: 0 };
  for (const verdict of verdicts) counts[verdict] += 1 / verdicts.length;
  return counts;
}

/** What a context determines of its answer: the verdict, and the segments above the threshold. */
function contextKey(context: string, mark: number): string {
  const facts = readContext(context);
  return `${verdictOf(facts)} ${slowSegments(facts, mark).map(({ name }) => name)}`;
}

/**
 * Accuracy of the best possible reader: of all rows with the same key, the most frequent answer.
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
