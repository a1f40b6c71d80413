/**
 * How transformers.js reads texts and conversations beside tunebook, by the files of an export: it has a tokenizer and a
 * template engine of its own. Where it stands: in the proof of an export, once for all of its files.
 */
import path from 'node:path';
import { isJsonObject, readJsonObject } from '../../files';
import type { JsonObject } from '../../files';
import type { ChatMessage, PretrainedTokenizer } from '../../tokenizer';
import { messageOf } from '../../types';
import type { TransformersTokenizer } from './onnx-responder';

/** What was found, a sentence each. */
export interface Reading {
  readonly words: readonly string[];
  /** Whether conversations become the same prompts. */
  readonly isProven: boolean;
}

/** Texts that tokenizers cut, normalize and decode by rules in which libraries differ. */
const TEXTS: Readonly<Record<string, string>> = {
  'letters with a mark of their own (e + U+0301)': 'cafe\u0301 A\u030a n\u0303',
  'U+FEFF': 'a\ufeffb \ufeff, \ufeff',
  'U+0085': 'a\u0085b \u0085',
  'blanks of other widths': 'a\u00a0b\u2003c \u3000d',
  'characters of no width': 'a\u200bb\u200dc \u200b',
  'ligatures and letters of full width': '\ufb01t \uff21\uff22 \uff11\uff12 \u2105 \u2122',
  emoji: 'go \u{1f3c3} \u{1f469}\u200d\u{1f469}\u200d\u{1f467}\u{1f3fd}',
  'blanks in rows, tabs and ends of lines': '  a   b\t\tc \r\n\n d  \n',
  digits: '12345678 1:02:33 0.5 % \u00bd x\u00b2 \u0968\u0966\u0968\u096a',
  'other scripts':
    '\u0645\u0631\u062d\u0628\u0627 \u6771\u4eac \u0395\u03bb\u03bb\u03ac\u03b4\u03b1 \u0e44\u0e17\u0e22 \u01c5\u0130\u00df',
  'capitals and contractions': "\u00c0\u00c9HTML camelCase I'LL we're it\u2019s",
  punctuation: '"(a) -- b/c? [d]_e; #f ... \u2026 \u2014',
};

const QUESTION: ChatMessage = { role: 'user', content: ' How far is it?\n' };
const CONVERSATIONS: readonly (readonly ChatMessage[])[] = [
  [QUESTION],
  [{ role: 'system', content: 'Be short.' }, QUESTION],
  [QUESTION, { role: 'assistant', content: 'Far.' }, { role: 'user', content: 'How far?' }],
];

/** @param folder that `there` was loaded from */
export async function readingInTransformers(
  here: PretrainedTokenizer,
  there: TransformersTokenizer,
  folder: string,
): Promise<Reading> {
  const json = await readJsonObject(path.join(folder, 'tokenizer.json'));
  const texts = [...Object.entries(TEXTS), ...addedTexts(json)];
  const others = texts.filter(([, text]) => !isReadAlike(text, here, there)).map(([name]) => name);
  const conversation = conversationWords(here, there);
  return {
    words: [
      ...(others.length === 0
        ? []
        : [
            `transformers.js reads or writes some texts otherwise than the model was tuned with: ${others.join(', ')}.` +
              (isNormalizedByTable(json)
                ? ' It only approximates the table of letters in this tokenizer (Precompiled): compose texts (NFKC) before you ask.'
                : ''),
          ]),
      ...(conversation === undefined ? [] : [conversation]),
    ],
    isProven: conversation === undefined,
  };
}

/** Each added token within a word and between blanks. */
function addedTexts({ added_tokens: added }: JsonObject): [name: string, text: string][] {
  const tokens = Array.isArray(added) ? added.filter(isJsonObject) : [];
  const contents = tokens.map(({ content }) => content).filter((one) => typeof one === 'string');
  return contents.length === 0
    ? []
    : [
        [
          'added tokens',
          contents
            .slice(0, MOST_ADDED)
            .map((one) => `a${one}b  ${one}  c`)
            .join(' '),
        ],
      ];
}

/** Some tokenizers reserve hundreds. */
const MOST_ADDED = 64;

function isReadAlike(text: string, here: PretrainedTokenizer, there: TransformersTokenizer): boolean {
  const ids = here.encode(text);
  if (ids.join() !== there.encode(text).join()) return false;
  // transformers.js may leave a blank before the first word, which the page takes off.
  return here.decode(ids, { skipSpecialTokens: true }).trim() === there.decode(ids).trim();
}

/** What is wrong with conversations, if anything is; tokenizers without a template have none. */
function conversationWords(here: PretrainedTokenizer, there: TransformersTokenizer): string | undefined {
  if (here.chatTemplate === undefined) return undefined;
  for (const messages of CONVERSATIONS) {
    const wanted = rendered(() =>
      here.applyChatTemplate(messages, { tokenize: false, addGenerationPrompt: true }),
    );
    if (typeof wanted !== 'string') continue; // a template may refuse a system's turn
    const got = rendered(() => there.render(messages));
    if (got === wanted) continue;
    return (
      'transformers.js renders the chat template otherwise than tunebook' +
      (typeof got === 'string'
        ? `: expected ${JSON.stringify(wanted)}, got ${JSON.stringify(got)}. `
        : ` (${messageOf(got.error)}). `) +
      'Save the model with a simpler template.'
    );
  }
  return undefined;
}

function rendered(render: () => string): string | { readonly error: unknown } {
  try {
    return render();
  } catch (error) {
    return { error };
  }
}

/** SentencePiece's own normalizer. */
function isNormalizedByTable({ normalizer }: JsonObject): boolean {
  return JSON.stringify(normalizer ?? {}).includes('"type":"Precompiled"');
}
