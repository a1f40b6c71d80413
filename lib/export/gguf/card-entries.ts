/** What people should know of a file: name, licence, language and base, from the front matter of the model's card. */
import { createRequire } from 'node:module';
import path from 'node:path';
import type * as Yaml from 'yaml';
import { isJsonObject, readTextIfPresent } from '../../files';
import { text, u32 } from './format';
import type { GgufEntries } from './format';

/** @param folders the model's, the nearest first; the first with a card counts */
export async function cardEntries(name: string, folders: readonly string[]): Promise<GgufEntries> {
  const card = await frontMatter(folders);
  const texts = (value: unknown): string[] =>
    [value].flat().filter((one): one is string => typeof one === 'string' && one !== '');
  const [license] = texts(card.license);
  const bases = texts(card.base_model);
  const languages = texts(card.language);
  const tags = texts(card.tags);
  return [
    ['general.name', text(name)],
    ...(license === undefined ? [] : [['general.license', text(license)] as const]),
    ...(bases.length === 0 ? [] : [['general.base_model.count', u32(bases.length)] as const]),
    ...bases.flatMap((base, i): GgufEntries => {
      const [owner, repository] = base.split('/');
      const key = `general.base_model.${i}`;
      if (repository === undefined) return [[`${key}.name`, text(base)]];
      return [
        [`${key}.name`, text(repository)],
        [`${key}.organization`, text(owner)],
        [`${key}.repo_url`, text(`https://huggingface.co/${base}`)],
      ];
    }),
    ...(languages.length === 0
      ? []
      : [['general.languages', { type: 'strings', value: languages }] as const]),
    ...(tags.length === 0 ? [] : [['general.tags', { type: 'strings', value: tags }] as const]),
  ];
}

async function frontMatter(folders: readonly string[]): Promise<Readonly<Record<string, unknown>>> {
  const { parse } = createRequire(__filename)('yaml') as typeof Yaml;
  for (const folder of folders) {
    const card = await readTextIfPresent(path.join(folder, 'README.md'));
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
