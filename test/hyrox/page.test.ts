/** A feedback page: each figure on it is the evidence's, it needs nothing from outside, and names nobody. */
import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import path from 'node:path';
import { JSDOM } from 'jsdom';
import { parse } from 'parse5';
import { richResult } from '../../lib/display';
import {
  amountText,
  checkRaces,
  composeFeedback,
  feedbackIndex,
  feedbackMarkdown,
  feedbackPage,
  feedbackView,
  fit,
  raceEvidence,
  raceLabels,
  readRaces,
} from '../../lib/hyrox';
import type { Feedback, LabelTable, RaceEvidence } from '../../lib/hyrox';
import { loadDocuments } from '../../lib/retrieval';
import { asGithub } from '../display/github-filter';
import { PACKAGE_ROOT } from '../../lib/environment';
import { SAMPLE_FOLDER } from '../../data/hyrox/generate';

const { table: raw, log } = readRaces(path.join(SAMPLE_FOLDER, 'hyrox-sample.csv'));
const table = raceLabels(checkRaces(raw, log));
const state = fit(table, { k: 3 });
const documents = loadDocuments(path.join(PACKAGE_ROOT, 'data', 'coaching'));
const DATA = '2,395 races of berlin.csv';

interface Made {
  evidence: RaceEvidence;
  feedback: Feedback;
  page: string;
  document: Document;
}

const made = new Map<number, Promise<Made>>();

/** The page of a row of the sample. */
function pageOf(row: number): Promise<Made> {
  const found = made.get(row) ?? make(row);
  made.set(row, found);
  return found;
}

async function make(row: number, earlier?: LabelTable): Promise<Made> {
  const evidence = raceEvidence(state, table, { row, ...(earlier === undefined ? {} : { earlier }) });
  const feedback = composeFeedback(evidence, await documents, { seed: 7 });
  const page = feedbackPage(evidence, feedback, { data: DATA });
  return { evidence, feedback, page, document: new JSDOM(page).window.document };
}

/** The race of a row, each segment slower by so many seconds. */
function slower(row: number, seconds: number): LabelTable {
  return {
    ...table,
    size: 1,
    groups: Object.fromEntries(Object.entries(table.groups).map(([name, values]) => [name, [values[row]]])),
    segments: Object.fromEntries(
      Object.entries(table.segments).map(([name, values]) => [name, Float64Array.of(values[row] + seconds)]),
    ),
    target: Float64Array.of(table.target[row] + seconds * Object.keys(table.segments).length),
  };
}

const texts = (elements: Iterable<Element>): string[] =>
  [...elements].map((element) => (element.textContent ?? '').trim());
const rowsOf = (section: Element | null | undefined): string[][] =>
  [...(section?.querySelectorAll('tbody tr') ?? [])].map((row) => texts(row.children));
const seconds = (text: string): number => {
  const [s, m = 0, h = 0] = text.replace(/[+−]/, '').split(':').reverse().map(Number);
  return (text.startsWith('−') ? -1 : 1) * (s + 60 * m + 3600 * h);
};

/** An athlete in the middle, one who outperformed, one whose peers are few, the fastest of all. */
const ROWS = { middle: 1000, outperformed: 2220, few: 2294, first: 0 };

