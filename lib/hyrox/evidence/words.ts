/** Who is compared with whom, in words: the groups of the evidence, and what was widened. */
import type { RaceState } from '../labels/race-state';
import type { FoundRows, OneRace, Width } from './groups';
import { peopleOf } from './names';

export type GroupKind = 'similar' | 'peers' | 'faster';

/** What groups are called. */
export interface GroupWords {
  /** Those of the athlete's sex: 'women'; 'athletes' where nobody says. */
  readonly people: string;
  /** Whether the state knows ages. */
  readonly hasAge: boolean;
}

/** 'women'; the values of groups that have no such word stand behind: 'athletes (class Elite)'. */
export function peopleWord(state: RaceState, { groups }: OneRace, ageAt: number): string {
  let people = 'athletes';
  const others: string[] = [];
  state.groups.forEach((name, g) => {
    if (g === ageAt) return;
    const word = peopleOf(state, name, groups[g]);
    if (word === undefined) others.push(`${name} ${groups[g]}`);
    else people = word;
  });
  return others.length === 0 ? people : `${people} (${others.join(', ')})`;
}

/** 'women aged 30-34' */
export function athleteWords(state: RaceState, race: OneRace, ageAt: number): string {
  const people = peopleWord(state, race, ageAt);
  return ageAt < 0 ? people : `${people} aged ${race.groups[ageAt]}`;
}

/** 'women within 6 years of your age, finish within 3 % of yours' */
export function widthWords(kind: GroupKind, width: Width, { people, hasAge }: GroupWords): string {
  const who = width.sameGroups ? people : 'men and women';
  const age = !hasAge
    ? ''
    : width.years === Infinity
      ? ' of any age'
      : ` within ${width.years} years of your age`;
  return `${width.sameGroups || people === 'men' || people === 'women' ? who : 'all athletes'}${age}${finishWords(kind, width)}`;
}

function finishWords(kind: GroupKind, { finish }: Width): string {
  if (kind === 'similar' || finish === undefined) return '';
  const percent = (share: number): number => Math.round(Math.abs(1 - share) * 100);
  return kind === 'peers'
    ? `, finish within ${percent(finish[1])} % of yours`
    : `, finish ${percent(finish[1])} to ${percent(finish[0])} % earlier than yours`;
}

const WHO: Readonly<Record<GroupKind, string>> = {
  similar: 'Similar athletes',
  peers: 'Peers',
  faster: 'Faster athletes',
};

/** A sentence where a group was widened, or is small in spite of that. */
export function wideningNote(kind: GroupKind, found: FoundRows, words: GroupWords): string[] {
  if (found.width === found.first) return [];
  const races = found.firstCount === 1 ? '1 race' : `${found.firstCount} races`;
  return [
    `${WHO[kind]}: only ${races} of ${widthWords(kind, found.first, words)}; ` +
      `compared with ${found.rows.length} of ${widthWords(kind, found.width, words)}.`,
  ];
}
