/**
 * Prompts that travel: templates, and the turns that a chat client sends. Run after a build, it writes cases.json, from
 * which make.py makes golden.json:
 *     node .build/test/golden/prompt/cases.js && python test/golden/prompt/make.py
 */
import fs from 'node:fs';
import path from 'node:path';
import { chatTemplate, instructionTemplate, promptOf, savePrompt } from '../../../lib/prompts';
import type { ModelPrompt, PromptTemplate } from '../../../lib/prompts';
import { AutoTokenizer } from '../../../lib/tokenizer';
import type { PretrainedTokenizer } from '../../../lib/tokenizer';
import { ROOT } from '../../support/paths';

const ODD = "You're a \"coach\" {%- x -%} {{ y }} {# z #}  \n\r\n\té 🙂 \\n %} }}";

/** Each form, by name. */
export const TEMPLATES: Record<
  string,
  { tokenizer: 'gpt2' | 'mistral'; make(tokenizer: PretrainedTokenizer): PromptTemplate }
> = {
  'instruction, gpt2': { tokenizer: 'gpt2', make: () => instructionTemplate({ system: 'You are a coach.' }) },
  'instruction, mistral': {
    tokenizer: 'mistral',
    make: () => instructionTemplate({ system: 'You are a coach.' }),
  },
  'odd system text, gpt2': { tokenizer: 'gpt2', make: () => instructionTemplate({ system: ODD }) },
  'odd system text, mistral': { tokenizer: 'mistral', make: () => instructionTemplate({ system: ODD }) },
  'a form of its own, its system text within': {
    tokenizer: 'gpt2',
    make: () =>
      instructionTemplate({
        ...{ system: 'Brief.', prompt: ' Q: {input}\n{system} ({lang})\nA:', defaults: { lang: 'en' } },
      }),
  },
  'fields at both ends': {
    tokenizer: 'mistral',
    make: () => instructionTemplate({ prompt: '{input} / {context}' }),
  },
  chat: { tokenizer: 'mistral', make: (tokenizer) => chatTemplate({ tokenizer }) },
  'chat, system text': {
    tokenizer: 'mistral',
    make: (tokenizer) => chatTemplate({ tokenizer, system: "Be 'brief'.\n" }),
  },
};

export const RECORDS = [
  { input: 'How was it?', context: 'time: 61' },
  { input: '{input} "q" {{ messages }}', context: 'a\n\nb {% if %}' },
  { input: 'é 🙂 \\n', context: "it's" },
  { input: 'How was it?', context: '' },
];

const loaded = new Map<string, Promise<PretrainedTokenizer>>();

/** A built-in tokenizer, loaded once. */
export function tokenizerOf(name: string): Promise<PretrainedTokenizer> {
  const tokenizer = loaded.get(name) ?? AutoTokenizer.fromPretrained(name);
  loaded.set(name, tokenizer);
  return tokenizer;
}

/** The prompt of a template as it is read back from a folder. */
export async function savedPrompt(
  folder: string,
  { tokenizer: name, make }: (typeof TEMPLATES)[string],
): Promise<ModelPrompt> {
  const tokenizer = await tokenizerOf(name);
  await savePrompt(folder, { tokenizer, template: make(tokenizer) });
  const prompt = promptOf(await AutoTokenizer.fromPretrained(folder));
  if (prompt === undefined) throw new Error(`internal: ${folder} has no prompt`);
  return prompt;
}

async function main(): Promise<void> {
  const cases: unknown[] = [];
  for (const [name, form] of Object.entries(TEMPLATES)) {
    const folder = fs.mkdtempSync(path.join(ROOT, '.build', 'prompt-'));
    const { chatTemplate: jinja, messages } = await savedPrompt(folder, form);
    fs.rmSync(folder, { recursive: true });
    const asked = RECORDS.map((record) => messages(record));
    const [first, second] = asked;
    const talk = [...first, { role: 'assistant', content: 'Good.' }, ...second.slice(-1)];
    const foreign = [{ role: 'system', content: 'Be someone else.' }, ...first.slice(-1)];
    cases.push({ name, tokenizer: form.tokenizer, jinja, conversations: [...asked, talk, foreign] });
  }
  const file = path.join(ROOT, 'test', 'golden', 'prompt', 'cases.json');
  fs.writeFileSync(file, `${JSON.stringify(cases, null, 1)}\n`);
}

if (require.main === module) void main();
