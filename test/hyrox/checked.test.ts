/** A text in a model's own words: each sentence that the evidence does not bear out is marked in every form of the page. */
import { before, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { JSDOM } from 'jsdom';
import { SAMPLE_FOLDER } from '../../data/hyrox/generate';
import {
  checkedFeedback,
  checkRaces,
  feedbackMarkdown,
  feedbackPage,
  feedbackView,
  fit,
  raceEvidence,
  raceFeedback,
  readRaces,
  saveState,
  writtenRecord,
} from '../../lib/hyrox';
import type { Feedback, RaceEvidence, WrittenRecord } from '../../lib/hyrox';
import type { Document } from '../../lib/retrieval';
import { TunebookError } from '../../lib/types';
import { asGithub } from '../display/github-filter';
import { passages } from './coaching';

const file = path.join(SAMPLE_FOLDER, 'hyrox-sample.csv');
const { table, log } = readRaces(file);
const races = checkRaces(table, log);
const state = fit(races, { k: 3 });
const evidence: RaceEvidence = raceEvidence(state, races, { row: 1000 });

/** Sentences that a model invents, and what the check says of each. */
const INVENTED = [
  { sentence: 'You looked strong from start to finish.', reason: 'it cites nothing' },
  { sentence: 'The row took you 0:59 [6].', reason: '0:59 is not the cited line\'s "you"' },
  { sentence: 'Your peers were tired [99].', reason: 'it cites [99], which is not there' },
];

let made: WrittenRecord;
let feedback: Feedback;
/** What the marked sentences stand among: sentences with evidence. */
let whole: string;
let documents: readonly Document[];

before(async () => {
  documents = await passages;
  const record = writtenRecord(evidence, { passages: documents, form: 'evidence' });
  assert.ok(record);
  made = record;
  whole = made.record.response;
  const [first, second, third] = INVENTED.map(({ sentence }) => sentence);
  feedback = checkedFeedback(`# The race\n${first} ${whole}\n\n${second} ${third}`, evidence, made.shown);
});

describe('checkedFeedback', () => {
  it('marks each sentence without evidence, with its reason, and no other', () => {
    const marked = feedback.paragraphs.flatMap(({ text, unsupported = [] }) =>
      unsupported.map(({ start, end, reason }) => ({ sentence: text.slice(start, end), reason })),
    );
    assert.deepEqual(marked, INVENTED);
    assert.deepEqual(
      feedback.paragraphs.map(({ text }) => text),
      ['The race', `${INVENTED[0].sentence} ${whole}`, `${INVENTED[1].sentence} ${INVENTED[2].sentence}`],
    );
    const plain = checkedFeedback(whole, evidence, made.shown);
    assert.deepEqual(plain.paragraphs, [{ kind: 'text', title: '', text: whole }]);
    assert.deepEqual(plain.passages, made.shown);
    const cited = new Set([...whole.matchAll(/\[(\d+)\]/g)].map(([, id]) => Number(id)));
    assert.deepEqual(
      plain.citations.map(({ id }) => id),
      [...cited].sort((a, b) => a - b),
    );
  });

  it('marks sentences of a heading that states figures, in the heading as it is shown', () => {
    const [heading] = checkedFeedback('## You won 5 minutes. You lost 6 minutes.', evidence, []).paragraphs;
    assert.equal(heading.text, 'You won 5 minutes. You lost 6 minutes.');
    assert.deepEqual(
      heading.unsupported?.map(({ start, end }) => heading.text.slice(start, end)),
      ['You won 5 minutes.', 'You lost 6 minutes.'],
    );
  });

  it('refuses a text without words', () => {
    for (const text of ['', ' \n ']) assert.throws(() => checkedFeedback(text, evidence, []), TunebookError);
  });
});

describe('a marked sentence', () => {
  const invented = INVENTED.map(({ sentence }) => sentence);
  const why = INVENTED.map(({ reason }) => `(not supported: ${reason})`);

  it('stands out on the page, its reason behind it, and its dead citations lead nowhere', () => {
    const { document } = new JSDOM(feedbackPage(evidence, feedback)).window;
    const plain = (text: string): string => text.replace(/[[\]\s]/g, '');
    const marks = [...document.querySelectorAll('mark')];
    assert.deepEqual(
      marks.map(({ textContent }) => plain(textContent ?? '')),
      invented.map(plain),
    );
    assert.deepEqual(
      marks.map(({ nextElementSibling }) => nextElementSibling?.textContent),
      why,
    );
    for (const link of document.querySelectorAll('a'))
      assert.ok(document.getElementById((link.getAttribute('href') ?? '#').slice(1)), link.outerHTML);
    assert.ok(plain(document.body.textContent ?? '').includes(plain(whole)));
  });

  it('stands out in Markdown and in a notebook, on GitHub too', () => {
    const markdown = feedbackMarkdown(evidence, feedback);
    const { text } = asGithub(feedbackView(evidence, feedback).toHTML());
    for (const [i, sentence] of invented.entries()) {
      assert.ok(markdown.includes(`⚠ ${sentence} **${why[i]}**`), sentence);
      assert.ok(text.includes(`⚠ ${sentence} ${why[i]}`), text);
    }
    assert.equal(markdown.split('⚠').length, 1 + invented.length);
    assert.ok(markdown.includes(whole));
  });
});

describe('a writer of raceFeedback', () => {
  it('is asked with evidence to cite; its text is kept, marked and counted, an empty one is the rule’s', async (t) => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-checked-'));
    t.after(() => fs.rmSync(folder, { recursive: true, force: true }));
    const [head, ...rows] = fs.readFileSync(file, 'utf8').split('\n');
    const two = path.join(folder, 'two.csv');
    fs.writeFileSync(two, [head, rows[1000], rows[1000]].join('\n'));
    const settings = { state: path.join(folder, 'state.json') };
    await saveState(settings.state, state);
    const byRule = await raceFeedback(two, settings);
    const [record] = byRule.map(({ evidence: race }) =>
      writtenRecord(race, { passages: documents, form: 'evidence' }),
    );
    assert.ok(record);
    const { context, response } = record.record;
    const asked: string[] = [];
    const said: string[] = [];
    const [own, empty] = await raceFeedback(two, {
      ...settings,
      onNote: (text) => said.push(text),
      writer: async (questions) => {
        asked.push(...questions.map((question) => question.context));
        return [`${response} ${INVENTED[0].sentence}`, ' '];
      },
    });
    assert.deepEqual(asked, [context, context]);
    assert.equal(own.feedback.paragraphs[0].unsupported?.length, 1);
    const sentences = response.split(/(?<=[.!?]) (?=[A-Z])/).length;
    assert.ok(
      own.notes[0].includes(
        `bears out ${sentences} of its ${sentences + 1} sentences; the others are marked`,
      ),
      own.notes[0],
    );
    assert.deepEqual(said, ['its text cannot be used: it is empty']);
    assert.match(empty.notes[0], /wrote nothing: what is said follows the rule/);
    assert.equal(empty.feedback.text, byRule[1].feedback.text);
    await assert.rejects(
      raceFeedback(two, { ...settings, writer: async () => ['one'] }),
      /expected the writer to give 2 texts, got 1/,
    );
    const plan = async (): Promise<string[]> => [];
    await assert.rejects(
      raceFeedback(two, { ...settings, writer: plan, planner: plan }),
      /expected a planner or a writer, got both/,
    );
  });
});
