/** Descriptions of the evidence's groups, and notes on widening. */
import type { RaceState } from '../labels/race-state';
import type { FoundRows, OneRace, Width } from './groups';
import { peopleOf } from './names';

export type GroupKind = 'similar' | 'peers' | 'faster';

/** Words for groups. */
export interface GroupWords {
  /** Word for the athlete's sex: 'women'; 'athletes' if unknown. */
  readonly people: string;
  /** Whether the state knows ages. */
  readonly hasAge: boolean;
}

/** 'women'; values of groups without such a word follow in brackets: 'athletes (class Elite)'. */
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

/** 'women within 6 years of your age who finished within 3 % of your time' */
export function widthWords(kind: GroupKind, width: Width, words: GroupWords): string {
  const how = finishWords(kind, width);
  return `${whoWords(width, words)}${how === '' ? '' : ` who ${how}`}`;
}

function whoWords(width: Width, { people, hasAge }: GroupWords): string {
  const both = /^(wo)?men\b/.test(people) ? 'men and women' : 'athletes of all groups';
  const years = width.years === Infinity ? ' of any age' : ` within ${width.years} years of your age`;
  return `${width.sameGroups ? people : both}${hasAge ? years : ''}`;
}

function finishWords(kind: GroupKind, { finish }: Width): string {
  if (kind === 'similar' || finish === undefined) return '';
  const percent = (share: number): number => Math.round(Math.abs(1 - share) * 100);
  return kind === 'peers'
    ? `finished within ${percent(finish[1])} % of your time`
    : `finished ${percent(finish[1])} to ${percent(finish[0])} % earlier than you`;
}

const WHO: Readonly<Record<GroupKind, string>> = {
  similar: 'similar athletes here are chosen among',
  peers: 'your peers here are',
  faster: 'the next level here is',
};

/** A sentence where a group was widened. */
export function wideningNote(kind: GroupKind, found: FoundRows, words: GroupWords): string[] {
  const { width, first, firstCount, rows } = found;
  if (width === first) return [];
  const how = finishWords(kind, first);
  return [
    `Too few ${whoWords(first, words)} ${how === '' ? 'are in the state' : how} (${firstCount}), so ` +
      `${WHO[kind]} ${rows.length} ${widthWords(kind, width, words)}.`,
  ];
}
