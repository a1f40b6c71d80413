/** `tunebook feedback --model` through the built program: planners of both kinds, writers, models that have learned neither. */
import { before, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import {
  filledPlan,
  loadNewRaces,
  loadState,
  PLAN_TEMPLATE,
  planForm,
  raceEvidence,
  readPlan,
} from '../../../lib/hyrox';
import type { RaceFeedback } from '../../../lib/hyrox';
import { AutoModelForCausalLM, generateAnswers, savePretrained } from '../../../lib/pretrained';
import { AutoTokenizer } from '../../../lib/tokenizer';
import { at, races, rows, tunebook } from './feedback-place';

const one = races('one.csv', rows[1000]);

before(() => {
  const built = tunebook('dataset', 'build', races('all.csv', ...rows.slice(0, 800)), '-o', 'all.jsonl');
  assert.equal(built.status, 0, built.stderr);
});

describe('tunebook feedback --model', () => {
  it('asks a model that was saved with the prompt of plans to fill in a form, and takes what it decides', async () => {
    const model = await AutoModelForCausalLM.fromPretrained('gpt2-mini');
    const tokenizer = await AutoTokenizer.fromPretrained('gpt2-mini');
    await savePretrained(model, at('planner'), { prompt: { tokenizer, template: PLAN_TEMPLATE } });
    await model.dispose();
    const state = await loadState(at('all.state.json'));
    const { table } = loadNewRaces(at(races('some.csv', ...rows.slice(800, 824))), state);
    const known = Array.from({ length: table.size }, (_, row) => raceEvidence(state, table, { row }));
    const forms = known.map((evidence) => planForm(evidence));
    const { answers } = await generateAnswers(
      forms.map(({ prompt }) => prompt),
      {
        ...{ model: at('planner'), isRaw: true, maxNewTokens: 320 },
        allowedForms: forms.map(({ form }) => form),
      },
    );
    const plans = answers.map((answer, i) => readPlan(filledPlan(known[i], answer)));
    const place = plans.findIndex(
      ({ verdict, win }, i) =>
        verdict === known[i].finish.verdict && win.length < 4 && win.join() !== known[i].chosen.join(),
    );
    assert.ok(place >= 0, "expected a plan that can be filled in and is not the rule's");
    const chosen = races('planned.csv', rows[800 + place]);
    const run = tunebook('feedback', chosen, '--state', 'all.state.json', '--model', 'planner', '--json');
    assert.equal(run.status, 0, run.stderr);
    assert.doesNotMatch(run.stderr, /cannot be used/);
    const [{ feedback, evidence }] = (JSON.parse(run.stdout) as { races: RaceFeedback[] }).races;
    assert.deepEqual(
      readPlan(feedback.plan).win,
      plans[place].win.map((column) => evidence.segments.find((one) => one.column === column)?.name),
    );
  });

  it('lets a model plan or write; one that has not learned to is named, and the rule plans, or what it writes is marked', () => {
    const run = tunebook(
      'feedback',
      one,
      '--state',
      'all.state.json',
      '--model',
      'gpt2-mini',
      '-o',
      'm.html',
    );
    assert.equal(run.status, 0, run.stderr);
    assert.match(run.stderr, /its plan cannot be used: fillPlan: expected/);
    assert.match(fs.readFileSync(at('m.html'), 'utf8'), /A model planned this text, but/);
    const [alone, written] = [['--write'], ['--write', '--model', 'gpt2-mini']].map((words) =>
      tunebook('feedback', one, '--state', 'all.state.json', '--json', ...words),
    );
    assert.equal(alone.status, 2);
    assert.match(alone.stderr, /expected --model FOLDER beside --write/);
    assert.equal(written.status, 0, written.stderr);
    const [{ feedback, notes }] = (JSON.parse(written.stdout) as { races: RaceFeedback[] }).races;
    assert.match(
      notes[0],
      /^A model wrote this text\. The evidence bears out 0 of its \d+ sentences; the others/,
    );
    for (const { text, unsupported = [] } of feedback.paragraphs)
      assert.ok(unsupported.length > 0 && unsupported.every(({ reason }) => reason !== ''), text);
    const missing = tunebook(
      'feedback',
      one,
      '--state',
      'all.state.json',
      '--model',
      './none',
      '-o',
      'n.html',
    );
    assert.equal(missing.status, 1);
    assert.match(missing.stderr, /none/);
    assert.ok(!fs.existsSync(at('n.html')));
  });
});
