/** `tunebook feedback`: from a race to a page that a coach would hand over, as HTML, Markdown or JSON. */
import { createRequire } from 'node:module';
import path from 'node:path';
import { Option } from 'commander';
import type { Command } from 'commander';
import { makeFolder, readJsonObjectIfPresent, stageFile, writeFileAtomic } from '../../files';
import type { StagedFile } from '../../files';
import type * as Hub from '../../hub';
import type * as Hyrox from '../../hyrox';
import type { RaceFeedback, RaceFeedbackOptions } from '../../hyrox';
import type * as Pretrained from '../../pretrained';
import { TunebookError } from '../../types';
import { count, wholeNumber, WrongCallError } from '../terminal/call';

interface FeedbackCommandOptions extends Omit<RaceFeedbackOptions, 'planner' | 'writer' | 'onNote'> {
  readonly model?: string;
  readonly write?: boolean;
  readonly output?: string;
  readonly json?: boolean;
  readonly markdown?: boolean;
}

/** Limit in tokens; a short plan has about 40, a filled-in form 120. */
const LONGEST_PLAN = 320;
/** Limit in tokens of a text that a model writes. */
const LONGEST_TEXT = 320;

const loadHyrox = (): typeof Hyrox => createRequire(__filename)('../../hyrox') as typeof Hyrox;

/**
 * Writes feedback on each race of a file, on all or none.
 * @throws TunebookError where a race cannot be judged, or a file cannot be written
 */
export async function feedbackCommand(file: string, options: FeedbackCommandOptions): Promise<void> {
  const { output, json, markdown, model, write: writes, ...settings } = options;
  if (output === undefined && !json && !markdown)
    throw new WrongCallError(
      'feedback: expected -o page.html, -o FOLDER for several races, --json or --markdown',
    );
  if (writes && model === undefined)
    throw new WrongCallError('feedback: expected --model FOLDER beside --write, the model that writes');
  const { raceFeedback } = loadHyrox();
  if (settings.state === undefined)
    console.error(
      "No --state: compared with tunebook's sample, which is made up. For real results: " +
        'tunebook dataset build results.csv -o records.jsonl, then --state records.state.json',
    );
  const races = await raceFeedback(file, {
    ...settings,
    ...(model === undefined
      ? {}
      : writes
        ? { writer: modelWriter(model) }
        : { planner: modelPlanner(model) }),
    onNote: (text) => console.error(text),
  });
  for (const [i, { notes }] of races.entries())
    for (const note of notes) console.error(races.length > 1 ? `race ${i + 1}: ${note}` : note);
  if (json) return write(output, jsonText(races));
  if (markdown) return write(output, markdownText(races, settings));
  if (output === undefined) return;
  if (/\.html?$/i.test(output)) await writePage(output, races, settings);
  else await writePages(output, races, settings);
}

/**
 * A planner that asks a model, a folder of weights or of an adapter, in the prompt that it was tuned with: a form to fill
 * in where that is the plan's, else the question of the label files.
 */
function modelPlanner(model: string): RaceFeedbackOptions['planner'] {
  return async (races) => {
    const { generateAnswers } = createRequire(__filename)('../../pretrained') as typeof Pretrained;
    const { FEEDBACK_TEMPLATE, filledPlan, planForm, planRecord, planTexts } = loadHyrox();
    const settings = { model, doSample: false, maxNewTokens: LONGEST_PLAN };
    if (await knowsForms(model)) {
      const asked = races.map(planForm);
      const { answers } = await generateAnswers(
        asked.map(({ prompt }) => prompt),
        { ...settings, isRaw: true, allowedForms: asked.map(({ form }) => form) },
      );
      return answers.map((answer, i) => {
        try {
          return filledPlan(races[i], answer);
        } catch (error) {
          if (!(error instanceof TunebookError)) throw error;
          return answer; // Cut, where a race has more segments than the model has room for: the rule plans.
        }
      });
    }
    const questions = races.map((race) => {
      const { input, context } = planRecord(race);
      return { input, context };
    });
    const { answers } = await generateAnswers(questions, {
      ...settings,
      template: FEEDBACK_TEMPLATE,
      allowedTexts: races.map(planTexts),
    });
    return answers.map((answer) => answer.trim());
  };
}

/** Whether a model was tuned to fill in plan forms, as the prompt in its folder says. */
async function knowsForms(model: string): Promise<boolean> {
  const { resolveModelFolder } = createRequire(__filename)('../../hub') as typeof Hub;
  const folder = await resolveModelFolder(model);
  const saved = await readJsonObjectIfPresent(path.join(folder, 'tunebook_prompt.json'));
  return saved !== undefined && loadHyrox().isPlanPrompt(saved);
}

