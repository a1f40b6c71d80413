/**
 * Chat templates render as Python's Jinja does in transformers: texts, numbers, lists and dicts as Python prints them,
 * white space, scopes and refusals (golden-jinja.json, generator beside it). TUNEBOOK_JINJA names another file of that
 * form, such as the one that the generator makes of TRL's templates.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { AutoTokenizer } from '../../lib/tokenizer';
import { parseChatTemplate } from '../../lib/tokenizer/jinja';
import { ROOT } from '../support/paths';

interface Golden {
  contexts: Record<string, Record<string, unknown>>;
  templates: string[];
  /** `text` is null where Python raises. */
  rows: [template: number, context: string, text: string | null][];
}

const FOLDER = path.join(ROOT, 'test', 'golden', 'tokenizer');

function render(template: string, context: Record<string, unknown>): string | null {
  try {
    return parseChatTemplate(template).render(context);
  } catch (error) {
    assert.equal((error as Error).name, 'TunebookError', template);
    return null;
  }
}

for (const file of [path.join(FOLDER, 'golden-jinja.json'), process.env.TUNEBOOK_JINJA]) {
  if (file === undefined) continue;
  const { contexts, templates, rows } = JSON.parse(fs.readFileSync(file, 'utf8')) as Golden;
  describe(`${path.basename(file)}: ${rows.length} renderings by Python`, () => {
    it('are equal, refusals too', () => {
      const unequal = new Set<number>();
      const first: unknown[] = [];
      for (const [index, name, text] of rows) {
        const template = templates[index] ?? '';
        const own = render(template, contexts[name] ?? {});
        if (own === text) continue;
        unequal.add(index);
        if (first.length < 10) first.push({ template: template.slice(0, 300), name, own, text });
      }
      assert.deepEqual(first, [], `${unequal.size} of ${templates.length} templates render otherwise`);
    });
  });
}

describe('what is not supported', () => {
  const refusals: [template: string, message: RegExp][] = [
    ["{{ 'a'|urlencode }}", /line 1: there is no filter "urlencode" here/],
    ["{{ 'a'.encode() }}", /the method encode of strings is not supported/],
    ['a\n{% include "b" %}', /line 2: there is no tag \{% include %\} here\. Chat templates have if, for/],
    ['{{ [1]|map("string") }}', /a generator is printed.*put \| list behind it/],
    ["{{ ('<'|safe).replace('a', '<') }}", /of text that was marked safe is not supported/],
    ["{{ '{:e}'.format('a') }}", /the format "e" is not one for text/],
    ["{{ 'ß'.casefold() }}", /casefold of ß is not supported/],
    ["{{ strftime_now('%c') }}", /the format %c is not supported/],
  ];
  for (const [template, message] of refusals)
    it(`is refused by name: ${template}`, () => {
      assert.throws(() => parseChatTemplate(template).render({}), message);
    });
});

describe('a template that cannot be rendered', () => {
  const asked = [{ role: 'user', content: 'x' }];
  const errors: [what: string, template: string, message: RegExp][] = [
    [
      'says what the template says, and what to do',
      "{{ raise_exception('Roles must alternate: ' ~ messages[0].role) }}",
      /the chat template refuses these messages: Roles must alternate: user\. Change the messages to what it asks for, or give/,
    ],
    [
      'names a variable that has no value, and where to give it',
      '{{ date_string + "x" }}',
      /the variable 'date_string' is undefined\. Give it a value: variables: \{ date_string: \.\.\. \}/,
    ],
    ['names what a message lacks', '{{ messages[0].name.first }}', /'dict object' has no attribute 'name'/],
    [
      'names the line that is wrong',
      'a\n{% if true %}\n',
      /line 2: expected \{% elif %\} or \{% else %\} or \{% endif %\}/,
    ],
  ];
  for (const [what, chatTemplate, message] of errors)
    it(what, async () => {
      const tokenizer = await AutoTokenizer.fromPretrained(path.join(FOLDER, 'byte-level'));
      assert.throws(() => tokenizer.applyChatTemplate(asked, { tokenize: false, chatTemplate }), message);
    });

  it('takes variables, functions among them', async () => {
    const tokenizer = await AutoTokenizer.fromPretrained(path.join(FOLDER, 'byte-level'));
    const chatTemplate = '{{ date_string }} {{ double(2) }} {{ none_given is defined }}';
    const variables = { date_string: '1 May', double: (n: number) => 2 * n, none_given: undefined };
    assert.equal(
      tokenizer.applyChatTemplate(asked, { tokenize: false, chatTemplate, variables }),
      '1 May 4 False',
    );
  });
});
