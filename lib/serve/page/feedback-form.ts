/**
 * The form for a race, and the page of feedback that it gives. A page is kept for a while under an address that nobody can
 * guess: a frame that shows it sends no token.
 */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import {
  feedbackPage,
  FILE_COLUMNS,
  formatTime,
  loadState,
  parseTime,
  raceFeedback,
  SUMS,
} from '../../hyrox';
import type { RaceState } from '../../hyrox';
import { TunebookError } from '../../types';
import { ApiError } from '../answers/api-error';
import type { PageFile } from './page';

/** A field of the form. */
export interface FormField {
  /** Name of the column. */
  readonly name: string;
  /** What may be chosen; absent: a time or a number. */
  readonly choices?: readonly string[];
}

/** Pages that are kept; the oldest goes. */
const KEPT = 32;
/** Longest text of a field. */
const LONGEST = 40;

const POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

export class FeedbackForm {
  private readonly pages = new Map<string, PageFile>();

  private constructor(
    private readonly state: string,
    /** HYROX results have sums of their times, which nobody is asked for. */
    private readonly isHyrox: boolean,
    readonly fields: readonly FormField[],
  ) {}

  /** @param state file that `tunebook dataset build` wrote. @throws TunebookError where it is none */
  static async load(state: string): Promise<FeedbackForm> {
    const loaded = await loadState(state);
    return new FeedbackForm(state, loaded.mapping === undefined, fieldsOf(loaded));
  }

  /** Whether a path is the address of a page that is kept. */
  holds(place: string): boolean {
    return this.find(/^\/feedback\/([0-9a-f]+)$/.exec(place)?.[1] ?? '') !== undefined;
  }

  find(id: string): PageFile | undefined {
    return this.pages.get(id);
  }

  /** Feedback on the race of a form. @returns the page's address. @throws ApiError 400 for what is no race */
  async page(body: unknown): Promise<{ url: string }> {
    const html = await this.html(this.row(body));
    const id = randomBytes(16).toString('hex');
    this.pages.set(id, {
      body: html,
      headers: {
        'content-security-policy': POLICY,
        'cache-control': 'no-store',
        'referrer-policy': 'no-referrer',
      },
    });
    for (const oldest of this.pages.keys()) {
      if (this.pages.size <= KEPT) break;
      this.pages.delete(oldest);
    }
    return { url: `/feedback/${id}` };
  }

  /** Cells by their columns. */
  private row(body: unknown): Map<string, string> {
    const given =
      typeof body === 'object' && body !== null ? (body as Readonly<Record<string, unknown>>) : {};
    const unknown = Object.keys(given).find((name) => this.fields.every((field) => field.name !== name));
    if (unknown !== undefined)
      throw new ApiError(400, `unknown field ${JSON.stringify(unknown.slice(0, 60))}.`, { param: 'fields' });
    const cells = this.fields.map(({ name }): [string, string] => {
      const value = given[name];
      if (typeof value === 'string' && value.trim() !== '' && value.length <= LONGEST)
        return [name, value.trim()];
      throw new ApiError(400, `${name}: expected a text of at most ${LONGEST} characters.`, { param: name });
    });
    return this.isHyrox ? withSums(new Map(cells)) : new Map(cells);
  }

  /** A table of one row, in a folder that nobody else reads, for the reader that all tables go through. */
  private async html(row: ReadonlyMap<string, string>): Promise<string> {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'tunebook-race-'));
    const file = path.join(folder, 'race.csv');
    const line = (cells: readonly string[]): string =>
      cells.map((cell) => `"${cell.replaceAll('"', '""')}"`).join(',');
    try {
      await writeFile(file, `${line([...row.keys()])}\n${line([...row.values()])}\n`);
      const [{ evidence, feedback, data, notes }] = await raceFeedback(file, {
        state: this.state,
        delimiter: ',',
      });
      return feedbackPage(evidence, feedback, { data, notes });
    } catch (error) {
      if (!(error instanceof TunebookError)) throw error;
      throw new ApiError(400, error.message.replaceAll(file, 'the race'), { param: 'fields' });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
}

/** The columns that a race of the state's kind has. */
function fieldsOf({ mapping, races }: RaceState): FormField[] {
  const choices = (at: number): string[] => [...new Set(races.groups[at])].sort();
  if (mapping === undefined) {
    const times = FILE_COLUMNS.slice(2).filter((name) => !(name in SUMS));
    return [
      { name: 'gender', choices: ['female', 'male'] },
      { name: 'age_group', choices: choices(1) },
      ...times.map((name) => ({ name })),
    ];
  }
  const { target } = mapping;
  return [
    ...Object.values(mapping.groups).map((name, at) => ({ name, choices: choices(at) })),
    ...Object.values(mapping.segments).map((name) => ({ name })),
    ...(target.column === undefined ? [] : [{ name: target.column }]),
  ];
}

/** A HYROX result with all its columns. @throws ApiError 400 for what is no time */
function withSums(cells: ReadonlyMap<string, string>): Map<string, string> {
  const seconds = new Map<string, number>();
  for (const [name, text] of cells) {
    if (name === 'gender' || name === 'age_group') continue;
    const time = parseTime(text);
    if (time === undefined)
      throw new ApiError(
        400,
        `${name}: expected a time (h:mm:ss, m:ss or seconds), got ${JSON.stringify(text)}.`,
        {
          param: name,
        },
      );
    seconds.set(name, time.seconds);
  }
  const total = (name: string): number =>
    seconds.get(name) ?? (SUMS[name] ?? []).reduce((sum, part) => sum + total(part), 0);
  return new Map(
    FILE_COLUMNS.map((name) => [
      name,
      name in SUMS || seconds.has(name) ? formatTime(total(name)) : (cells.get(name) ?? ''),
    ]),
  );
}
