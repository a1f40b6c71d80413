/** An export compared with the model that it was made from, as far as the machine has what runs it. */
import { TunebookError } from '../../types';
import type { ModelSource } from '../source/open-source';
import { agreementWords, compareAnswers, isWithin } from './agreement';
import type { Agreement, AgreementBound } from './agreement';
import { ownResponder } from './own-answers';
import type { Responder } from './responder';

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

/** Nothing that a tuned model knows, but enough to tell two sets of weights apart. */
const PROMPTS = [
  'The race was',
  'In the morning we',
  'Question: How far is it?\nAnswer:',
  'A list: 1, 2, 3,',
  '### Input:\nHow did the athlete do?\n\n### Response:\n',
];
const MAX_NEW_TOKENS = 32;

/** How a proof is made. */
export interface ProofRequest {
  readonly source: ModelSource;
  /** Opens the export; undefined where nothing is installed that runs it. */
  readonly open: () => Promise<Responder | undefined>;
  /** What to say then: what is missing, and how to get it. */
  readonly missing: string;
  readonly bound: AgreementBound;
  /** Tokens that the export takes. */
  readonly contextLength: number;
  readonly check: CheckOptions;
}

/** @throws {TunebookError} Where the export cannot be opened, or no prompt fits. */
export async function prove(request: ProofRequest): Promise<Proof> {
  const { source, bound, contextLength, check } = request;
  const there = await request.open();
  if (there === undefined) return { agreement: undefined, words: [request.missing], isProven: true };
  const { prompts = PROMPTS, maxNewTokens = MAX_NEW_TOKENS } = check;
  try {
    const opened = await source.open();
    const here = ownResponder(opened.model, source.tokenizer, opened.close);
    try {
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
        words.push(
          `${prompts.length - fitting.length} prompts are too long for the export and were left out.`,
        );
      if (!isProven)
        words.push(
          `Expected a divergence up to ${bound.meanKl} nats, the same most likely token in ${100 * bound.sameTop} % and ` +
            'every prompt read as the same tokens: the export answers otherwise than the model. Take a larger type.',
        );
      return { agreement, words, isProven };
    } finally {
      await here.close();
    }
  } finally {
    await there.close();
  }
}
