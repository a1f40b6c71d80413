/** The card of an export: what the model's own card says of licence, language and base, and how its files are loaded. */
import { createRequire } from 'node:module';
import { promises as fs } from 'node:fs';
import path from 'node:path';
import type * as Yaml from 'yaml';
import { isJsonObject, readTextIfPresent } from '../../files';
import { writeCard } from '../../pretrained';
import { promptOf } from '../../prompts';
import type { ModelSource } from './open-source';

const CARD = 'README.md';

/** @param folders the model's, the nearest first; the first with a card counts */
export async function frontMatter(folders: readonly string[]): Promise<Readonly<Record<string, unknown>>> {
  const { parse } = createRequire(__filename)('yaml') as typeof Yaml;
  for (const folder of folders) {
    const card = await readTextIfPresent(path.join(folder, CARD));
    const [, front] = /^---\r?\n([\s\S]*?)\r?\n---/.exec(card ?? '') ?? [];
    if (front === undefined) continue;
    try {
      const read: unknown = parse(front);
      if (isJsonObject(read)) return read;
    } catch {
      // A card is for people: one that is no YAML keeps nobody from an export.
    }
  }
  return {};
}

/** The texts of a member of a card's front matter. */
export function textsOf(value: unknown): string[] {
  return [value].flat().filter((one): one is string => typeof one === 'string' && one !== '');
}

/**
 * Writes the card of a folder that holds an export, unless a person wrote the README.md that is there.
 * @returns paths of the files written
 */
export async function writeExportCard(
  { folders, name, tokenizer }: Pick<ModelSource, 'folders' | 'name' | 'tokenizer'>,
  folder: string,
  kind: 'gguf' | 'onnx',
): Promise<string[]> {
  const own = await frontMatter(folders);
  const [license] = textsOf(own.license);
  const [base] = textsOf(own.base_model);
  const languages = textsOf(own.language);
  const found = promptOf(tokenizer);
  const card = path.join(folder, CARD);
  const before = (await readTextIfPresent(card)) ?? '';
  const files = await writeCard(folder, {
    ...{ title: path.basename(path.resolve(folder)), kind, license },
    ...{ base: base ?? name, isBaseOnHub: base?.includes('/') === true },
    ...(languages.length === 0 ? {} : { language: languages }),
    prompt: found?.isSaved === true ? found.description : undefined,
  });
  if (files.length === 0) return [];
  // What it says of the folder's other files, each a section, stays.
  const sections = before.indexOf('<!-- section: ');
  if (sections >= 0) await fs.appendFile(card, `\n${before.slice(sections)}`);
  return [card];
}