for (const [who, row] of Object.entries(ROWS))
  describe(`the page of the athlete "${who}"`, () => {
    it('has the figures of the evidence', async () => {
      const { evidence, document } = await pageOf(row);
      if (who === 'outperformed') assert.equal(evidence.finish.verdict, 'outperformed');
      if (who === 'few') assert.equal(evidence.notes.length, 3);
      if (who === 'first') assert.equal(evidence.groups.faster, undefined);
      const amount = (value: number): string => amountText(value, evidence);
      const { finish, segments, groups, reach } = evidence;
      const inReach = reach.peers ?? reach.faster;
      assert.deepEqual(texts(document.querySelectorAll('.key .big')), [
        amount(finish.own),
        amount(finish.expected),
        `${finish.percentile} %`,
        ...(inReach === undefined ? [] : [amount(inReach.finish)]),
      ]);
      assert.deepEqual(
        rowsOf(document.querySelector('.sources')),
        segments.map((one) => [
          String(one.line),
          one.name,
          ...[amount(one.own), amount(one.peers.median), `${one.peers.percentile} %`],
          ...(one.faster === undefined ? [] : [amount(one.faster.median), `${one.faster.percentile} %`]),
        ]),
      );
      const print = document.querySelector('.print')?.textContent ?? '';
      assert.ok(print.includes(DATA));
      assert.ok(print.includes(`${groups.peers.count} ${groups.peers.words}`));
      for (const note of evidence.notes) assert.ok(print.includes(note), note);
    });

    it('draws the profile and the way to the next level from them', async () => {
      const { evidence, document } = await pageOf(row);
      for (const kind of ['wide', 'narrow']) {
        const [profile, way] = document.querySelectorAll(`svg.${kind}`);
        assert.deepEqual(
          texts(profile.querySelectorAll('.share')),
          evidence.segments.map(({ peers }) => String(peers.percentile)),
        );
        assert.deepEqual(
          texts(profile.querySelectorAll('.note')).map(seconds),
          evidence.segments.map(({ peers }) => peers.gap),
        );
        if (evidence.groups.faster === undefined) assert.equal(way, undefined);
        else {
          const steps = texts(way.querySelectorAll('.step .value')).map(seconds);
          const [from, to] = texts(way.querySelectorAll('.end .value')).map(seconds);
          assert.equal(from, evidence.finish.own);
          assert.equal(to, evidence.groups.faster.finish);
          assert.equal(from + steps.reduce((sum, by) => sum + by, 0), to);
        }
      }
    });

    it('has the whole text, and each citation leads to its source', async () => {
      const { feedback, document } = await pageOf(row);
      const plain = (text: string): string => text.replace(/[\[\]\s]+/g, '');
      const shown = plain(document.querySelector('main')?.textContent ?? '');
      for (const { text } of feedback.paragraphs.filter(({ kind }) => kind !== 'note'))
        assert.ok(shown.includes(plain(text)), text);
      const links = [...document.querySelectorAll('a')].map((link) => link.getAttribute('href') ?? '');
      assert.ok(links.length > 3);
      for (const link of links) assert.ok(document.getElementById(link.slice(1)) !== null, link);
      for (const { id, title, text } of feedback.citations.filter(({ kind }) => kind === 'passage')) {
        const source = document.getElementById(`source-${id}`)?.textContent ?? '';
        assert.ok(source.includes(title ?? '?') && source.includes(text));
      }
    });

    it('is small valid HTML that needs nothing from outside, and the same bytes each time', async () => {
      const { page } = await pageOf(row);
      assert.ok(Buffer.byteLength(page) < 400_000);
      const errors: string[] = [];
      parse(page, { onParseError: ({ code }) => errors.push(code) });
      assert.deepEqual(errors, []);
      assert.doesNotMatch(
        page.replaceAll('http://www.w3.org/2000/svg', ''),
        /https?:|<script|<link|src=|url\(|@import/,
      );
      assert.equal((await make(row)).page, page);
    });

    it('names segments and people as people do', async () => {
      const { page, evidence } = await pageOf(row);
      for (const { column, name } of evidence.segments)
        if (column !== name) assert.ok(!page.includes(column), column);
      assert.doesNotMatch(page, /total_time|age_group|gender|undefined|NaN|\{\w+\}/);
    });
  });

describe('a feedback page', () => {
  it('is accessible: one h1, headings in order, figures with text alternatives', async () => {
    const { document, evidence } = await pageOf(ROWS.middle);
    assert.equal(document.documentElement.lang, 'en');
    assert.equal(document.querySelectorAll('h1').length, 1);
    let level = 1;
    for (const { localName } of document.querySelectorAll('h1, h2, h3')) {
      assert.ok(Number(localName[1]) <= level + 1, localName);
      level = Number(localName[1]);
    }
    for (const svg of document.querySelectorAll('svg')) {
      assert.equal(svg.getAttribute('role'), 'img');
      for (const { name } of evidence.segments)
        assert.ok(svg.getAttribute('aria-label')?.includes(name), name);
    }
    for (const cell of document.querySelectorAll('tbody th')) assert.equal(cell.getAttribute('scope'), 'row');
  });

  it('shows each segment before and now, where an earlier race is given', async () => {
    const { document, evidence } = await make(ROWS.middle, slower(ROWS.middle, 20));
    const section = [...document.querySelectorAll('section')].find((one) =>
      one.textContent?.includes('Since your last race'),
    );
    const rows = rowsOf(section);
    assert.deepEqual(
      rows.map(([name, , , by]) => [name, by]),
      [['Finish', '−3:20'], ...evidence.segments.map(({ name }) => [name, '−0:20'])],
    );
    assert.equal(seconds(rows[1][1]) - seconds(rows[1][2]), 20);
  });

  it('escapes what comes from outside', async () => {
    const { evidence, feedback } = await pageOf(ROWS.middle);
    const bad = '<img src=x onerror="alert(1)">';
    const page = feedbackPage(
      { ...evidence, segments: evidence.segments.map((one) => ({ ...one, name: bad })) },
      {
        ...feedback,
        headline: bad,
        paragraphs: feedback.paragraphs.map((one) => ({ ...one, title: bad, text: bad })),
        citations: feedback.citations.map((one) => ({ ...one, title: bad, text: bad, source: bad })),
      },
      { data: bad, notes: [bad] },
    );
    assert.equal(new JSDOM(page).window.document.querySelector('img'), null);
  });

  it('refuses other languages, listing those it has', async () => {
    const { evidence, feedback } = await pageOf(ROWS.middle);
    assert.throws(
      () => feedbackPage(evidence, feedback, { lang: 'xx' }),
      /one of the languages en, got "xx"/,
    );
  });
});

describe('other forms of feedback', () => {
  it('an index leads to each page', async () => {
    const races = await Promise.all([ROWS.middle, ROWS.first].map(pageOf));
    const { document } = new JSDOM(
      feedbackIndex(races.map((one, i) => ({ ...one, file: `race-${i + 1}.html` }))),
    ).window;
    assert.deepEqual(
      [...document.querySelectorAll('a')].map((link) => [
        link.getAttribute('href'),
        link.querySelector('b')?.textContent,
      ]),
      races.map(({ feedback }, i) => [`race-${i + 1}.html`, `${i + 1}. ${feedback.headline}`]),
    );
  });

  it('Markdown has the text, a row for each segment, and what is cited', async () => {
    const { evidence, feedback } = await pageOf(ROWS.middle);
    const text = feedbackMarkdown(evidence, feedback, { data: DATA });
    assert.ok(text.startsWith(`# ${feedback.headline}\n`));
    for (const one of feedback.paragraphs.filter(({ kind }) => kind !== 'note'))
      assert.ok(text.includes(one.text));
    for (const { name, own, peers } of evidence.segments)
      assert.ok(
        text.includes(`| ${name} | ${amountText(own, evidence)} | ${amountText(peers.median, evidence)} |`),
        name,
      );
    for (const { id } of feedback.citations) assert.ok(text.includes(`- [${id}] `));
  });

  it('a notebook shows it as a result, and GitHub all of its words and numbers', async () => {
    const { evidence, feedback } = await pageOf(ROWS.middle);
    const view = feedbackView(evidence, feedback);
    const [{ data: bundle }] = await richResult(view);
    const { document, text } = asGithub(String(bundle['text/html']));
    for (const paragraph of feedback.paragraphs) assert.ok(text.includes(paragraph.text));
    assert.equal(document.querySelectorAll('tbody tr').length, evidence.segments.length);
    assert.match(String(bundle['text/plain']), /^# /);
    assert.match(view.toSVG(), /^<svg [^>]*width="680"/);
  });
});
