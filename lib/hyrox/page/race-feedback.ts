/**
 * Feedback on each race of a file: evidence from a state, advice from documents, text. `tunebook feedback` without the
 * command line.
 */
import path from 'node:path';
import { PACKAGE_ROOT } from '../../environment';
import { requireOptions } from '../../options';
import { TunebookError, messageOf, requireObject } from '../../types';
import { checkClaims } from '../../eval';
import { loadDocuments } from '../../retrieval';
import type { Document } from '../../retrieval';
import type { RaceEvidence } from '../evidence/types';
import { checkedFeedback } from '../feedback/checked';
import { claimEvidence, composeFeedback } from '../feedback/compose';
import { writtenRecord } from '../feedback/records';
import type { Feedback } from '../feedback/types';
import { passageFinder } from './passages';
import { raceFileEvidence } from './race-file';
import type { RaceFileOptions } from './race-file';
import { wordsOf } from './page-words';

/** Settings of `raceFeedback`. */
export interface RaceFeedbackOptions extends RaceFileOptions {
  /** Folder of .md, .txt and .pdf files to quote advice from. Default: the package's coaching passages. */
  documents?: string;
  /** Seed of wordings and of the choice of advice. Default 42. */
  seed?: number;
  /** Default 'en'. */
  lang?: string;
  /**
   * Writes a plan for each race, for instance by a model. If a plan cannot be filled in, or a claim of its text is not
   * supported, the rule's plan is used and the page says so. Default: the rule.
   */
  planner?: (races: readonly RaceEvidence[]) => Promise<readonly string[]>;
  /**
   * Writes the text itself, for instance a large model: it is asked the questions of `writtenRecord`, with lines and
   * passages to cite. Each sentence that these do not bear out is marked, and the page says how many. Races with
   * nothing to win are not asked about. Default: none.
   */
  writer?: (questions: readonly WrittenQuestion[]) => Promise<readonly string[]>;
  /** Called for documents that cannot be read, and with the reason why a model's plan or text was not used. */
  onNote?: (text: string) => void;
}

/** What a writer is asked about a race. */
export interface WrittenQuestion {
  readonly input: string;
  /** Lines and passages to cite. */
  readonly context: string;
}

/** Feedback on one race. */
export interface RaceFeedback {
  readonly evidence: RaceEvidence;
  readonly feedback: Feedback;
  /** The reference races, in words. */
  readonly data: string;
  /** Notes besides those of the evidence. */
  readonly notes: readonly string[];
}

/**
 * Feedback on each race of a file, in the file's order; all of them, or an error.
 * @throws TunebookError where a race, the state or the documents cannot be read or judged
 * @example
 * const [{ evidence, feedback, data }] = await hyrox.raceFeedback('my-race.csv', { state: 'races.state.json' });
 * const page = hyrox.feedbackPage(evidence, feedback, { data });
 */
export async function raceFeedback(file: string, options: RaceFeedbackOptions = {}): Promise<RaceFeedback[]> {
  requireObject(options, { where: 'raceFeedback', what: 'options' });
  requireOptions<RaceFeedbackOptions>(options, {
    where: 'raceFeedback',
    names: {
      ...{ state: true, previous: true, k: true, fewPeers: true, delimiter: true },
      ...{ documents: true, seed: true, lang: true, planner: true, writer: true, onNote: true },
    },
  });
  const { documents, seed = 42, planner, writer, onNote } = options;
  if (planner !== undefined && writer !== undefined)
    throw new TunebookError(
      'raceFeedback: expected a planner or a writer, got both. A planner chooses what is said, a writer words it.',
    );
  wordsOf(options.lang);
  const { races, data } = await raceFileEvidence(file, options);
  const folder = documents ?? path.join(PACKAGE_ROOT, 'data', 'coaching');
  const texts = await loadDocuments(folder, {
    ...(onNote === undefined
      ? {}
      : { onSkip: ({ file: name, reason }) => onNote(`left out: ${name}: ${reason}`) }),
  });
  const passagesFor = passageFinder(texts);
  const asked = races.map((evidence) => ({ evidence, passages: passagesFor(evidence), seed }));
  const made =
    planner !== undefined
      ? await planned(asked, planner)
      : writer !== undefined
        ? await written(asked, writer)
        : [];
  return asked.map((race, i): RaceFeedback => {
    const { evidence, passages } = race;
    const { feedback = composeFeedback(evidence, passages, { seed }), problem, note } = made[i] ?? {};
    if (problem !== undefined) onNote?.(problem);
    const notes = note === undefined ? [] : [note];
    if (evidence.chosen.length > 0 && feedback.passages.length === 0) notes.push(noAdvice(evidence, folder));
    return { evidence, feedback, data, notes };
  });
}

