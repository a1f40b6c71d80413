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
import type { RaceEvidence } from '../evidence/types';
import { claimEvidence, composeFeedback } from '../feedback/compose';
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
  /** Called for documents that cannot be read, and with the reason why a model's plan was not used. */
  onNote?: (text: string) => void;
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
      ...{ documents: true, seed: true, lang: true, planner: true, onNote: true },
    },
  });
  const { documents, seed = 42, planner, onNote } = options;
  wordsOf(options.lang);
  const { races, data } = await raceFileEvidence(file, options);
  const folder = documents ?? path.join(PACKAGE_ROOT, 'data', 'coaching');
  const texts = await loadDocuments(folder, {
    ...(onNote === undefined
      ? {}
      : { onSkip: ({ file: name, reason }) => onNote(`left out: ${name}: ${reason}`) }),
  });
  const passagesFor = passageFinder(texts);
  const plans = await planner?.(races);
  if (plans !== undefined && plans.length !== races.length)
    throw new TunebookError(
      `raceFeedback: expected the planner to give ${races.length} plans, got ${plans.length}.`,
    );
  const found: RaceFeedback[] = [];
  for (const [i, evidence] of races.entries()) {
    const passages = passagesFor(evidence);
    const notes: string[] = [];
    const compose = (plan?: string): Feedback =>
      composeFeedback(evidence, passages, { seed, ...(plan === undefined ? {} : { plan }) });
    let feedback: Feedback | undefined;
    if (plans !== undefined)
      try {
        feedback = requireClaims(compose(plans[i]), evidence);
      } catch (error) {
        if (!(error instanceof TunebookError)) throw error;
        onNote?.(`its plan cannot be used: ${messageOf(error)}`);
        notes.push(
          'A model planned this text, but its plan could not be used: what is said follows the rule.',
        );
      }
    const written = feedback ?? compose();
    if (evidence.chosen.length > 0 && written.passages.length === 0) notes.push(noAdvice(evidence, folder));
    found.push({ evidence, feedback: written, data, notes });
  }
  return found;
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
