/**
 * Notebook 03 run without a person on another athlete, and on another sport: its page is there, and its figures are
 * those of the library.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { joinText, readNotebook, validateNotebook } from '../../lib/notebook/format/nbformat';
import { runNotebook } from '../../lib/notebook/run/runner';
import { ROOT } from '../support/paths';
import { LONG } from '../support/long';

const notebook = path.join(ROOT, 'notebooks', '03-retrieval.ipynb');
const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-nb03-'));
after(() => fs.rmSync(temporary, { recursive: true, force: true }));
const triathlon = path.join(ROOT, 'data', 'triathlon');

interface Metrics {
  races: number;
  held: number;
  neighbors: { neighbors: number; chance: number };
  retrieval: Record<'words' | 'meaning' | 'joint', { value: number }>;
  passing: Record<string, Record<string, number>>;
  choices: { planner: string; verdict: number; segmentF1: number; lists: number }[];
  arms: Record<string, Record<string, number>>;
}

for (const { what, parameters, size, segment, ...long } of [
  {
    what: 'another athlete, and a model that has not learned to write',
    parameters: { athlete: 12, models: 'gpt2-mini', planSteps: 1, writeSteps: 1, evalRecords: 3 },
    size: 2395,
    segment: 'sled pull',
  },
  {
    what: 'another sport',
    parameters: {
      data: path.join(triathlon, 'triathlon-sample.csv'),
      mapping: path.join(triathlon, 'mapping.json'),
      models: '',
    },
    size: 596,
    segment: 'swim',
    ...LONG,
  },
])
  test(`notebook 03 runs: ${what}`, { ...long, timeout: 240_000 }, async () => {
    const folder = path.join(temporary, segment);
    const output = path.join(folder, 'run.ipynb');
    const result = await runNotebook({ notebook, output, parameters: { athletes: 40, ...parameters } });
    assert.equal(result.status, 'ok', result.message);
    const executed = readNotebook(output);
    assert.deepEqual(validateNotebook(executed), []);
    const outputs = executed.cells.flatMap((cell) => cell.outputs ?? []);
    const pictures = outputs.filter((one) => 'data' in one && 'image/svg+xml' in one.data);
    assert.ok(pictures.length >= 9, `expected nine static figures, got ${pictures.length}`);
    const text = outputs.map((one) => (one.output_type === 'stream' ? joinText(one.text) : '')).join('');
    assert.match(text, new RegExp(`\\[\\d+\\] ${segment}: you \\d+:\\d\\d, peers \\d+:\\d\\d`));

    const metrics = JSON.parse(fs.readFileSync(path.join(folder, 'metrics.json'), 'utf8')) as Metrics;
    assert.equal(metrics.races + metrics.held, size);
    assert.equal(metrics.held, Math.round(size / 10));
    assert.ok(metrics.neighbors.neighbors < metrics.neighbors.chance);
    const { words, meaning, joint } = metrics.retrieval;
    assert.ok(joint.value > words.value && joint.value > meaning.value);
    assert.equal(metrics.passing['as composed']['claim check'], 1);
    assert.equal(metrics.passing['wrong number']['claim check'], 0);
    assert.equal(metrics.passing['name swapped']['claim check'], 0);
    const arms = ['closed book', 'evidence shown', 'RAFT', 'plan + fill'].map((name) => `gpt2-mini: ${name}`);
    assert.deepEqual(Object.keys(metrics.arms), size === 2395 ? [...arms, 'composer'] : []);
    for (const [name, judged] of Object.entries(metrics.arms))
      if (/fill|composer/.test(name)) assert.equal(judged['claims supported'], 1, name);
      else assert.ok(judged['claims supported'] < 1, name);
    const rules = ['no segment', 'the first two', 'the two most usual', 'all that are behind'];
    assert.deepEqual(
      metrics.choices.map(({ planner }) => planner),
      size === 2395 ? ['gpt2-mini', ...rules, 'the two highest scores'] : [],
    );
    for (const { planner, segmentF1 } of metrics.choices)
      if (planner === 'no segment') assert.equal(segmentF1, 0);
    const page = fs.readFileSync(path.join(folder, 'feedback.html'), 'utf8');
    assert.ok(page.toLowerCase().includes(segment) && page.length < 400e3);
  });
