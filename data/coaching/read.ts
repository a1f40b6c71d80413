/**
 * The coaching knowledge: written for this project, each piece of advice in words of its own.
 *
 * `NAME.md` is one passage, and NAME its id. Front matter says which `segment` it is about (a column of the results, or
 * `general`), its `topic`, the `level` of athlete and `questions` that the passage answers, in the words of people who
 * ask; then come a heading, the advice as one sentence that can be quoted alone, and how to do it. The questions are for
 * search only; they were written from the passages, by someone who had read the development half of the queries and not
 * the held-out half. `aliases.json` maps words that people say to words that the passages use; it was
 * fixed before the queries. `queries.jsonl` has a question a line with the grades of the passages that answer it (2) or
 * help (1); choose by the `dev` half and report the `test` half. A question without labels has no answer here.
 */
import fs from 'node:fs';
import path from 'node:path';
import { PACKAGE_ROOT } from '../../lib/environment';

/** Where the passages, aliases and queries are. */
export const COACHING_FOLDER = path.join(PACKAGE_ROOT, 'data', 'coaching');

/** One piece of advice. */
export interface CoachingPassage {
  readonly id: string;
  /** As written, in order, without the questions. */
  readonly frontMatter: ReadonlyMap<string, string>;
  /** Questions that it answers. */
  readonly questions: readonly string[];
  readonly title: string;
  /** The sentence to quote. */
  readonly advice: string;
  /** How, how much, and why. */
  readonly detail: string;
}

/** One question. */
export interface CoachingQuery {
  readonly query: string;
  /** Passage id -> 2 answers it, 1 helps. */
  readonly labels: Readonly<Record<string, number>>;
  readonly split: 'dev' | 'test';
}

/** The passages by id; an error names the file that has another layout. */
export function readPassages(folder: string = COACHING_FOLDER): CoachingPassage[] {
  const files = fs.readdirSync(folder).filter((name) => name.endsWith('.md'));
  return files.sort().map((file) => {
    const text = fs.readFileSync(path.join(folder, file), 'utf8');
    const match = /^---\n([^]*?)\nquestions:\n([^]*?)\n---\n\n# (.+)\n\n(.+)\n\n(.+)\n$/.exec(text);
    if (!match)
      throw new Error(`${file}: expected front matter with questions, a heading and two paragraphs`);
    const [, front, asked, title, advice, detail] = match;
    const questions = asked.split('\n').map((line) => line.replace(/^ {2}- /, ''));
    const pairs = front.split('\n').map((line): [string, string] => {
      const colon = line.indexOf(': ');
      return [line.slice(0, colon), line.slice(colon + 2)];
    });
    return {
      id: file.slice(0, -'.md'.length),
      frontMatter: new Map(pairs),
      questions,
      title,
      advice,
      detail,
    };
  });
}

/** The questions, in the order of the file. */
export function readQueries(folder: string = COACHING_FOLDER): CoachingQuery[] {
  const lines = fs.readFileSync(path.join(folder, 'queries.jsonl'), 'utf8').trimEnd().split('\n');
  return lines.map((line) => JSON.parse(line) as CoachingQuery);
}

/** Words that people say -> words that the passages use. */
export function readAliases(folder: string = COACHING_FOLDER): Record<string, string[]> {
  const text = fs.readFileSync(path.join(folder, 'aliases.json'), 'utf8');
  return JSON.parse(text) as Record<string, string[]>;
}
