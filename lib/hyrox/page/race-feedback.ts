/**
 * A file of races to feedback on each of them: evidence from a state, advice from documents, text, page.
 * Where it stands: what `tunebook feedback` does, without the command line.
 */
import path from 'node:path';
import { PACKAGE_ROOT } from '../../environment';
import { requireObject } from '../../types';
import { loadDocuments } from '../../retrieval';
import type { RaceEvidence } from '../evidence/types';
import { composeFeedback } from '../feedback/compose';
import type { Feedback } from '../feedback/types';
import { passagesAbout } from './passages';
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
  /** Told of documents that cannot be read. */
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
  const { documents, seed = 42, onNote } = options;
  wordsOf(options.lang);
  const { races, data } = await raceFileEvidence(file, options);
  const folder = documents ?? path.join(PACKAGE_ROOT, 'data', 'coaching');
  const texts = await loadDocuments(folder, {
    ...(onNote === undefined
      ? {}
      : { onSkip: ({ file: name, reason }) => onNote(`left out: ${name}: ${reason}`) }),
  });
  const found: RaceFeedback[] = [];
  for (const evidence of races) {
    const passages = passagesAbout(evidence, texts);
    const notes: string[] = [];
    const written = composeFeedback(evidence, passages, { seed });
    if (evidence.chosen.length > 0 && written.passages.length === 0) notes.push(noAdvice(evidence, folder));
    found.push({ evidence, feedback: written, data, notes });
  }
  return found;
}

/** Advice is quoted or left out, never made up. */
function noAdvice({ chosen, segments }: RaceEvidence, folder: string): string {
  const names = segments.filter(({ column }) => chosen.includes(column)).map(({ name }) => name);
  return `There is no advice: no text in ${path.basename(path.resolve(folder))} is about ${names.join(' or ')}.`;
}
