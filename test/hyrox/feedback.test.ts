/** Composed feedback: what it says, against the evidence; its grammar, sentence by sentence; plans and what they lack. */
import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import path from 'node:path';
import { checkClaims } from '../../lib/eval';
import {
  adviceOf,
  claimEvidence,
  clockText,
  composeFeedback,
  ENGLISH,
  fillPlan,
  fit,
  planFeedback,
  raceEvidence,
  readMappedTable,
  readMapping,
  readPlan,
} from '../../lib/hyrox';
import type { Feedback, RaceEvidence } from '../../lib/hyrox';
import { TRIATHLON_FOLDER } from '../../data/triathlon/generate';
import { answersEvery, passages, races, state } from './coaching';
import { readThrough } from './grammar';

describe('composeFeedback on 200 races of the sample', async () => {
  const documents = await passages;
  const answers = await answersEvery(12);

  it('says the verdict, the chosen segments, what they would do, and advice on each', () => {
    for (const { row, evidence, feedback } of answers) {
      const { finish, chosen, segments, reach, lines } = evidence;
      const of = (kind: string): string =>
        feedback.paragraphs
          .filter((paragraph) => paragraph.kind === kind)
          .map(({ text }) => text)
          .join(' ');
      assert.ok(of('verdict').includes(clockText(finish.own)), `row ${row}`);
      const words = {
        slower: 'slower than expected',
        close: 'close to',
        outperformed: 'faster than expected',
      };
      assert.ok(of('verdict').includes(words[finish.verdict]) || of('verdict').includes('outperformed'));
      assert.deepEqual(
        feedback.paragraphs.filter(({ kind }) => kind === 'segment').map(({ segment }) => segment),
        chosen,
      );
      if (finish.verdict === 'outperformed') assert.ok(chosen.length <= 2);
      for (const column of chosen) {
        const segment = segments.find((one) => one.column === column);
        const text = feedback.paragraphs.find((one) => one.segment === column)?.text ?? '';
        assert.ok(
          segment && text.includes(clockText(segment.own)) && text.toLowerCase().includes(segment.name),
          text,
        );
        const advice = documents.filter((passage) => text.includes(adviceOf(passage).replace(/\.$/, '')));
        assert.deepEqual(
          advice.map(({ metadata }) => metadata.segment),
          [column],
          text,
        );
      }
      if (reach.peers) assert.ok(of('reach').includes(clockText(reach.peers.finish)));
      assert.match(of('focus'), /[Ff]our weeks/);
      assert.ok(of('strengths').length > 0);
      assert.ok(!/\d_|_time|1000m|\d+m /.test(feedback.text), 'columns are not for people');
      const ids = [...new Set([...feedback.text.matchAll(/\[(\d+)\]/g)].map(([, id]) => Number(id)))];
      assert.deepEqual(
        feedback.citations.map(({ id }) => id),
        ids.sort((a, b) => a - b),
      );
      assert.equal(lines.length + feedback.passages.length, Math.max(...ids, lines.length));
      assert.ok(evidence.notes.every((note) => feedback.text.includes(note.replace(/\.$/, ''))));
    }
  });

  it('has no sentence that the grammar of the texts does not know, and none with a fault of its own', () => {
    const read = readThrough(answers);
    assert.ok(answers.length >= 199 && read > 2500, `${answers.length} answers, ${read} sentences`);
  });

  it('varies: other seeds and other races get other wordings', () => {
    const [{ evidence }] = answers;
    const texts = [1, 2, 3, 4, 5, 6].map((seed) => composeFeedback(evidence, documents, { seed }).text);
    assert.equal(new Set(texts).size, texts.length);
    assert.equal(composeFeedback(evidence, documents, { seed: 3 }).text, texts[2]);
    const openings = answers.map(({ feedback }) => feedback.text.replace(/\d[\d:]*/g, '#').slice(0, 30));
    assert.ok(new Set(openings).size >= 8, `${new Set(openings).size} openings`);
  });

  it('is the same text for the same seed and evidence', () => {
    for (const { row, evidence, feedback } of answers.slice(0, 9))
      assert.deepEqual(
        composeFeedback(JSON.parse(JSON.stringify(evidence)) as RaceEvidence, documents, { seed: row }),
        feedback,
      );
  });

  it('keeps the figures of its headline to those of the text', () => {
    for (const { feedback } of answers)
      for (const figure of feedback.headline.match(/\d+:[\d:]*\d|\d+ seconds?/g) ?? [])
        assert.ok(feedback.text.includes(figure), feedback.headline);
  });
});

