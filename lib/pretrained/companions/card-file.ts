/** README.md of a saved folder: written where it is tunebook's, left alone where a person wrote it. */
import path from 'node:path';
import { isFolder, readTextIfPresent, writeFileAtomic } from '../../files';
import { isHubId } from '../../hub';
import type { HasRuntime } from '../../models';
import { TunebookError } from '../../types';
import { originOf } from './companions';
import { MARK, modelCard } from './model-card';
import type { CardFacts, ModelCardOptions } from './model-card';

const CARD = 'README.md';

/**
 * Writes a folder's card, unless a person wrote or changed the README.md that is there.
 * @returns names of the files written
 */
export async function writeCard(folder: string, options: ModelCardOptions): Promise<string[]> {
  const file = path.join(folder, CARD);
  const before = await readTextIfPresent(file);
  if (before !== undefined && !before.includes(MARK)) return [];
  await writeFileAtomic(file, modelCard(options));
  return [CARD];
}

/** The card of a model or adapter that is being saved. */
export async function saveCard(
  model: HasRuntime,
  folder: string,
  { kind, facts, base }: { kind: 'model' | 'adapter'; facts: CardFacts | undefined; base?: string },
): Promise<string[]> {
  const { name, prompt, method, folder: source } = originOf(model);
  if (facts === undefined && prompt === undefined && method === undefined) return [];
  const from = base ?? name;
  const known = source === undefined ? {} : await frontMatterOf(source);
  const isLocal = from === undefined || (await isFolder(from));
  const parent = isLocal ? known.base_model : from;
  return writeCard(folder, {
    ...{ title: path.basename(path.resolve(folder)), license: known.license },
    ...(method === undefined ? {} : { method: method.text }),
    ...facts,
    ...(method === undefined ? {} : { tags: [...(facts?.tags ?? []), method.tag] }),
    ...{ kind, base: parent ?? from, isBaseOnHub: parent?.includes('/') === true && isHubId(parent) },
    prompt: prompt?.template.travel?.description,
  });
}

/** The one-line texts of a README's front matter. */
async function frontMatterOf(folder: string): Promise<Partial<Record<string, string>>> {
  const text = (await readTextIfPresent(path.join(folder, CARD))) ?? '';
  const [, matter = ''] = /^---\n([^]*?)\n---/.exec(text) ?? [];
  const lines = [...matter.matchAll(/^(\w+): *["']?([^\n"']+)["']? *$/gm)];
  return Object.fromEntries(lines.map(([, key, value]) => [key, value]));
}

/**
 * Adds a section to a folder's model card, in place of the one of that title; how an export agrees with the model, say.
 * A card that a person wrote or changed stays as it is.
 * @param section its title, and Markdown
 * @returns whether it was added
 * @throws TunebookError where the title is no single line
 */
export async function addCardSection(
  folder: string,
  section: { readonly title: string; readonly text: string },
): Promise<boolean> {
  const { title, text } = section;
  if (title.trim() === '' || title.includes('\n'))
    throw new TunebookError(`addCardSection: expected a title of one line, got ${JSON.stringify(title)}.`);
  const file = path.join(folder, CARD);
  const card = await readTextIfPresent(file);
  if (card?.includes(MARK) !== true) return false;
  const [start, end] = [`<!-- section: ${title} -->`, `<!-- end: ${title} -->`];
  const [before, rest] = [card.indexOf(start), card.indexOf(end)];
  const without =
    before >= 0 && rest > before ? card.slice(0, before).trimEnd() + card.slice(rest + end.length) : card;
  const added = `${start}\n\n## ${title}\n\n${text.trim()}\n\n${end}\n`;
  await writeFileAtomic(file, `${without.trimEnd()}\n\n${added}`);
  return true;
}
