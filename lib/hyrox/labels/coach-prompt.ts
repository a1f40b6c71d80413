/** The prompt of race feedback: who is asked, for which sport. Where it stands: between records and what asks a model. */
import { instructionTemplate } from '../../dataset';
import type { PromptTemplate } from '../../dataset';
import { requireText } from '../../types';

/**
 * The instruction prompt of race feedback, as the coach of a sport. A model goes on being asked as it was trained, so
 * train and ask with the same word.
 * @param sport the word before "coach". Default 'Hyrox', as in the label files of the notebooks.
 * @throws TunebookError where the sport is no text
 * @example
 * const template = hyrox.feedbackTemplate('triathlon'); // You are a triathlon coach. ...
 * const pairs = hyrox.preferencePairs(records, { template });
 */
export function feedbackTemplate(sport = 'Hyrox'): PromptTemplate {
  requireText(sport, { where: 'feedbackTemplate', what: 'the word for a sport' });
  const article = /^[aeiou]/i.test(sport) ? 'an' : 'a';
  return instructionTemplate({ system: `You are ${article} ${sport} coach. Give feedback on the race.` });
}
