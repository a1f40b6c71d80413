/** A tokenizer for models of fewer rows than there are bytes: the first of test/golden/tokenizer/byte-level's. */
import fs from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { AutoTokenizer } from '../../lib/tokenizer';
import type { PretrainedTokenizer } from '../../lib/tokenizer';
import { ROOT } from './paths';
import { temporaryFolder } from './temporary-folder';

const FROM = path.join(ROOT, 'test', 'golden', 'tokenizer', 'byte-level', 'tokenizer.json');
/** Joined of two others: some merges have to be left. */
const MERGED = 4;

/** @param count most tokens; none of them is special */
export async function fewTokens(t: TestContext, count: number): Promise<PretrainedTokenizer> {
  const json = JSON.parse(fs.readFileSync(FROM, 'utf8')) as {
    added_tokens: unknown[];
    post_processor: unknown;
    model: { vocab: Record<string, number>; merges: [string, string][] };
  };
  const byId = Object.entries(json.model.vocab).sort(([, a], [, b]) => a - b);
  const single = byId.map(([token]) => token).slice(0, count - MERGED);
  const merges = json.model.merges.filter((pair) => pair.every((part) => single.includes(part)));
  const tokens = [...single, ...merges.slice(0, MERGED).map((pair) => pair.join(''))];
  json.model.vocab = Object.fromEntries(tokens.map((token, id) => [token, id]));
  json.model.merges = merges.slice(0, MERGED);
  json.added_tokens = [];
  json.post_processor = null;
  const folder = await temporaryFolder(t);
  fs.writeFileSync(path.join(folder, 'tokenizer.json'), JSON.stringify(json));
  const config = { tokenizer_class: 'PreTrainedTokenizerFast' };
  fs.writeFileSync(path.join(folder, 'tokenizer_config.json'), JSON.stringify(config));
  return AutoTokenizer.fromPretrained(folder);
}
