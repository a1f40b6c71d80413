/** Answers from a fresh process, which prove that what was saved is all that is needed. */
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { TunebookError } from '../types';
import { requireQuestion } from './generate-answers';
import type { Asked, GenerateAnswersOptions, GeneratedAnswers } from './generate-answers';

const PROGRAM = `
const { generateAnswers } = require(process.argv[1]);
const [prompts, options] = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));
generateAnswers(prompts, options).then(
  (result) => process.stdout.write('\\n' + JSON.stringify(result)),
  (error) => { console.error(error.message); process.exitCode = 1; },
);`;

/**
 * Runs `generateAnswers` in a fresh Node process; paths are relative to this process's folder.
 * @throws TunebookError where that process fails, with its error output
 * @example
 * const { answers } = await generateInFreshProcess(['The race was'], { adapter: 'outputs/mine/adapter', maxNewTokens: 64 });
 */
export async function generateInFreshProcess(
  prompts: readonly Asked[],
  options: GenerateAnswersOptions,
): Promise<GeneratedAnswers> {
  requireQuestion('generateInFreshProcess', prompts, options);
  if (options.template !== undefined)
    throw new TunebookError(
      'generateInFreshProcess: expected options that can be sent to a process, got a template. Save the model with ' +
        '{ prompt }, or ask with template.formatPrompt(record).',
    );
  const child = spawn(process.execPath, ['-e', PROGRAM, require.resolve('./generate-answers')]);
  const exited = new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  child.stdin.on('error', () => undefined); // a process that ended early reports why itself
  child.stdin.end(JSON.stringify([prompts, options]));
  const [printed, said, status] = await Promise.all([text(child.stdout), text(child.stderr), exited]);
  if (status !== 0)
    throw new TunebookError(`generateInFreshProcess: expected answers, got status ${status}: ${said.trim()}`);
  return JSON.parse(printed.slice(printed.lastIndexOf('\n') + 1)) as GeneratedAnswers;
}