/** A writer that asks a model, in the prompt that it was tuned with. */
function modelWriter(model: string): RaceFeedbackOptions['writer'] {
  return async (questions) => {
    const { generateAnswers } = createRequire(__filename)('../../pretrained') as typeof Pretrained;
    const { FEEDBACK_TEMPLATE } = loadHyrox();
    const { answers } = await generateAnswers(
      questions.map(({ input, context }) => ({ input, context })),
      { model, doSample: false, maxNewTokens: LONGEST_TEXT, template: FEEDBACK_TEMPLATE },
    );
    return answers.map((answer) => answer.trim());
  };
}

/** Evidence, text and sources of each race. */
function jsonText(races: readonly RaceFeedback[]): string {
  return `${JSON.stringify({ format: 'tunebook feedback', version: 1, races }, null, 2)}\n`;
}

function markdownText(races: readonly RaceFeedback[], { lang }: { lang?: string }): string {
  const { feedbackMarkdown } = loadHyrox();
  const pages = races.map(({ evidence, feedback, data, notes }) =>
    feedbackMarkdown(evidence, feedback, { data, notes, ...(lang === undefined ? {} : { lang }) }),
  );
  return pages.join('\n---\n\n');
}

async function write(output: string | undefined, text: string): Promise<void> {
  if (output === undefined) process.stdout.write(text);
  else {
    await writeFileAtomic(output, text);
    console.error(`Written: ${output}`);
  }
}

async function writePage(
  output: string,
  races: readonly RaceFeedback[],
  options: { lang?: string },
): Promise<void> {
  if (races.length > 1)
    throw new TunebookError(
      `${output}: expected a folder for ${races.length} races, a page each, got one page. Give -o ${output.replace(/\.html?$/i, '')}.`,
    );
  await write(output, pageOf(races[0], options));
}

function pageOf({ evidence, feedback, data, notes }: RaceFeedback, { lang }: { lang?: string }): string {
  const { feedbackPage } = loadHyrox();
  return feedbackPage(evidence, feedback, { data, notes, ...(lang === undefined ? {} : { lang }) });
}

/** Writes a page per race and the index, all or none. */
async function writePages(
  folder: string,
  races: readonly RaceFeedback[],
  options: { lang?: string },
): Promise<void> {
  const { feedbackIndex } = loadHyrox();
  const named = races.map((race, i) => ({ ...race, file: `race-${i + 1}.html` }));
  const index = path.join(folder, 'index.html');
  const pages: [string, string][] = [
    ...named.map((race): [string, string] => [path.join(folder, race.file), pageOf(race, options)]),
    [index, feedbackIndex(named, options.lang === undefined ? {} : { lang: options.lang })],
  ];
  await makeFolder(folder);
  const staged: StagedFile[] = [];
  try {
    for (const [place, text] of pages) staged.push(await stageFile(place, (sink) => sink(Buffer.from(text))));
    for (const page of staged) await page.commit();
  } finally {
    for (const page of staged) await page.discard();
  }
  console.error(`Written: ${index} and ${races.length === 1 ? '1 page' : `${races.length} pages`}`);
}

/** Adds `feedback` to the program. */
export function addFeedbackCommand(program: Command): void {
  program
    .command('feedback')
    .description('give feedback on races: a page each that prints, opens offline and names its sources')
    .argument('<input>', 'CSV with one race or several, with the columns of the state')
    .option('--state <file>', 'races to compare with: dataset build writes it (default: the made-up sample)')
    .option('-o, --output <file>', 'page.html; for several races a folder, where index.html leads to them')
    .addOption(new Option('--json', 'evidence, text and sources as JSON').conflicts('markdown'))
    .option('--markdown', 'as Markdown')
    .option(
      '--documents <folder>',
      "advice to quote: .md, .txt, .pdf (default: tunebook's coaching passages)",
    )
    .option(
      '--model <folder>',
      'model or adapter that plans what is said, trained on label files (notebook 01) or hyrox.planForm (notebook 03); the evidence fills in (default: a rule plans)',
    )
    .option(
      '--write',
      'the model writes the text itself, with lines and passages to cite (hyrox.writtenRecord); each sentence that they do not bear out is marked with the reason',
    )
    .option('--previous <file>', 'earlier races of the same athlete, oldest first')
    .option('-k, --k <count>', 'similar races to look for (default: 25)', count)
    .addOption(
      new Option('--few-peers <what>', 'where under 20 races are close enough (default: widen)').choices([
        'widen',
        'refuse',
      ]),
    )
    .option('--seed <number>', 'of wordings and advice (default: 42)', wholeNumber)
    .addOption(new Option('--lang <language>', 'language of the page (default: en)').choices(['en']))
    .option('--delimiter <character>', 'column separator (default: found out)')
    .action(feedbackCommand);
}
