/** Records that models learn feedback from: plans that can be filled in, and texts that rest on what they show. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { before, describe, it } from 'node:test';
import { SAMPLE_FOLDER } from '../../data/hyrox/generate';
import { checkClaims } from '../../lib/eval';
import {
  adviceOf,
  checkRaces,
  claimEvidence,
  fillPlan,
  fit,
  planRecord,
  raceEvidence,
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
let passages: readonly Document[];

before(async () => {
  passages = await loadDocuments(path.join(SAMPLE_FOLDER, '..', 'coaching'));
});

describe('planRecord', () => {
  it('asks with what the rule decides by, and answers with the plan of the rule, which can be filled in', () => {
    for (const evidence of all) {
      const { context, response } = planRecord(evidence);
      const plan = readPlan(response);
      const behind = [...(/behind peers: ([^;]*)/.exec(context)?.[1] ?? '').matchAll(/([\d.]+) ([^,]+)/g)];
      const [, , third] = behind;
      const most = plan.verdict === 'outperformed' || Number(third?.[1] ?? 0) < 1 ? 2 : 3;
      const next = /behind the next level: ([^;]*)/.exec(context)?.[1] ?? 'none';
      const told = [
        ...behind.map(([, , name]) => name),
        ...next.split(', ').filter((name) => name !== 'none'),
      ];
      assert.deepEqual(plan.win, told.slice(0, most), context);
      assert.ok(fillPlan(response, evidence, passages).text.length > 200);
    }
  });

  it('has the race as a whole last, next to the answer', () => {
    const { finish } = all[0];
    const sign = finish.score > 0 ? '+' : '';
    assert.ok(
      planRecord(all[0]).context.endsWith(
        `; ahead of: ${finish.percentile} %; score: ${sign}${finish.score.toFixed(1)}`,
      ),
      planRecord(all[0]).context,
    );
  });
});

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
      const [first] = readPlan(planRecord(evidence).response).win;
      const { column } = evidence.segments.find(({ name }) => name === first) ?? {};
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

  it('has the times alone and no citation where the book is closed', () => {
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

  it('is none where no passage is about the segment, and names a form that is none', () => {
    assert.equal(writtenRecord(all[1], { passages: [], form: 'closed' }), undefined);
    assert.throws(
      // @ts-expect-error: another form
      () => writtenRecord(all[1], { passages, form: 'open' }),
      (error) => error instanceof TunebookError && error.message.includes(`'evidence', got "open"`),
    );
  });
});
