/** The sample's races, a state of them, and the coaching passages: what feedback is written from in tests. */
import path from 'node:path';
import { checkRaces, claimEvidence, composeFeedback, fit, raceEvidence, readRaces } from '../../lib/hyrox';
import type { Feedback, RaceEvidence } from '../../lib/hyrox';
import type { ClaimEvidence } from '../../lib/eval';
import { loadDocuments } from '../../lib/retrieval';
import { ROOT } from '../support/paths';
import { SAMPLE_FOLDER } from '../../data/hyrox/generate';

const { table, log } = readRaces(path.join(SAMPLE_FOLDER, 'hyrox-sample.csv'));
export const races = checkRaces(table, log);
export const state = fit(races);
export const passages = loadDocuments(path.join(ROOT, 'data', 'coaching'));

/** Feedback on one race, and what it rests on. */
export interface Answer {
  readonly row: number;
  readonly evidence: RaceEvidence;
  readonly feedback: Feedback;
  readonly claims: ClaimEvidence;
}

/** Feedback on every so many races of the sample, a third of them with an earlier race. */
export async function answersEvery(step: number): Promise<Answer[]> {
  const documents = await passages;
  const answers: Answer[] = [];
  for (let row = 5; row < races.size; row += step) {
    const earlier = answers.length % 3 === 0 ? { earlier: races } : {};
    const evidence = raceEvidence(state, races, { row, ...earlier });
    const feedback = composeFeedback(evidence, documents, { seed: row });
    answers.push({ row, evidence, feedback, claims: claimEvidence(evidence, feedback.passages) });
  }
  return answers;
}
