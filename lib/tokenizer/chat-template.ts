/**
 * Chat templates rendered as Python renders them: @huggingface/jinja, with the calls rewritten in which it does
 * otherwise. It ignores the argument of `strip`, `lstrip` and `rstrip` (Qwen 3's template keeps an answer's
 * indentation by it), and takes JavaScript's white space, which has U+FEFF where Python's has U+001C to U+001F and U+0085.
 * It drops the tags `{% generation %}`: here they are a scope of their own, and what they enclose can be told.
 * Where it stands: under `applyChatTemplate`.
 */
import { createRequire } from 'node:module';
import type * as Jinja from '@huggingface/jinja';
import { TunebookError } from '../types';

type Node = Record<string, unknown>;

/** Names that no template uses. */
const CALLS: Readonly<Record<string, string>> = {
  strip: '__python_strip',
  lstrip: '__python_lstrip',
  rstrip: '__python_rstrip',
};
const TRIM = '__python_trim';

/** str.isspace in Python. */
const SPACE = /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/;

/** What a model writes itself: transformers' tags become calls of a macro that puts marks around what they enclose. */
const GENERATION = /\{%(-?)\s*(end)?generation\s*(-?)%\}/g;
const GENERATED = '__generated';
const [BEGIN, END] = ['__generated_begin', '__generated_end'];
const MACRO = `{% macro ${GENERATED}() %}{{ ${BEGIN} }}{{ caller() }}{{ ${END} }}{% endmacro %}\n`;

/** Two characters that Unicode keeps for a program's own use. */
const MARKS: Readonly<Record<string, string>> = { [BEGIN]: '\ufdd0', [END]: '\ufdd1' };
const NO_MARKS: Readonly<Record<string, string>> = { [BEGIN]: '', [END]: '' };

/** A rendered template, and which pieces of it the model writes itself. */
export interface MarkedChat {
  readonly text: string;
  /** Within `{% generation %}`, in UTF-16 units, `end` not included. */
  readonly generated: readonly (readonly [start: number, end: number])[];
}

const compiled = new Map<string, Jinja.Template>();

/**
 * Renders a template.
 * @param context variables; JavaScript's null is none, undefined is not defined
 * @throws what the template raises, and errors of its syntax
 */
export function renderChatTemplate(source: string, context: Readonly<Record<string, unknown>>): string {
  return render(source, { ...context, ...NO_MARKS });
}

/**
 * Renders a template that encloses what the model writes in `{% generation %}`.
 * @throws what the template raises, errors of its syntax, and where it has no such tags
 */
export function renderMarkedChat(source: string, context: Readonly<Record<string, unknown>>): MarkedChat {
  if (source.search(GENERATION) < 0)
    throw new TunebookError(
      'expected a chat template that encloses answers in {% generation %} and {% endgeneration %}, got none of these tags. ' +
        'Give one that has them as chatTemplate',
    );
  const marked = render(source, { ...context, ...MARKS });
  const [open, generated]: [number[], [number, number][]] = [[], []];
  let text = '';
  for (const piece of marked.split(/([\ufdd0\ufdd1])/)) {
    if (piece === MARKS[BEGIN]) open.push(text.length);
    else if (piece === MARKS[END]) generated.push([open.pop() ?? 0, text.length]);
    else text += piece;
  }
  // A template may look at what it has written itself, and a text may hold the marks' characters.
  if (text !== renderChatTemplate(source, context))
    throw new TunebookError('the template renders otherwise where what it generates is marked');
  return { text, generated };
}

function render(source: string, context: Readonly<Record<string, unknown>>): string {
  let template = compiled.get(source);
  if (template === undefined) {
    const { Template } = createRequire(__filename)('@huggingface/jinja') as typeof Jinja;
    template = new Template(withScopes(source));
    rewrite(template.parsed);
    compiled.set(source, template);
  }
  return template.render({ ...context, ...FUNCTIONS });
}

/** In a line of its own, the macro leaves the template's first line as it is. */
function withScopes(source: string): string {
  const scoped = source.replace(GENERATION, (_, before: string, end: string | undefined, after: string) =>
    end === undefined ? `{%${before} call ${GENERATED}() ${after}%}` : `{%${before} endcall ${after}%}`,
  );
  return scoped === source ? source : MACRO + scoped;
}

/** `text.strip(...)` and `text | trim(...)` become calls of the functions below; everything in it is visited first. */
function rewrite(node: unknown): void {
  if (Array.isArray(node)) node.forEach(rewrite);
  if (!isNode(node) || Array.isArray(node)) return;
  Object.values(node).forEach(rewrite);
  const { callee, filter } = node;
  if (node.type === 'CallExpression' && isNode(callee) && callee.type === 'MemberExpression') {
    const { object, property, computed } = callee;
    const name = computed !== true && isNode(property) ? CALLS[String(property.value)] : undefined;
    if (name !== undefined) becomeCall(node, { name, args: [object, ...listOf(node.args)] });
  } else if (node.type === 'FilterExpression' && isNode(filter)) {
    const [named, args] =
      filter.type === 'CallExpression' ? [filter.callee, listOf(filter.args)] : [filter, []];
    if (isNode(named) && named.value === 'trim')
      becomeCall(node, { name: TRIM, args: [node.operand, ...args] });
  }
}

function becomeCall(node: Node, { name, args }: { name: string; args: readonly unknown[] }): void {
  for (const key of Object.keys(node)) delete node[key];
  const plain = args.map((arg) =>
    isNode(arg) && arg.type === 'KeywordArgumentExpression' ? arg.value : arg,
  );
  Object.assign(node, { type: 'CallExpression', callee: { type: 'Identifier', value: name }, args: plain });
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null;
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

type Ends = 'start' | 'end' | 'both';

const FUNCTIONS: Readonly<Record<string, (text: unknown, characters?: unknown) => string>> = {
  [CALLS.strip]: (text, characters) => strip(textIn(text, 'strip'), 'both', characters),
  [CALLS.lstrip]: (text, characters) => strip(textIn(text, 'lstrip'), 'start', characters),
  [CALLS.rstrip]: (text, characters) => strip(textIn(text, 'rstrip'), 'end', characters),
  [TRIM]: (value, characters) => strip(asText(value), 'both', characters),
};

/** Python's str.strip and its halves: of white space, or of any of the given characters. */
function strip(text: string, ends: Ends, characters: unknown): string {
  const set = typeof characters === 'string' ? new Set(characters) : undefined;
  const goes = (character: string): boolean => set?.has(character) ?? SPACE.test(character);
  const all = [...text];
  let [start, end] = [0, all.length];
  if (ends !== 'end') while (start < end && goes(all[start])) start++;
  if (ends !== 'start') while (end > start && goes(all[end - 1])) end--;
  return all.slice(start, end).join('');
}

function textIn(value: unknown, method: string): string {
  if (typeof value === 'string') return value;
  throw new TunebookError(`${method}() is called on a value that is no text`);
}

/** What Python's str() makes of the values that the filter may meet. */
function asText(value: unknown): string {
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'string' || typeof value === 'number') return String(value);
  // The engine hands over none and what is undefined alike; Python makes 'None' of the one and nothing of the other.
  throw new TunebookError('the filter trim is applied to a value that is no text');
}
