/** The coaching knowledge: every passage has its place and its own words, every label a passage, and the halves match. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { COACHING_FOLDER, readAliases, readPassages, readQueries } from '../../data/coaching/read';
import type { CoachingPassage } from '../../data/coaching/read';
import { SEGMENTS } from '../../lib/hyrox/tables/columns';
import { loadDocuments } from '../../lib/retrieval';
import { unigramTokenizer } from '../../lib/retrieval/embeddings/unigram-tokenizer';
import type { VocabularyEntry } from '../../lib/retrieval/embeddings/unigram-tokenizer';
import { MAX_TOKENS } from '../../lib/retrieval/embeddings/use-lite-model';
import { ROOT } from '../support/paths';

/** About every segment. */
const SEGMENT_TOPICS = [
  'technique',
  'pacing',
  'strength',
  'common-mistake',
  'drill',
  'transition-in',
  'recovery-after',
  'race-day',
];
const TOPICS = [
  ...SEGMENT_TOPICS,
  'endurance',
  'injury-caution',
  'nutrition',
  'warm-up',
  'mental',
  'race-week',
  'recovery',
  'planning',
  'doubles',
];
const LEVELS = ['all', 'beginner', 'intermediate', 'advanced'];

/** The base forms that an advice may begin with. */
const VERBS = new Set(
  `add agree aim arrive ask back begin break breathe build carry catch check choose combine count decide do drink drop ease
  eat file finish follow give go halve hang have hold jog keep land lean learn leave let lift link look lower lunge march
  move note open pack pair pick plan practise prepare promise pull push put race raise read row run say schedule set sink
  sit ski skip slow spend split squat squeeze stand start step stop strap take test think throw tie touch train use walk
  warm wear write`.split(/\s+/),
);

