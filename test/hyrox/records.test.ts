/** Records that models learn feedback from: plans that can be filled in, and texts that rest on what they show. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { before, describe, it } from 'node:test';
import { SAMPLE_FOLDER } from '../../data/hyrox/generate';
import { checkClaims } from '../../lib/eval';
import {
  adviceOf,
  balanceVerdicts,
  checkRaces,
  claimEvidence,
  classifyVerdict,
  composeFeedback,
  FEEDBACK_TEMPLATE,
  filledPlan,
  fit,
  isPlanPrompt,
  labelRaces,
  namedSegments,
  PLAN_TEMPLATE,
  planForm,
  planPrompt,
  planRecord,
  planTexts,
  raceEvidence,
  readContext,
  readPlan,
  readRaces,
  writtenRecord,
} from '../../lib/hyrox';
import type { RaceEvidence } from '../../lib/hyrox';
import { loadDocuments } from '../../lib/retrieval';
import type { Document } from '../../lib/retrieval';
import { TunebookError } from '../../lib/types';

const { table, log } = readRaces(path.join(SAMPLE_FOLDER, 'hyrox-sample.csv'));
const races = checkRaces(table, log);
const state = fit(races);
const all: readonly RaceEvidence[] = Array.from({ length: 60 }, (_, i) =>
  raceEvidence(state, races, { row: 39 * i }),
);
const { records } = labelRaces({ ...state, answers: { ...state.answers, kind: 'plain' } }, races);
let passages: readonly Document[];

before(async () => {
  passages = await loadDocuments(path.join(SAMPLE_FOLDER, '..', 'coaching'));
});

describe('planRecord', () => {
  it('asks in the form of the labels, and its answer follows from the question', () => {
    for (const { finish, segments, chosen, ...evidence } of all) {
      const { input, context, response } = planRecord({ finish, segments, chosen, ...evidence });
      assert.equal(input, records[0].input);
      const facts = readContext(context);
      assert.deepEqual([facts.residual, facts.score], [finish.residual, finish.score]);
      assert.equal(classifyVerdict(response), finish.verdict);
      assert.deepEqual(namedSegments(response), chosen, context);
      const listed = facts.segments.filter(({ z }) => z > 0.5).map(({ name }) => name);
      assert.deepEqual(listed, chosen, context);
      assert.deepEqual(
        facts.segments.map(({ name }) => name).sort(),
        segments.map(({ column }) => column).sort(),
      );
      const scores = facts.segments.map(({ z }) => z);
      assert.ok(scores.every((z) => z >= -3 && z <= 2.4));
    }
    const clusterOf = (context: string): string | undefined => /cluster: (\d+)/.exec(context)?.[1];
    assert.equal(records.length, races.size);
    for (const [i, evidence] of all.entries())
      assert.equal(clusterOf(planRecord(evidence).context), clusterOf(records[39 * i].context));
    const [first] = records;
    assert.match(planRecord(all[0]).context.replace(/z: .*, residual/, ''), shapeOf(first.context));
  });

  it('is a plan that is filled in as the rule plans', () => {
    for (const evidence of all) {
      const { response } = planRecord(evidence);
      const made = composeFeedback(evidence, passages, { plan: response });
      assert.deepEqual(made, composeFeedback(evidence, passages));
      const { verdict, win } = readPlan(response);
      assert.deepEqual({ verdict, win }, { verdict: evidence.finish.verdict, win: evidence.chosen });
    }
  });

  it('has the same question in planPrompt, as a model is asked', () => {
    const record = planRecord(all[5]);
    assert.equal(planPrompt(all[5]), FEEDBACK_TEMPLATE.formatPrompt(record));
  });
});

describe('planTexts', () => {
  it("are all plans that can be filled in, the rule's among them; wrong verdicts alone are refused", () => {
    for (const evidence of all.slice(0, 12)) {
      const texts = planTexts(evidence);
      assert.equal(new Set(texts).size, texts.length);
      assert.ok(texts.includes(planRecord(evidence).response));
      const behind = evidence.segments.filter(({ peers, faster }) => peers.gap > 0 || (faster?.gap ?? 0) > 0);
      const n = behind.length;
      assert.equal(texts.length, 3 * (1 + n + (n * (n - 1)) / 2 + (n * (n - 1) * (n - 2)) / 6));
      for (const [i, text] of texts.entries()) {
        const compose = (): string => composeFeedback(evidence, passages, { plan: text }).text;
        if (classifyVerdict(text) !== evidence.finish.verdict) {
          if (i % 40 === 0) assert.throws(compose, /expected evidence for "\{verdict/);
          continue;
        }
        if (i % 7 !== 0) continue;
        const made = composeFeedback(evidence, passages, { plan: text });
        assert.equal(checkClaims(made.text, claimEvidence(evidence, made.passages)).supportedShare, 1);
        assert.deepEqual(
          made.paragraphs.flatMap(({ kind, segment }) => (kind === 'segment' ? [segment] : [])),
          namedSegments(text),
        );
      }
    }
  });
});

describe('planForm', () => {
  it('asks for a decision behind each score, and the rule fills it in as it plans', () => {
    for (const evidence of all) {
      const { input, prompt, form, response } = planForm(evidence);
      assert.equal(prompt, PLAN_TEMPLATE.formatPrompt({ input }));
      const lines = response.split('\n');
      const [finish, ...others] = lines.map(
        (line) => /^(?:finish )?([+-]?\d\.\d)(.*): (.+)$/.exec(line) ?? [],
      );
      const score = Number(finish[1]);
      const verdict =
        score >= 1 ? 'slower than expected' : score <= -1 ? 'outperformed' : 'close to expected';
      assert.equal(finish[3], verdict, response);
      assert.deepEqual(
        others.map(([, , name]) => name.trim()),
        evidence.segments.map(({ name }) => name),
        'the order of the race, which says nothing about the choice',
      );
      for (const [i, [line, z, , decision]] of others.entries()) {
        assert.equal(decision, Number(z) > 0.5 ? 'work' : 'fine', line);
        assert.equal(decision === 'work', evidence.chosen.includes(evidence.segments[i].column));
      }
      assert.equal(filledPlan(evidence, response), planRecord(evidence).response);
      assert.equal(form.filter((part) => typeof part !== 'string').length, 1 + evidence.segments.length);
    }
  });

  it('names what was decided, most time first, and refuses what is no filling of this race', () => {
    const evidence = all.find(({ chosen }) => chosen.length > 1);
    assert.ok(evidence);
    const { response } = planForm(evidence);
    const names = (answer: string): string[] => namedSegments(filledPlan(evidence, answer));
    assert.deepEqual(names(response.replaceAll(': work', ': fine')), []);
    const first = evidence.segments.find(({ column }) => column === evidence.chosen[0]);
    assert.deepEqual(
      names(response.replace(`${first?.name}: work`, `${first?.name}: fine`)),
      evidence.chosen.slice(1),
    );
    const other = all.find((one) => one !== evidence);
    for (const answer of [
      '',
      'You performed close to expected levels.',
      planForm(other ?? evidence).response,
    ])
      assert.throws(() => filledPlan(evidence, answer), /^TunebookError: filledPlan: expected /);
  });

  it('is learned from each verdict as often as from the others, rarer ones again', () => {
    const verdicts = balanceVerdicts(all, 90).map(({ finish }) => finish.verdict);
    for (const verdict of ['slower', 'close', 'outperformed'])
      assert.equal(verdicts.filter((one) => one === verdict).length, 30, verdict);
    const one = all.filter(({ finish }) => finish.verdict === 'close').slice(0, 2);
    assert.deepEqual(balanceVerdicts(one, 3), [one[0], one[1], one[0]]);
    assert.throws(() => balanceVerdicts([], 3), /at least one race, got none/);
  });

  it('knows its own prompt in a saved folder, and no other', () => {
    const saved = JSON.parse(JSON.stringify(PLAN_TEMPLATE.travel?.description)) as object;
    assert.ok(isPlanPrompt(saved));
    assert.ok(!isPlanPrompt({ ...FEEDBACK_TEMPLATE.travel?.description }));
    assert.ok(!isPlanPrompt({}));
  });
});

/** A context without its list, any number for each of its own. */
function shapeOf(context: string): RegExp {
  const bare = context.replace(/z: .*, residual/, '');
  return new RegExp(`^${bare.replace(/[+-]?\d+(\.\d)?/g, '[+-]?\\d+(\\.\\d)?')}$`);
}

