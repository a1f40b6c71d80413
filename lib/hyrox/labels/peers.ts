/**
 * Athletes against their peers: mean, spread and standard score of each segment within the groups.
 * Where it stands: after checking; the corrected lists come from these scores.
 */
import type { LabelTable } from '../tables/label-table';
import { moments } from '../statistics/statistics';
import { requireObject } from '../../types';
import { requireLabels } from '../tables/label-table';

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

/** Fewest peers for a group of its own; smaller ones join the first group's peers, then everyone. */
const MIN_PEERS = 20;

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
  const { minPeers = MIN_PEERS, seen } = options;
  const columns = Object.values(table.groups);
  const keyOf = (i: number, depth: number): string =>
    columns
      .slice(0, depth)
      .map((column) => column[i])
      .join('\u0001');
  const depths = [columns.length, Math.min(1, columns.length), 0];
  const members = depths.map((depth) => membersBy(table.size, (i) => keyOf(i, depth)));
  const peersOf = members.map((groups) => peersIn(groups, seen));
  const levels = { allGroups: 0, firstGroup: 0, everyone: 0 };
  const names = ['allGroups', 'firstGroup', 'everyone'] as const;
  const levelOf = new Uint8Array(table.size);
  for (let i = 0; i < table.size; i++) {
    const found = depths.findIndex((depth, d) => (peersOf[d].get(keyOf(i, depth))?.length ?? 0) >= minPeers);
    levelOf[i] = found < 0 ? depths.length - 1 : found;
    levels[names[levelOf[i]]]++;
  }
  const z: Record<string, Float64Array> = {};
  const behind: Record<string, Float64Array> = {};
  const spread: Record<string, Float64Array> = {};
  for (const [name, values] of Object.entries(table.segments)) {
    z[name] = new Float64Array(table.size);
    behind[name] = new Float64Array(table.size);
    spread[name] = new Float64Array(table.size);
    members.forEach((groups, level) => {
      for (const [key, rows] of groups) {
        if (!rows.some((i) => levelOf[i] === level)) continue;
        const { mean, sd } = moments(Float64Array.from(peersOf[level].get(key) ?? [], (i) => values[i]));
        for (const i of rows) {
          if (levelOf[i] !== level) continue;
          behind[name][i] = values[i] - mean;
          spread[name][i] = sd;
          z[name][i] = sd === 0 ? 0 : behind[name][i] / sd;
        }
      }
    });
  }
  return { z, behind, sd: spread, levels };
}

/** The members of each group that count as peers. */
function peersIn(groups: Map<string, number[]>, seen: Uint8Array | undefined): Map<string, number[]> {
  if (!seen) return groups;
  return new Map(Array.from(groups, ([key, rows]) => [key, rows.filter((i) => seen[i] === 1)]));
}

function membersBy(size: number, keyOf: (i: number) => string): Map<string, number[]> {
  const members = new Map<string, number[]>();
  for (let i = 0; i < size; i++) {
    const key = keyOf(i);
    const rows = members.get(key);
    if (rows) rows.push(i);
    else members.set(key, [i]);
  }
  return members;
}