describe('plans', async () => {
  const documents = await passages;
  const evidence = raceEvidence(state, races, { row: 1003 });
  const fill = (plan: string): Feedback => fillPlan(plan, evidence, documents);

  it('say what the rule decided, and are filled in to what composeFeedback writes', () => {
    const plan = planFeedback(evidence, { passages: documents });
    const choices = readPlan(plan);
    const nameOf = (column: string): string =>
      evidence.segments.find((one) => one.column === column)?.name ?? '';
    assert.equal(choices.verdict, evidence.finish.verdict);
    assert.deepEqual(choices.win, evidence.chosen.map(nameOf));
    assert.deepEqual(choices.advice.slice(0, choices.win.length), choices.win);
    assert.ok(plan.length < 600, plan);
    assert.deepEqual(fill(plan), composeFeedback(evidence, documents));
    assert.deepEqual(composeFeedback(evidence, documents, { plan }), composeFeedback(evidence, documents));
  });

  it('may hold words of their own around figures, and the claim check reads them', () => {
    const [first] = evidence.chosen;
    const segment = evidence.segments.find(({ column }) => column === first);
    assert.ok(segment?.faster);
    const { name } = segment;
    const { text, passages: quoted } = fill(
      `In ${name} you took {you ${name}}, your peers {peers ${name}} and the next level {faster ${name}} {cite ${name}}.\n{advice ${name}}`,
    );
    assert.ok(
      text.startsWith(
        `In ${name} you took ${clockText(segment.own)}, your peers ${clockText(segment.peers.median)} and ` +
          `the next level ${clockText(segment.faster.median)} [${segment.line}].`,
      ),
    );
    assert.equal(checkClaims(text, claimEvidence(evidence, quoted)).supportedShare, 1);
  });

  it('are refused where the evidence lacks what they ask for', () => {
    const other = evidence.finish.verdict === 'slower' ? 'close' : 'slower';
    const strong = evidence.segments.find(({ peers, faster }) => peers.gap < 0 && (faster?.gap ?? 0) < 0);
    const weak = evidence.segments.find(({ column }) => column === evidence.chosen[0]);
    const cases: readonly [string, RegExp][] = [
      [`{verdict ${other}}`, new RegExp(`expected evidence for "{verdict ${other}}", got a verdict of`)],
      ['{win sled}', /"\{win sled\}", got ski, sled push, sled pull/],
      ['{well}', /"\{well\}", got ski, sled push/],
      ['{weather}', /"\{weather\}", got verdict, standing, change/],
      ['{change}', /"\{change\}", got no earlier race/],
      ['{advice sled pull: dancing}', /expected a passage about sled pull and dancing, got none among \d+/],
      ['tone: rude\n{best}', /expected a tone \(celebrate, steady, direct, gentle\), got "rude"/],
      ['tone: direct', /expected a placeholder in each line.*got none/],
      ['{best}\nEat spoons and run.', /expected a placeholder in each line.*got Eat spoons and run\./],
      [`{win ${strong?.name}}`, /behind neither peers nor the next level/],
      [`{focus ${weak?.name}, ${strong?.name}}`, /behind neither peers nor the next level/],
      [`{well ${weak?.name}}`, new RegExp(`got ${weak?.name}, which is no strength`)],
      ['{notes}', /"\{notes\}", got no notes/],
    ];
    assert.ok(strong && weak);
    for (const [plan, message] of cases) assert.throws(() => fill(plan), message, plan);
    assert.throws(
      () => fillPlan('{best}', evidence, [{}] as never),
      /expected a passage \{ pageContent, metadata \}/,
    );
    assert.throws(() => composeFeedback({} as RaceEvidence, []), /expected the evidence of a race/);
  });

  it('are refused where few races are there to compare with', () => {
    const alone: RaceEvidence = {
      ...evidence,
      reach: {},
      groups: { ...evidence.groups, similar: { ...evidence.groups.similar, widened: true } },
      segments: evidence.segments.map(({ faster: _, ...segment }) => segment),
    };
    const cases: readonly [string, RegExp][] = [
      ['{standing}', /"\{standing\}", got too few races of this sex and age/],
      ['{reach}', /"\{reach\}", got no segment that is behind them/],
      ['{next}', /"\{next\}", got no segment that is behind them/],
      [
        '{best}\nThe next level takes {faster ski} {cite ski}.',
        /"\{faster ski\}", got no next level to compare with/,
      ],
      ['{best}\nThat is {next ski} more {cite ski}.', /"\{next ski\}", got no next level to compare with/],
    ];
    for (const [plan, message] of cases) {
      assert.throws(() => fillPlan(plan, alone, documents), message, plan);
      assert.doesNotThrow(() => fill(plan), plan);
    }
  });

  it('may be short sentences, and are refused when these say what cannot be', () => {
    const compose = (plan: string): Feedback => composeFeedback(evidence, documents, { plan });
    const { verdict } = evidence.finish;
    const said = { slower: 'slower than expected', close: 'close to expected', outperformed: 'outperformed' };
    const [first, second] = evidence.chosen;
    const one = compose(`You were ${said[verdict]}. To improve: ${second}.`);
    assert.deepEqual(readPlan(one.plan).win, [
      evidence.segments.find(({ column }) => column === second)?.name,
    ]);
    assert.ok(!one.plan.includes('{reach}'), 'what all chosen segments are worth is not said of one');
    assert.equal(checkClaims(one.text, claimEvidence(evidence, one.passages)).supportedShare, 1);
    const none = compose(`You ${said[verdict]}.`);
    assert.deepEqual(readPlan(none.plan).win, []);
    const strong = evidence.segments.find(({ peers, faster }) => peers.gap < 0 && (faster?.gap ?? 0) < 0);
    const other = verdict === 'slower' ? 'close' : 'slower';
    const cases: readonly [string, RegExp][] = [
      [`You ${said[other]}. Improve: ${first}.`, /expected evidence for "\{verdict \w+\}", got a verdict of/],
      [`${said[verdict]}, improve: sled.`, /expected segments of the race \(1000m Ski, .*, got "sled"/],
      [`${said[verdict]}, improve: ${strong?.column}.`, /behind neither peers nor the next level/],
      [`${said[verdict]}, improve: a, b, c, d.`, /expected at most 3 segments in a plan, got 4: a, b, c, d/],
      ['Well run.', /expected a placeholder in each line.*got Well run\./],
    ];
    assert.ok(strong);
    for (const [plan, message] of cases) assert.throws(() => compose(plan), message, plan);
    assert.throws(
      () => planFeedback(evidence, { choice: 'Well run.' }),
      /expected a plan that says slower than expected, close to expected or outperformed, got "Well run\."/,
    );
  });

  it('leave advice out where no passage is about a segment', () => {
    const { text, passages: quoted } = composeFeedback(evidence, []);
    assert.deepEqual(quoted, []);
    assert.equal(checkClaims(text, claimEvidence(evidence, [])).supportedShare, 1);
  });
});

describe('feedback on another sport', () => {
  it('uses no word that is the name of a segment somewhere', () => {
    const values = JSON.stringify({ ...ENGLISH, phrases: undefined }).replace(/\{\w+\}|"\w+":/g, '');
    const names = /\b(run|swim|bike|ride|row|ski|pull|push|carry|jump|lunges?|change|transition)\b/gi;
    assert.deepEqual(values.match(names), null);
  });

  it('speaks of its own segments, and is accepted by the claim check', () => {
    const mapping = readMapping(path.join(TRIATHLON_FOLDER, 'mapping.json'));
    const { table } = readMappedTable(path.join(TRIATHLON_FOLDER, 'triathlon-sample.csv'), mapping);
    const own = fit(table, { mapping });
    const swim = {
      pageContent: '# Sighting\n\nLift your eyes every sixth stroke.',
      metadata: { segment: 'swim' },
    };
    let quoted = 0;
    for (let row = 0; row < table.size; row += 9) {
      const evidence = raceEvidence(own, table, { row });
      const feedback = composeFeedback(evidence, [swim], { seed: row });
      const { claims } = checkClaims(feedback.text, claimEvidence(evidence, feedback.passages));
      assert.deepEqual(
        claims.filter(({ supported }) => !supported),
        [],
      );
      if (feedback.text.includes('Lift your eyes every sixth stroke [')) quoted++;
    }
    assert.ok(quoted > 0);
  });
});
