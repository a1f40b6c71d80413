/**
 * Fits a state to a table of races: peers, expectations, the usual range of residuals, groups of athletes.
 * Where it stands: under `corrected.ts`, which labels with it; a saved state labels new races later.
 */
import { requireOptions } from '../../options';
import type { OptionNames } from '../../options';
import { TunebookError, requireObject } from '../../types';
import { seededRandom } from '../../random';
import { assignClusters, chooseGroups, cluster } from '../statistics/cluster';
import type { Clustering, GroupChoice } from '../statistics/cluster';
import { quantile, sortedFinite } from '../statistics/statistics';
import { raceLabels, requireLabels } from '../tables/label-table';
import type { LabelTable } from '../tables/label-table';
import type { RaceTable } from '../tables/columns';
import { expectTotals, fitExpectation } from './expect';
import type { Expectation, ExpectOptions } from './expect';
import type { DatasetMapping } from '../mapping/mapping';
import type { PeerScores } from './peers';
import { FORMAT, VERSION } from './race-state';
import type { RaceState } from './race-state';
import { PLAIN_TEMPLATES, RICH_TEMPLATES } from '../mapping/templates';
import type { AnswerTemplates } from '../mapping/templates';

/** Settings of `fit` and `labelCorrected`. */
export interface FitOptions {
  /** Seed of folds, groups and wordings. Default 42. */
  seed?: number;
  /**
   * 'rich': several wordings, what costs most, advice, and seconds in the context. 'plain': one wording. Default
   * 'rich'.
   */
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
  /** How the table was read, where it is of another sport; kept in the state. */
  mapping?: DatasetMapping;
}

/** A state, and results of its fit. */
export interface Fitted {
  state: RaceState;
  /** Out-of-fold expectations of the table's rows. */
  expectation: Expectation;
  peers: PeerScores;
  clustering: Clustering;
  /** Undefined where k was given. */
  choice?: GroupChoice;
}

/** Text of a record's input where none is given. */
export const INPUT = 'Generate performance feedback based on prediction and true time';
/** The names of `FitOptions`. */
export const FIT_OPTIONS: OptionNames<FitOptions> = {
  ...{ seed: true, answers: true, templates: true, weakAbove: true, usualShare: true },
  ...{ k: true, expect: true, input: true, mapping: true },
};
/** Rows that k-means itself looks at; the rest is assigned to the nearest centre. */
const CLUSTER_ROWS = 20000;

/**
 * Fits a state to a table of races, for feedback on any race.
 * @param races checked races, or a table to label; at least 20 rows
 * @throws TunebookError where a row has a missing value, or rows are too few
 * @example
 * const { table, log } = hyrox.readRaces(projectPath('data/hyrox/hyrox-sample.csv'));
 * const state = hyrox.fit(hyrox.checkRaces(table, log));
 * await hyrox.saveState('outputs/races.state.json', state);
 */
export function fit(races: RaceTable | LabelTable, options: FitOptions = {}): RaceState {
  requireObject(races, { where: 'fit', what: 'a table of races', fields: ['size'] });
  const table = 'ageGroup' in races ? raceLabels(races) : races;
  requireLabels(table, 'fit');
  requireObject(options, { where: 'fit', what: 'options' });
  requireOptions(options, { where: 'fit', names: FIT_OPTIONS });
  requireFinite(table, 'fit');
  return fitTable(table, options).state;
}

/** `fit` of a checked table, with its intermediate results. */
export function fitTable(table: LabelTable, options: FitOptions = {}): Fitted {
  const { seed = 42, answers = 'rich', weakAbove = 0.5, usualShare = 0.6, input = INPUT } = options;
  const templates = options.templates ?? (answers === 'rich' ? RICH_TEMPLATES : PLAIN_TEMPLATES);
  const expectation = expectTotals(table, { seed, ...options.expect });
  const residual = table.target.map((total, i) => Math.round(total) - Math.round(expectation.predicted[i]));
  const sorted = sortedFinite(residual);
  const tail = (1 - usualShare) / 2;
  const { learned, peers } = fitExpectation(table, { model: options.expect?.model });
  const { clustering, choice } = clusterScores(peers, { size: table.size, k: options.k, seed });
  const state: RaceState = {
    format: FORMAT,
    version: VERSION,
    targetName: table.targetName,
    unit: table.unit,
    groups: Object.keys(table.groups),
    expectation: learned,
    usual: [Math.round(quantile(sorted, tail)), Math.round(quantile(sorted, 1 - tail))],
    centroids: clustering.centroids,
    answers: { kind: answers, templates, weakAbove, input, seed },
    races: {
      size: table.size,
      groups: Object.values(table.groups).map((column) => [...column]),
      segments: Object.values(table.segments).map((column) => [...column]),
      target: [...table.target],
    },
    ...(options.mapping === undefined ? {} : { mapping: options.mapping }),
  };
  return { state, expectation, peers, clustering, ...(choice ? { choice } : {}) };
}

/** @throws TunebookError for the first missing value */
export function requireFinite(table: LabelTable, where: string): void {
  for (const [name, values] of Object.entries({ ...table.segments, [table.targetName]: table.target })) {
    const at = values.findIndex((value) => !Number.isFinite(value));
    if (at >= 0) {
      throw new TunebookError(
        `${where}: row ${at} of the checked table has no "${name}". Skip or impute rows with missing values first.`,
      );
    }
  }
}

/** Groups of athletes with similar strengths. */
function clusterScores(
  peers: PeerScores,
  { size, k, seed }: { size: number; k: number | undefined; seed: number },
): { clustering: Clustering; choice?: GroupChoice } {
  const rows = scoreRows(peers, size);
  const choice = k === undefined ? chooseGroups(rows, { seed }) : undefined;
  const count = k ?? choice?.chosen ?? 1;
  if (size <= CLUSTER_ROWS)
    return { clustering: cluster(rows, { k: count, seed }), ...(choice ? { choice } : {}) };
  const random = seededRandom(seed);
  const some = Array.from({ length: CLUSTER_ROWS }, () => rows[random.integer(0, size - 1)]);
  const { centroids, iterations } = cluster(some, { k: count, seed });
  return { clustering: assignClusters(rows, centroids, iterations), ...(choice ? { choice } : {}) };
}

/** Scores as [rows][segments]. */
export function scoreRows(peers: PeerScores, size: number): number[][] {
  const columns = Object.values(peers.z);
  return Array.from({ length: size }, (_, i) => columns.map((column) => column[i]));
}
