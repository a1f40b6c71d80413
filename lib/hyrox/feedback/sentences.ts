/**
 * Writes single sentences: chooses a wording whose places all have a value, avoids repetition, and fills the places
 * from the evidence. `fill.ts` knows what each placeholder of a plan needs.
 */
import { createRandom } from '../../random';
import type { Random } from '../../random';
import { amountText } from '../evidence/names';
import type { ChangedTime, RaceEvidence, SegmentEvidence } from '../evidence/types';
import type { FeedbackTexts } from './types';

/** Least time gained that is praised, as a share of the finish. */
const PRAISED = 0.001;

/** Values of places; undefined where the evidence has none. */
export type Places = Readonly<Record<string, string | undefined>>;

/** Chooses and fills sentences. */
export class SentenceWriter {
  readonly texts: FeedbackTexts;
  readonly random: Random;
  private readonly evidence: RaceEvidence;
  private readonly used = new Set<string>();

  constructor(evidence: RaceEvidence, { texts, seed }: { texts: FeedbackTexts; seed: number }) {
    this.evidence = evidence;
    this.texts = texts;
    // Other races with the same seed get other wordings.
    this.random = createRandom('feedback', seed, evidence.lines.map(({ text }) => text).join('\n'));
  }

  /** A sentence; undefined if no wording has all its places. */
  write(from: readonly string[], places: Places, plural = false): string | undefined {
    const complete = from.filter((wording) =>
      [...wording.matchAll(/\{(\w+)\}/g)].every(([, place]) => places[place] !== undefined),
    );
    if (complete.length === 0) return undefined;
    const fresh = complete.filter((wording) => !this.used.has(wording));
    const choice = fresh.length > 0 ? fresh : complete;
    const wording = choice[this.random.nextInt(choice.length)];
    this.used.add(wording);
    return wording
      .replace(/<([^|<>]*)\|([^<>]*)>/g, (_, one: string, many: string) => (plural ? many : one))
      .replace(/\{(\w+)\}/g, (_, place: string) => places[place] ?? '');
  }

  /** A clock time or a number with its unit. */
  amount(value: number): string {
    return amountText(value, this.evidence);
  }

  /** A difference: '37 seconds', '2:15'. */
  difference(value: number): string {
    const { clock } = this.evidence;
    return clock && Math.abs(value) < 60 ? this.texts.seconds(Math.abs(value)) : this.amount(Math.abs(value));
  }

  /** Places of the whole race. */
  finishPlaces(): Places {
    const { finish, chosen, segments } = this.evidence;
    const first = segments.find(({ column }) => column === chosen[0]);
    return {
      finish: this.amount(finish.own),
      expected: this.amount(finish.expected),
      residual: finish.residual === 0 ? undefined : this.difference(finish.residual),
      shareAll: finish.percentile === 0 ? undefined : this.texts.share(finish.percentile, 'all'),
      percentAll: finish.percentile % 100 === 0 ? undefined : `${finish.percentile} %`,
      count: String(finish.among),
      atFirst: first && this.texts.at(first.name, first.kind),
      cite: '[1]',
    };
  }

  /** Places of one segment. */
  segmentPlaces(segment: SegmentEvidence): Places {
    const { texts, evidence } = this;
    const { name, kind, own, peers, faster, line } = segment;
    const behind = (gap: number | undefined): string | undefined =>
      gap !== undefined && gap > 0 ? this.difference(gap) : undefined;
    const most = evidence.chosen.includes(segment.column) ? texts.most : undefined;
    return {
      ...{ the: texts.the(name), The: capital(texts.the(name)), at: texts.at(name, kind) },
      ...{ most, Most: most && capital(most) },
      own: this.amount(own),
      peers: this.amount(peers.median),
      faster: faster && this.amount(faster.median),
      // A second or two earns no praise.
      gap:
        peers.gap < 0 && -peers.gap >= PRAISED * evidence.finish.own ? this.difference(peers.gap) : undefined,
      gapPeers: behind(peers.gap),
      gapFaster: behind(faster?.gap),
      sharePeers: texts.share(peers.percentile, 'peers'),
      shareFaster: faster && texts.share(faster.percentile, 'faster'),
      cite: `[${line}]`,
    };
  }

  /** Places of a time that changed since the last race. */
  changePlaces({ own, before, change, line }: ChangedTime): Places {
    return {
      own: this.amount(own),
      before: this.amount(before),
      gained: change < 0 ? this.difference(change) : undefined,
      lost: change > 0 ? this.difference(change) : undefined,
      same: change === 0 ? this.amount(own) : undefined,
      cite: `[${line}]`,
    };
  }
}

/** Capitalizes the first letter. */
export function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

/** 'running, roxzone and row' */
export function listWords(names: readonly string[], and: string): string {
  return names.length < 2
    ? names.join('')
    : `${names.slice(0, -1).join(', ')} ${and} ${names[names.length - 1]}`;
}