/** A race to write about. */
interface AskedRace {
  readonly evidence: RaceEvidence;
  readonly passages: readonly Document[];
  readonly seed: number;
}

/** What a model made of a race: feedback, or why there is none; the rule's is used then. */
interface Made {
  readonly feedback?: Feedback;
  /** For the caller. */
  readonly problem?: string;
  /** For the page. */
  readonly note?: string;
}

async function planned(
  asked: readonly AskedRace[],
  planner: NonNullable<RaceFeedbackOptions['planner']>,
): Promise<Made[]> {
  const plans = await planner(asked.map(({ evidence }) => evidence));
  requireAsMany(plans, { of: asked, what: 'plans', who: 'planner' });
  return asked.map(({ evidence, passages, seed }, i): Made => {
    try {
      return {
        feedback: requireClaims(composeFeedback(evidence, passages, { seed, plan: plans[i] }), evidence),
      };
    } catch (error) {
      if (!(error instanceof TunebookError)) throw error;
      return {
        problem: `its plan cannot be used: ${messageOf(error)}`,
        note: 'A model planned this text, but its plan could not be used: what is said follows the rule.',
      };
    }
  });
}

/** A race without a question has nothing to win: the rule writes. */
async function written(
  asked: readonly AskedRace[],
  writer: NonNullable<RaceFeedbackOptions['writer']>,
): Promise<Made[]> {
  const records = asked.map(({ evidence, passages, seed }) =>
    writtenRecord(evidence, { passages, form: 'evidence', seed }),
  );
  const questions = records.flatMap((one) =>
    one === undefined ? [] : [{ input: one.record.input, context: one.record.context }],
  );
  const texts = questions.length === 0 ? [] : await writer(questions);
  requireAsMany(texts, { of: questions, what: 'texts', who: 'writer' });
  let next = 0;
  return asked.map(({ evidence, seed }, i): Made => {
    const record = records[i];
    if (record === undefined) return {};
    const text = texts[next++];
    if (text.trim() === '')
      return {
        problem: 'its text cannot be used: it is empty',
        note: 'A model was to write this text and wrote nothing: what is said follows the rule.',
      };
    const feedback = checkedFeedback(text, evidence, record.shown, { seed });
    const { claims } = checkClaims(text, claimEvidence(evidence, record.shown));
    const wrong = claims.filter(({ supported }) => !supported).length;
    return {
      feedback,
      note:
        `A model wrote this text. The evidence bears out ${claims.length - wrong} of its ${claims.length} sentences` +
        (wrong === 0 ? '.' : '; the others are marked, each with the reason.'),
    };
  });
}

function requireAsMany(
  given: readonly string[],
  { of, what, who }: { of: readonly unknown[]; what: string; who: string },
): void {
  if (given.length !== of.length)
    throw new TunebookError(
      `raceFeedback: expected the ${who} to give ${of.length} ${what}, got ${given.length}.`,
    );
}

/** A model may write words of its own around the placeholders: the whole text goes through the claim check. */
function requireClaims(feedback: Feedback, evidence: RaceEvidence): Feedback {
  const { claims } = checkClaims(feedback.text, claimEvidence(evidence, feedback.passages));
  const wrong = claims.find(({ supported }) => !supported);
  if (wrong === undefined) return feedback;
  throw new TunebookError(
    `raceFeedback: expected claims that the evidence supports, got "${wrong.text}": ${wrong.reason}.`,
  );
}

/** Note that advice is missing: it is quoted or left out, never invented. */
function noAdvice({ chosen, segments }: RaceEvidence, folder: string): string {
  const names = segments.filter(({ column }) => chosen.includes(column)).map(({ name }) => name);
  return `There is no advice: no text in ${path.basename(path.resolve(folder))} is about ${names.join(' or ')}.`;
}
