/** An export compared with the model that it was made from, as far as the machine has what runs it. */
import { requireOptions } from '../../options';
import { TunebookError } from '../../types';
import type { ModelSource } from '../source/open-source';
import { agreementWords, compareAnswers, isWithin } from './agreement';
import type { Agreement, AgreementBound } from './agreement';
import { ownResponder } from './own-answers';
import type { OpenResponder, Responder } from './responder';

/** What both are asked. */
export interface CheckOptions {
  /** Prompts as the model reads them; default: a few beginnings of English sentences. */
  readonly prompts?: readonly string[];
  /** Longest answer compared, in tokens; default 32. */
  readonly maxNewTokens?: number;
}

/** What the comparison gave. */
export interface Proof {
  readonly agreement: Agreement | undefined;
  readonly words: readonly string[];
  readonly isProven: boolean;
}

/** Nothing that a tuned model knows, but enough to distinguish two sets of weights. */
const PROMPTS = [
  'The race was',
  'In the morning we',
  'Question: How far is it?\nAnswer:',
  'A list: 1, 2, 3,',
  '### Input:\nHow did the athlete do?\n\n### Response:\n',
];
const MAX_NEW_TOKENS = 32;

/** @throws {TunebookError} For names that nothing reads, and for no prompt at all; before anything is written. */
export function requireCheck(check: CheckOptions | false | undefined, where: string): void {
  if (check === false || check === undefined) return;
  requireOptions<CheckOptions>(check, {
    where: `${where}, check`,
    names: { prompts: true, maxNewTokens: true },
  });
  if (check.prompts?.length !== 0) return;
  throw new TunebookError(
    `${where}: expected at least one prompt in check, got none. Leave it out, or pass { check: false }.`,
  );
}

/** How near two have to be, and over what. */
export interface Comparison {
  readonly bound: AgreementBound;
  /** Tokens that the export takes. */
  readonly contextLength: number;
  readonly check: CheckOptions;
}

/** How a proof is made. */
export interface ProofRequest extends Comparison {
  readonly source: Pick<ModelSource, 'open' | 'tokenizer'>;
  /** Opens the export; undefined where nothing is installed that runs it. */
  readonly open: () => Promise<OpenResponder | undefined>;
  /** What to say then: what is missing, and how to get it. */
  readonly missing: string;
}

/** @throws {TunebookError} Where the export cannot be opened, or no prompt fits. */
export async function prove({ source, open, missing, ...comparison }: ProofRequest): Promise<Proof> {
  const there = await open();
  if (there === undefined) return { agreement: undefined, words: [missing], isProven: true };
  try {
    const { model, close } = await source.open();
    try {
      return await compare(ownResponder(model, source.tokenizer), there, comparison);
    } finally {
      await close();
    }
  } finally {
    await there.close();
  }
}

/**
 * The proof of an export that is at work beside its model.
 * @throws {TunebookError} Where no prompt fits.
 */
export async function compare(
  here: Responder,
  there: Responder,
  { bound, contextLength, check }: Comparison,
): Promise<Proof> {
  const { prompts = PROMPTS, maxNewTokens = MAX_NEW_TOKENS } = check;
  const fitting: string[] = [];
  for (const prompt of prompts)
    if ((await here.promptIds(prompt)).length + maxNewTokens < contextLength) fitting.push(prompt);
  if (fitting.length === 0)
    throw new TunebookError(
      `check: expected prompts of less than ${contextLength - maxNewTokens} tokens, got longer ones. Give others.`,
    );
  const agreement = await compareAnswers(here, there, { prompts: fitting, maxNewTokens });
  const isProven = isWithin(agreement, bound);
  const words = [agreementWords(agreement)];
  if (fitting.length < prompts.length)
    words.push(`${prompts.length - fitting.length} prompts are too long for the export and were left out.`);
  if (!isProven)
    words.push(
      `Expected a divergence up to ${bound.meanKl} nats, the same most likely token in ${100 * bound.sameTop} % and ` +
        'every prompt read as the same tokens: the export answers otherwise than the model. Take a larger type.',
    );
  return { agreement, words, isProven };
}
