/** What people should know of a file: name, licence, language and base, from the front matter of the model's card. */
import { frontMatter, textsOf } from '../source/card';
import { text, u32 } from './types/format';
import type { GgufEntries } from './types/format';

/** @param folders the model's, the nearest first; the first with a card counts */
export async function cardEntries(name: string, folders: readonly string[]): Promise<GgufEntries> {
  const card = await frontMatter(folders);
  const [license] = textsOf(card.license);
  const bases = textsOf(card.base_model);
  const languages = textsOf(card.language);
  const tags = textsOf(card.tags);
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
