/**
 * Chat templates rendered as transformers renders them, and which pieces of the text the model writes itself: what the
 * template encloses in `{% generation %}`. Where it stands: under `applyChatTemplate`, above `jinja`.
 */
import { isJsonObject } from '../files';
import { messageOf, TunebookError } from '../types';
import { parseChatTemplate, TemplateRefusal } from './jinja';
import type { ChatTemplate } from './jinja';

const GENERATION = /\{%[-+]?\s*generation\s*[-+]?%\}/;

/** Two characters that Unicode keeps for a program's own use. */
const MARKS = ['\ufdd0', '\ufdd1'] as const;

/** A rendered template, and which pieces of it the model writes itself. */
export interface MarkedChat {
  readonly text: string;
  /** Within `{% generation %}`, in UTF-16 units, `end` not included. */
  readonly generated: readonly (readonly [start: number, end: number])[];
}

type Context = Readonly<Record<string, unknown>>;

const parsed = new Map<string, ChatTemplate>();

/**
 * Renders a template.
 * @param context variables; JavaScript's null is none, undefined is not defined
 * @throws {TunebookError} with the template's own words where it refuses the messages; where it has no meaning
 */
export function renderChatTemplate(source: string, context: Context): string {
  return render(source, context);
}

/**
 * Renders a template that encloses what the model writes in `{% generation %}`.
 * @throws {TunebookError} as above, and where it has no such tags
 */
export function renderMarkedChat(source: string, context: Context): MarkedChat {
  if (!GENERATION.test(source))
    throw new TunebookError(
      'expected a chat template that encloses answers in {% generation %} and {% endgeneration %}, got none of these tags. ' +
        'Give one that has them as chatTemplate',
    );
  const marked = render(source, context, MARKS);
  const [open, generated]: [number[], [number, number][]] = [[], []];
  let text = '';
  for (const piece of marked.split(/([\ufdd0\ufdd1])/)) {
    if (piece === MARKS[0]) open.push(text.length);
    else if (piece === MARKS[1]) generated.push([open.pop() ?? 0, text.length]);
    else text += piece;
  }
  // A template may look at what it has written itself, and a text may hold the marks' characters.
  if (text !== renderChatTemplate(source, context))
    throw new TunebookError('the template renders otherwise where what it generates is marked');
  return { text, generated };
}

function render(source: string, context: Context, marks?: readonly [string, string]): string {
  try {
    let template = parsed.get(source);
    if (template === undefined) parsed.set(source, (template = parseChatTemplate(source)));
    return template.render(context, marks);
  } catch (error) {
    if (error instanceof TemplateRefusal)
      throw new TunebookError(
        `the chat template refuses these messages: ${error.message}. ` +
          'Change the messages to what it asks for, or give another template as chatTemplate',
      );
    const unknown = /^the variable '(.*)' is undefined$/.exec(messageOf(error));
    const remedy = unknown === null ? '' : `. Give it a value: variables: { ${unknown[1]}: ... }`;
    throw new TunebookError(`the chat template cannot be rendered: ${messageOf(error)}${remedy}`);
  }
}

/** A template is a string or, in older files, a list of named ones. */
export function chatTemplateOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return undefined;
  const entry: unknown =
    value.find((item: unknown) => isJsonObject(item) && item.name === 'default') ?? value[0];
  return isJsonObject(entry) && typeof entry.template === 'string' ? entry.template : undefined;
}
