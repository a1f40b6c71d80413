/**
 * Scores athletes against their peers: mean, spread and standard score of each segment within groups. The corrected
 * labels use these scores; fitted peers also score unseen rows.
 */
import type { LabelTable } from '../tables/label-table';
import { moments } from '../statistics/statistics';
import { requireOptions } from '../../options';
import { TunebookError, requireObject } from '../../types';
import { requireLabels } from '../tables/label-table';

/** Where each row stands among its peers, segment by segment. */
export interface PeerScores {
  /** Standard score of each segment and row: (time - peer mean) / peer spread; positive is slower. */
  z: Record<string, Float64Array>;
  /** Time minus peer mean, in the table's unit. */
  behind: Record<string, Float64Array>;
  /** Spread of the peers, in the table's unit. */
  sd: Record<string, Float64Array>;
  /** Rows compared within all groups, within the first only, and with everyone. */
  levels: { allGroups: number; firstGroup: number; everyone: number };
}

/** The peers that share some values of the groups. */
export interface PeerGroup {
  /** Values of the first groups, as many as are compared: `['0', '25-29']`, `['0']`, or none for everyone. */
  values: string[];
  /** Members. */
  count: number;
  /** Of each segment, in the model's order, in the table's unit. */
  mean: number[];
  /** Population standard deviation of each segment, in the table's unit. */
  sd: number[];
}

/** Fitted peers: plain data, so that it can be written as JSON. */
export interface PeerModel {
  /** Names of the segments, in order. */
  segments: string[];
  /** Fewest members of a peer group; rows of smaller ones use the first group's peers, then everyone. */
  minPeers: number;
  /** Groups by all columns, by the first, and everyone: three lists. */
  levels: PeerGroup[][];
}

const MIN_PEERS = 20;
const LEVELS = ['allGroups', 'firstGroup', 'everyone'] as const;

/** Who counts as a peer. */
export interface PeerOptions {
  /** Groups with fewer peers join larger ones. Default 20. */
  minPeers?: number;
  /** 1 for rows that count as peers, 0 for rows that are only scored. Default: all count. */
  seen?: Uint8Array;
}

/** Scores within all groups together ('gender' and 'age'). */
export function peerScores(table: LabelTable, options: PeerOptions = {}): PeerScores {
  requireLabels(table, 'peerScores');
  requireObject(options, { where: 'peerScores', what: 'options' });
  requireOptions<PeerOptions>(options, { where: 'peerScores', names: { minPeers: true, seen: true } });
  return scoreAgainst(fitPeers(table, options), table);
}

/** Means and spreads of all groups that are large enough, and of everyone. */
export function fitPeers(table: LabelTable, { minPeers = MIN_PEERS, seen }: PeerOptions = {}): PeerModel {
  const names = Object.keys(table.segments);
  const columns = Object.values(table.groups);
  const levels = depthsOf(columns.length).map((depth, level) => {
    const members = new Map<string, number[]>();
    for (let i = 0; i < table.size; i++) {
      if (seen !== undefined && seen[i] !== 1) continue;
      const key = keyOf(columns, i, depth);
      const rows = members.get(key);
      if (rows) rows.push(i);
      else members.set(key, [i]);
    }
    return [...members.values()]
      .filter((rows) => rows.length >= minPeers || level === LEVELS.length - 1)
      .map((rows): PeerGroup => {
        const of = names.map((name) => moments(Float64Array.from(rows, (i) => table.segments[name][i])));
        return {
          values: columns.slice(0, depth).map((column) => column[rows[0]]),
          count: rows.length,
          mean: of.map(({ mean }) => mean),
          sd: of.map(({ sd }) => sd),
        };
      });
  });
  return { segments: names, minPeers, levels };
}

/**
 * Scores of any rows, each against the narrowest group that has enough members.
 * @throws TunebookError where a segment of the model is not in the table
 */
export function scoreAgainst(peers: PeerModel, table: LabelTable): PeerScores {
  const columns = Object.values(table.groups);
  const depths = depthsOf(columns.length);
  const found = peers.levels.map(
    (groups) => new Map(groups.map((group) => [group.values.join('\u0001'), group])),
  );
  const levels = { allGroups: 0, firstGroup: 0, everyone: 0 };
  const groupOf: PeerGroup[] = [];
  for (let i = 0; i < table.size; i++) {
    let level = 0;
    let group: PeerGroup | undefined;
    while (
      level < depths.length &&
      (group = found[level].get(keyOf(columns, i, depths[level]))) === undefined
    )
      level++;
    if (group === undefined)
      throw new TunebookError(
        'peerScores: expected at least one peer, got none. Give more rows, or let rows count as peers (seen).',
      );
    levels[LEVELS[level]]++;
    groupOf.push(group);
  }
  const scores: PeerScores = { z: {}, behind: {}, sd: {}, levels };
  peers.segments.forEach((name, s) => {
    const values = table.segments[name];
    if (values === undefined)
      throw new TunebookError(
        `peerScores: expected a segment "${name}", got ${Object.keys(table.segments).join(', ')}. ` +
          'Use the table, or the mapping, that the peers are of.',
      );
    const column = (): Float64Array => new Float64Array(table.size);
    const [behind, spread, z] = [column(), column(), column()];
    // Plain loops: a large state is scored whole before its first evidence.
    for (let i = 0; i < table.size; i++) {
      const { mean, sd } = groupOf[i];
      behind[i] = values[i] - mean[s];
      spread[i] = sd[s];
      z[i] = sd[s] === 0 ? 0 : behind[i] / sd[s];
    }
    scores.behind[name] = behind;
    scores.sd[name] = spread;
    scores.z[name] = z;
  });
  return scores;
}

/** Number of groups compared at each level. */
function depthsOf(groups: number): readonly number[] {
  return [groups, Math.min(1, groups), 0];
}

function keyOf(columns: readonly (readonly string[])[], row: number, depth: number): string {
  let key = '';
  for (let c = 0; c < depth; c++) key += c === 0 ? columns[c][row] : `\u0001${columns[c][row]}`;
  return key;
}
