/** A tokenizer of data/tokenizers with further special tokens after its last id, as the golden generators make it. */
import fs from 'node:fs';
import path from 'node:path';
import { AutoTokenizer } from '../../lib/tokenizer';
import type { PretrainedTokenizer } from '../../lib/tokenizer';
import { ROOT } from './paths';

/** @param options.folder that is written */
export async function tokenizerWithTokens(
  name: string,
  options: { tokens: readonly string[]; template?: string | null; folder: string },
): Promise<PretrainedTokenizer> {
  const { tokens, template = null, folder } = options;
  fs.cpSync(path.join(ROOT, 'data', 'tokenizers', name), folder, { recursive: true });
  const file = path.join(folder, 'tokenizer.json');
  const data = JSON.parse(fs.readFileSync(file, 'utf8')) as {
    model: { vocab: Record<string, number> };
    added_tokens: Record<string, unknown>[];
  };
  const last = Math.max(...Object.values(data.model.vocab), ...data.added_tokens.map(({ id }) => Number(id)));
  tokens.forEach((content, i) => {
    const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
    data.added_tokens.push({ id: last + 1 + i, content, ...flags });
  });
  fs.writeFileSync(file, JSON.stringify(data));
  if (template !== null) {
    const config = path.join(folder, 'tokenizer_config.json');
    const settings = JSON.parse(fs.readFileSync(config, 'utf8')) as Record<string, unknown>;
    fs.writeFileSync(config, JSON.stringify({ ...settings, chat_template: template }));
  }
  return AutoTokenizer.fromPretrained(folder);
}
