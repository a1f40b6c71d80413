/** Golden conversations (golden/conversations): their tokenizers, and what of an example is learned. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after } from 'node:test';
import { encodeRecords } from '../../lib/dataset';
import type { DataRecord, EncodeOptions } from '../../lib/dataset';
import type { PretrainedTokenizer } from '../../lib/tokenizer';
import type { EncodedExample } from '../../lib/types';
import { ROOT } from './paths';
import { tokenizerWithTokens } from './tokenizer-with-tokens';

interface Row {
  readonly refused?: string;
  readonly ids: number[];
  readonly mask?: string;
  readonly prompt?: number[];
}

interface Golden {
  readonly tools: DataRecord[];
  readonly chats: Record<string, DataRecord[]>;
  readonly kinds: Record<
    string,
    { tokenizer: string; tokens: string[]; template: string; rows: Record<string, Row> }
  >;
}

const OWN = path.join(ROOT, 'test', 'golden', 'conversations', 'golden.json');

/** Of our templates; TUNEBOOK_CONVERSATIONS names another file of that form, which its generator makes of TRL's. */
export const golden = JSON.parse(
  fs.readFileSync(process.env.TUNEBOOK_CONVERSATIONS ?? OWN, 'utf8'),
) as Golden;
export const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-conversations-'));
after(() => fs.rmSync(scratch, { recursive: true, force: true }));

const loaded = new Map<string, Promise<PretrainedTokenizer>>();

export function tokenizerOf(kind: string): Promise<PretrainedTokenizer> {
  const { tokenizer, template, tokens } = golden.kinds[kind];
  const found =
    loaded.get(kind) ??
    tokenizerWithTokens(tokenizer, { tokens, template, folder: path.join(scratch, kind) });
  loaded.set(kind, found);
  return found;
}

export const maskOf = ({ labels }: EncodedExample): string =>
  labels.map((label) => (label === -100 ? '0' : '1')).join('');

export const learned = (example: EncodedExample, tokenizer: PretrainedTokenizer): string =>
  tokenizer.decode(example.labels.filter((label) => label !== -100));

export const recordOf = (chat: string): DataRecord => ({
  messages: golden.chats[chat],
  ...(chat === 'tools' ? { tools: golden.tools } : {}),
});

/** Without the line that says what the records were taken as. */
export const encode = (
  records: readonly DataRecord[],
  options: EncodeOptions,
): ReturnType<typeof encodeRecords> => encodeRecords(records, { format: 'messages', ...options });

/** A turn of the user. */
export const user = (content: string): DataRecord => ({ role: 'user', content });

/** A turn of the assistant. */
export const answer = (content: string, more: DataRecord = {}): DataRecord => ({
  ...{ role: 'assistant', content },
  ...more,
});
