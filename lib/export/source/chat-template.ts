/** The chat template that goes with an export. */
import type { PretrainedTokenizer } from '../../tokenizer';

/**
 * The template, which has rendered a question; undefined where the tokenizer has none.
 * @throws {TunebookError} Where it does not render: whoever loads the export would find out at the first question.
 */
export function renderingTemplate(tokenizer: PretrainedTokenizer): string | undefined {
  const { chatTemplate } = tokenizer;
  if (chatTemplate === undefined) return undefined;
  tokenizer.applyChatTemplate([{ role: 'user', content: 'a' }], {
    tokenize: false,
    addGenerationPrompt: true,
  });
  return chatTemplate;
}
