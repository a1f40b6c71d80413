/** Which tokens the assistant wrote: the masks of transformers (golden-masks.json, generator beside it), and refusals. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { AutoTokenizer } from '../../lib/tokenizer';
import type { ChatMessage, PretrainedTokenizer } from '../../lib/tokenizer';
import { ROOT } from '../support/paths';
import { temporaryFolder } from '../support/temporary-folder';

const FOLDER = path.join(ROOT, 'test', 'golden', 'tokenizer');

interface Golden {
  readonly templates: Record<string, string>;
  readonly chats: ChatMessage[][];
  readonly cases: { tokenizer: string; template: string; chat: number; ids: number[]; mask: string }[];
  readonly postProcessors: Record<string, object>;
}

const golden = JSON.parse(fs.readFileSync(path.join(FOLDER, 'golden-masks.json'), 'utf8')) as Golden;
const BRIEF = '{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}';

/** A tokenizer of the golden values, with the post-processor that it has there. */
async function load(t: TestContext, name: string): Promise<PretrainedTokenizer> {
  const [base] = name.split(',');
  const own = path.join(FOLDER, base);
  const folder = fs.existsSync(own) ? own : path.join(ROOT, 'data', 'tokenizers', base);
  const processor = golden.postProcessors[name];
  if (processor === undefined) return AutoTokenizer.fromPretrained(folder);
  const copy = await temporaryFolder(t);
  fs.cpSync(folder, copy, { recursive: true });
  const file = path.join(copy, 'tokenizer.json');
  const json = JSON.parse(fs.readFileSync(file, 'utf8')) as object;
  fs.writeFileSync(file, JSON.stringify({ ...json, post_processor: processor }));
  return AutoTokenizer.fromPretrained(copy);
}

describe('the mask of what the assistant wrote', () => {
  for (const name of new Set(golden.cases.map(({ tokenizer }) => tokenizer)))
    it(`is that of transformers: ${name}`, async (t) => {
      const tokenizer = await load(t, name);
      const cases = golden.cases.filter((one) => one.tokenizer === name);
      assert.ok(cases.length > 100 && cases.some(({ mask }) => /01+0/.test(mask)));
      for (const { template, chat, ids, mask } of cases) {
        const { inputIds, assistantMasks } = tokenizer.applyChatTemplate(golden.chats[chat], {
          chatTemplate: golden.templates[template],
          addGenerationPrompt: chat % 2 === 1,
          returnAssistantTokensMask: true,
        });
        const what = `${template}, ${JSON.stringify(golden.chats[chat])}`;
        assert.deepEqual(inputIds, ids, what);
        assert.equal(assistantMasks.join(''), mask, what);
      }
    });

  const messages: ChatMessage[] = [{ role: 'assistant', content: 'fast' }];
  const refusals: [what: string, template: string, message: RegExp][] = [
    ['a template without the tags', '{{ messages[0].content }}', /expected a chat template that encloses/],
    ['a mark in a text', BRIEF, /renders otherwise where what it generates is marked/],
    [
      'a template that measures what it wrote',
      `{% set text %}${BRIEF}{% endset %}{{ text | length }}`,
      /renders otherwise/,
    ],
  ];
  for (const [what, chatTemplate, message] of refusals)
    it(`is refused for ${what}`, async (t) => {
      const tokenizer = await load(t, 'byte-level');
      const content = what.startsWith('a mark') ? 'a\ufdd0b' : 'fast';
      assert.throws(
        () =>
          tokenizer.applyChatTemplate([{ role: 'assistant', content }], {
            ...{ chatTemplate, returnAssistantTokensMask: true },
          }),
        message,
      );
    });

  it('is refused where the tokenizer changes the text, and for text without ids', async (t) => {
    const folder = await temporaryFolder(t);
    fs.cpSync(path.join(FOLDER, 'byte-level'), folder, { recursive: true });
    const file = path.join(folder, 'tokenizer.json');
    const json = JSON.parse(fs.readFileSync(file, 'utf8')) as object;
    fs.writeFileSync(file, JSON.stringify({ ...json, normalizer: { type: 'NFC' } }));
    const tokenizer = await AutoTokenizer.fromPretrained(folder);
    const options = { chatTemplate: BRIEF, returnAssistantTokensMask: true } as const;
    const mask = (content: string): number[] =>
      tokenizer.applyChatTemplate([{ role: 'assistant', content }], options).assistantMasks;
    assert.deepEqual(new Set(mask('caf\u00e9s')), new Set([1]));
    assert.throws(() => mask('cafe\u0301'), /cannot tell which tokens the model wrote: .*"normalizer"/);
    const asText = { ...options, tokenize: false } as never;
    assert.throws(() => tokenizer.applyChatTemplate(messages, asText), /leave tokenize: false out/);
  });

  it('encloses a scope: what is set within does not count outside, with a mask and without', async (t) => {
    const tokenizer = await load(t, 'byte-level');
    const chatTemplate = '{% set x = 1 %}{% generation %}{% set x = 2 %}{{ x }}{% endgeneration %}{{ x }}';
    assert.equal(tokenizer.applyChatTemplate(messages, { chatTemplate, tokenize: false }), '21');
  });
});