const passages = readPassages();
const queries = readQueries();
const words = (text: string): string[] => text.toLowerCase().match(/[a-z']+/g) ?? [];
const bodyOf = ({ advice, detail }: CoachingPassage): string => `${advice} ${detail}`;

/** Runs of `n` words. */
function grams(text: string, n: number): Set<string> {
  const all = words(text);
  return new Set(all.slice(0, Math.max(0, all.length - n + 1)).map((_, i) => all.slice(i, i + n).join(' ')));
}

describe('the coaching passages', () => {
  it('number about 120, each with a known segment, topic, level and a unique title', () => {
    assert.ok(passages.length >= 115 && passages.length <= 135, `${passages.length} passages`);
    for (const { id, frontMatter } of passages) {
      assert.match(id, /^[a-z]+(-[a-z]+)*$/);
      assert.deepEqual([...frontMatter.keys()], ['segment', 'topic', 'level'], id);
      assert.ok([...SEGMENTS, 'general'].includes(frontMatter.get('segment') ?? ''), `segment of ${id}`);
      assert.ok(TOPICS.includes(frontMatter.get('topic') ?? ''), `topic of ${id}`);
      assert.ok(LEVELS.includes(frontMatter.get('level') ?? ''), `level of ${id}`);
    }
    assert.equal(new Set(passages.map(({ title }) => title)).size, passages.length);
  });

  it('cover every segment in eight topics, for beginners too', () => {
    for (const segment of SEGMENTS) {
      const own = passages.filter(({ frontMatter }) => frontMatter.get('segment') === segment);
      const topics = own.map(({ frontMatter }) => frontMatter.get('topic'));
      assert.deepEqual(
        SEGMENT_TOPICS.filter((topic) => !topics.includes(topic)),
        [],
        segment,
      );
      const levels = new Set(own.map(({ frontMatter }) => frontMatter.get('level')));
      assert.ok(levels.has('all') && levels.has('beginner') && levels.has('intermediate'), segment);
    }
    const used = new Set(passages.map(({ frontMatter }) => frontMatter.get('topic')));
    assert.deepEqual([...used].sort(), [...TOPICS].sort());
  });

  it('give, for every segment and level, something to do better and something to train', () => {
    for (const segment of SEGMENTS)
      for (const level of LEVELS.slice(1)) {
        const fitting = passages.filter(
          ({ frontMatter }) =>
            frontMatter.get('segment') === segment && ['all', level].includes(frontMatter.get('level') ?? ''),
        );
        const has = (...topics: string[]): boolean =>
          fitting.some(({ frontMatter }) => topics.includes(frontMatter.get('topic') ?? ''));
        assert.ok(has('technique') && has('pacing') && has('drill', 'strength'), `${segment} for ${level}`);
      }
  });

  it('begin with a self-contained piece of advice of 6 to 30 words, and have 40 to 90 words', () => {
    for (const passage of passages) {
      const { id, advice } = passage;
      assert.match(advice, /^[A-Z][^.!?]*\.$/, `one sentence: ${id}`);
      const length = advice.split(/\s+/).length;
      assert.ok(length >= 6 && length <= 30, `${id}: ${length} words`);
      assert.ok(VERBS.has(words(advice)[0]), `${id} begins with "${words(advice)[0]}"`);
      assert.doesNotMatch(advice, /\b(this|these|he|she|they) (is|are|was)\b/, id);
      const all = bodyOf(passage).split(/\s+/).length;
      assert.ok(all >= 40 && all <= 90, `${id}: ${all} words`);
    }
  });

  it("give doses in words, without digits that could pass for an athlete's time", () => {
    const dose =
      /\b(half|once|twice|two|three|four|five|six|seven|eight|nine|ten|twelve|fifteen|twenty|third|fifth|tenth)\b/;
    for (const passage of passages) {
      assert.doesNotMatch(bodyOf(passage) + passage.title, /\d/, passage.id);
      assert.match(bodyOf(passage), dose, passage.id);
    }
  });

  it('have four to nine questions that they answer, all distinct from each other and from the labelled ones', () => {
    const plain = (text: string): string => words(text).join(' ');
    const asked = passages.flatMap(({ id, questions }) => {
      assert.ok(questions.length >= 4 && questions.length <= 9, `${id}: ${questions.length} questions`);
      return questions.map(plain);
    });
    assert.equal(new Set(asked).size, asked.length);
    const labelled = new Set(queries.map(({ query }) => plain(query)));
    assert.deepEqual(
      asked.filter((question) => labelled.has(question)),
      [],
    );
  });

  it('are read as documents with their titles, short enough for the built-in encoder', async () => {
    const documents = await loadDocuments(COACHING_FOLDER);
    assert.deepEqual(
      documents.map(({ id, metadata }) => [id, metadata.title, metadata.segment]),
      passages.map(({ id, title, frontMatter }) => [id, title, frontMatter.get('segment')]),
    );
    const vocabulary = fs.readFileSync(path.join(ROOT, 'data/models/use-lite/vocab.json'), 'utf8');
    const tokenize = unigramTokenizer(JSON.parse(vocabulary) as VocabularyEntry[]);
    assert.deepEqual(
      documents.filter(({ pageContent }) => tokenize(pageContent).length > MAX_TOKENS).map(({ id }) => id),
      [],
    );
  });

  it('share at most one run of five words in twenty', () => {
    const all = passages.map((passage) => ({ id: passage.id, runs: grams(bodyOf(passage), 5) }));
    for (const [i, one] of all.entries())
      for (const other of all.slice(i + 1)) {
        const shared = [...one.runs].filter((run) => other.runs.has(run)).length;
        const share = shared / Math.min(one.runs.size, other.runs.size);
        assert.ok(share <= 0.05, `${one.id} and ${other.id}: ${share}`);
      }
  });
});

describe('the coaching queries', () => {
  const ids = new Set(passages.map(({ id }) => id));
  const answered = queries.filter(({ labels }) => Object.keys(labels).length > 0);
  const unanswered = queries.filter(({ labels }) => Object.keys(labels).length === 0);
  const dev = (of: typeof queries): number => of.filter(({ split }) => split === 'dev').length;

  it('are at least 240 with an answer and 30 without, none of them twice', () => {
    assert.ok(answered.length >= 240, `${answered.length}`);
    assert.equal(unanswered.length, 30);
    const normal = queries.map(({ query }) => words(query).join(' '));
    assert.deepEqual(
      normal.filter((query, i) => normal.indexOf(query) !== i),
      [],
    );
  });

  it('name passages, with at least one that answers', () => {
    for (const { query, labels } of answered) {
      for (const [id, grade] of Object.entries(labels)) {
        assert.ok(ids.has(id), `${query}: ${id}`);
        assert.ok(grade === 1 || grade === 2, `${query}: ${grade}`);
      }
      assert.ok(Object.values(labels).includes(2), `${query} has no answer, only help`);
    }
    const mean = answered.reduce((sum, { labels }) => sum + Object.keys(labels).length, 0) / answered.length;
    assert.ok(mean >= 2 && mean <= 5, `${mean} labels a query`);
  });

  it('reach every passage', () => {
    const reached = new Set(answered.flatMap(({ labels }) => Object.keys(labels)));
    assert.deepEqual(
      [...ids].filter((id) => !reached.has(id)),
      [],
    );
  });

  it('are split into two similar halves', () => {
    for (const { split } of queries) assert.ok(split === 'dev' || split === 'test');
    assert.ok(Math.abs(dev(answered) - answered.length / 2) <= 1);
    assert.equal(dev(unanswered), 15);
    for (const segment of [...SEGMENTS, 'general']) {
      const own = new Set(
        passages.filter(({ frontMatter }) => frontMatter.get('segment') === segment).map(({ id }) => id),
      );
      const about = answered.filter(({ labels }) => Object.keys(labels).some((id) => own.has(id)));
      const share = dev(about) / about.length;
      assert.ok(
        about.length >= 15 && share > 0.35 && share < 0.65,
        `${segment}: ${dev(about)} of ${about.length}`,
      );
    }
  });
});

describe('the coaching aliases', () => {
  const written = new Set(passages.flatMap((passage) => words(`${passage.title} ${bodyOf(passage)}`)));

  it('map lower-case words to words of the passages', () => {
    const aliases = Object.entries(readAliases());
    assert.ok(aliases.length >= 100, `${aliases.length}`);
    for (const [term, targets] of aliases) {
      assert.equal(term, term.trim().toLowerCase());
      assert.ok(targets.length > 0, term);
      for (const word of targets.flatMap(words))
        assert.ok(written.has(word), `${term}: no passage says ${word}`);
    }
  });

  it('name each segment by its column', () => {
    for (const segment of SEGMENTS) assert.ok(readAliases()[segment.toLowerCase()] !== undefined, segment);
  });
});
