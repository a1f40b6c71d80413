/** Notebook 01 in a project's folder, on a setting that takes seconds: what the browser tests open. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import type { Workplace } from '../../support/make-notebook';
import { ROOT } from '../../support/paths';

/** Steps that the short setting trains for. */
export const SHORT_STEPS = 80;

/** Places of cells in notebook 01. */
export const NOTEBOOK_CELLS = {
  imports: 4,
  data: 6,
  verdicts: 8,
  trainer: 18,
  training: 20,
  samples: 24,
  last: 30,
} as const;

/** A short setting: what the parameters' cell and the training cell say, and what they say here. */
const short: [RegExp, string][] = [
  [/(?<=maxRecords: [^=]*= )[^;]*/, '100'],
  [/(?<=maxSteps: number = )\d+/, String(SHORT_STEPS)],
  [/(?<=batchSize: number = )\d+/, '1'],
  [/(?<=evalRecords: number = )\d+/, '2'],
  [/Math\.ceil\(maxSteps \/ \d\)/g, 'maxSteps'], // one evaluation, one checkpoint
  [/(?<=maxNewTokens: )\d+/g, '12'],
];

/** A project's folder as a user has it: notebooks/, node_modules/, and the short form of notebook 01. */
export function makeProject(place: Workplace): string {
  const project = place.file('project');
  fs.mkdirSync(path.join(project, 'notebooks'), { recursive: true });
  // JupyterLab's server gives out no file behind a link: interactive figures find plotly.js beside the kernelspec.
  fs.symlinkSync(path.join(ROOT, 'node_modules'), path.join(project, 'node_modules'));
  let text = fs.readFileSync(path.join(ROOT, 'notebooks', '01-gpt2-finetuning.ipynb'), 'utf8');
  for (const [from, to] of short) {
    assert.match(text, from, 'notebook 01 no longer says this');
    text = text.replace(from, to);
  }
  fs.writeFileSync(path.join(project, 'notebooks', '01.ipynb'), text);
  return project;
}
