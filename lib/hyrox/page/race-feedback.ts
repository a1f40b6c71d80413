/**
 * A file of races to feedback on each of them: evidence from a state, advice from documents, text, page.
 * Where it stands: what `tunebook feedback` does, without the command line.
 */
import path from 'node:path';
import { PACKAGE_ROOT } from '../../environment';
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
  /** Folder of .md, .txt and .pdf files that advice is quoted from. Default: the coaching passages of the package. */
  documents?: string;
  /** Of wordings and of which advice is quoted. Default 42. */
  seed?: number;
  /** Default 'en'. */
  lang?: string;
  /**
   * Says what is said: a model that writes a plan for each race. Where one cannot be filled in, or a claim of the text is
   * not supported, the rule's is taken, and the page says so. Default: planned by rule.
   */
  planner?: (races: readonly RaceEvidence[]) => Promise<readonly string[]>;
  /** Told of documents that cannot be read, and why a model's plan was not taken. */
  onNote?: (text: string) => void;
}

/** Feedback on one race. */
export interface RaceFeedback {
  readonly evidence: RaceEvidence;
  readonly feedback: Feedback;
  /** Which races are compared with, in words. */
  readonly data: string;
  /** What a reader has to know beside the evidence's notes. */
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

/** Words of a model's own stand beside the placeholders: all of it goes through the claim check. */
function requireClaims(feedback: Feedback, evidence: RaceEvidence): Feedback {
  const { claims } = checkClaims(feedback.text, claimEvidence(evidence, feedback.passages));
  const wrong = claims.find(({ supported }) => !supported);
  if (wrong === undefined) return feedback;
  throw new TunebookError(
    `raceFeedback: expected claims that the evidence supports, got "${wrong.text}": ${wrong.reason}.`,
  );
}

/** Advice is quoted or left out, never made up. */
function noAdvice({ chosen, segments }: RaceEvidence, folder: string): string {
  const names = segments.filter(({ column }) => chosen.includes(column)).map(({ name }) => name);
  return `There is no advice: no text in ${path.basename(path.resolve(folder))} is about ${names.join(' or ')}.`;
}
