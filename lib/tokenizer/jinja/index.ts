/**
 * Jinja as transformers sets it up for chat templates: the language of Jinja2 3.1 with Python's values (True, None, 1.0,
 * lists and dicts as Python prints them, text by code points), trim_blocks and lstrip_blocks, `{% generation %}`,
 * `break` and `continue`, `tojson`, `raise_exception`, `strftime_now`, in its sandbox. What is not supported is refused by
 * name. Where it stands: under `chat-template`.
 */
import { runTemplate } from './evaluate';
import { parseTemplate } from './statements';
import { fromJavaScript } from '../python/values';

export { TemplateRefusal } from '../python/values';

/** A template, ready to be rendered. */
export interface ChatTemplate {
  /**
   * @param variables JavaScript's null is None, undefined is not defined, an integral number is an int
   * @param marks what is written before and after what `{% generation %}` encloses
   * @throws {TemplateRefusal} with the template's own message, if it calls raise_exception
   * @throws {TunebookError} where Python would raise, and where something is not supported
   */
  render(variables: Readonly<Record<string, unknown>>, marks?: readonly [begin: string, end: string]): string;
}

/** @throws {TunebookError} Naming the line that cannot be parsed. */
export function parseChatTemplate(source: string): ChatTemplate {
  const body = parseTemplate(source);
  return {
    render: (variables, marks = ['', '']) => {
      const given = Object.entries(variables).filter(([, value]) => value !== undefined);
      const values = new Map(given.map(([name, value]) => [name, fromJavaScript(value)]));
      return runTemplate(body, { variables: values, marks });
    },
  };
}
