/**
 * Athletes against their peers: mean, spread and standard score of each segment within the groups.
 * Where it stands: after checking; the corrected lists come from these scores.
 */
import type { LabelTable } from './label-table.js';
import { moments } from './statistics.js';

export interface PeerScores {
  /** Standard score of each segment and row: (time - peer mean) / peer spread; positive is slower. */
  z: Record<string, Float64Array>;
  /** Time minus peer mean, in the table's unit. */
  behind: Record<string, Float64Array>;
  /** Rows compared within all groups, within the first only, and with everyone. */
  levels: { allGroups: number; firstGroup: number; everyone: number };
}

/** Fewest peers for a group of its own; smaller ones join the first group's peers, then everyone. */
const MIN_PEERS = 20;

/** Scores within all groups together ('gender' and 'age'). */
export function peerScores(table: LabelTable, minPeers: number = MIN_PEERS): PeerScores {
  const columns = Object.values(table.groups);
  const keyOf = (i: number, depth: number): string =>
    columns
      .slice(0, depth)
      .map((column) => column[i])
      .join('\u0001');
  const depths = [columns.length, Math.min(1, columns.length), 0];
  const members = depths.map((depth) => membersBy(table.size, (i) => keyOf(i, depth)));
  const levels = { allGroups: 0, firstGroup: 0, everyone: 0 };
  const names = ['allGroups', 'firstGroup', 'everyone'] as const;
  const levelOf = new Uint8Array(table.size);
  for (let i = 0; i < table.size; i++) {
    const found = depths.findIndex((depth, d) => (members[d].get(keyOf(i, depth))?.length ?? 0) >= minPeers);
    levelOf[i] = found < 0 ? depths.length - 1 : found;
    levels[names[levelOf[i]]]++;
  }
  const z: Record<string, Float64Array> = {};
  const behind: Record<string, Float64Array> = {};
  for (const [name, values] of Object.entries(table.segments)) {
    z[name] = new Float64Array(table.size);
    behind[name] = new Float64Array(table.size);
    members.forEach((groups, level) => {
      for (const rows of groups.values()) {
        if (!rows.some((i) => levelOf[i] === level)) continue;
        const { mean, sd } = moments(Float64Array.from(rows, (i) => values[i]));
        for (const i of rows) {
          if (levelOf[i] !== level) continue;
          behind[name][i] = values[i] - mean;
          z[name][i] = sd === 0 ? 0 : behind[name][i] / sd;
        }
      }
    });
  }
  return { z, behind, levels };
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