describe('writtenRecord', () => {
  it('shows lines to cite and an advice to quote among others; each claim of its answer is supported', () => {
    const counts = { records: 0, citations: new Set<number>() };
    for (const [i, evidence] of all.entries()) {
      const made = writtenRecord(evidence, { passages, form: 'evidence', seed: i });
      if (made === undefined) continue;
      counts.records++;
      const { record, shown } = made;
      assert.equal(
        checkClaims(record.response, claimEvidence(evidence, shown)).supportedShare,
        1,
        record.response,
      );
      const [column] = evidence.chosen;
      assert.equal(shown.length, 3);
      assert.equal(shown.filter(({ metadata }) => metadata.segment === column).length, 1);
      for (const passage of shown) assert.ok(record.context.includes(adviceOf(passage)));
      const quoted = shown.findIndex(({ metadata }) => metadata.segment === column);
      counts.citations.add(quoted);
      assert.ok(record.response.includes(`[${evidence.lines.length + 1 + quoted}]`), record.response);
    }
    assert.ok(counts.records > 50, String(counts.records));
    assert.deepEqual([...counts.citations].sort(), [0, 1, 2], 'expected the advice in each place');
  });

  it('has only the times and no citation when the book is closed', () => {
    const evidence = all[3];
    const { record } = writtenRecord(evidence, { passages, form: 'closed' }) ?? {};
    assert.doesNotMatch(`${record?.context}${record?.response}`, /\[\d+\]/);
    for (const { name, own } of evidence.segments) assert.ok(record?.context.includes(`${name} ${own}`));
  });

  it('is the same for the same seed, and another text for another', () => {
    const of = (seed: number): string =>
      JSON.stringify(writtenRecord(all[1], { passages, form: 'evidence', seed })?.record);
    assert.equal(of(1), of(1));
    assert.ok(new Set([1, 2, 3, 4, 5].map(of)).size > 3);
  });

  it('gives none when no passage is about the segment, and refuses an unknown form', () => {
    assert.equal(writtenRecord(all[1], { passages: [], form: 'closed' }), undefined);
    assert.throws(
      // @ts-expect-error: another form
      () => writtenRecord(all[1], { passages, form: 'open' }),
      (error) => error instanceof TunebookError && error.message.includes(`'evidence', got "open"`),
    );
  });
});
