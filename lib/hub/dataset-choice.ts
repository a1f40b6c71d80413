/** Addresses of data sets on the hub, and which of a repository's files an address means. */
import { TunebookError } from '../types';

/** `hf://datasets/OWNER/NAME[@REVISION][/PATH]`, in its parts. */
export interface DatasetAddress {
  readonly id: string;
  readonly revision: string | undefined;
  /** A file, a folder, a split (`test`), a configuration, or `configuration/split`; empty: what there is. */
  readonly path: string;
}

const EXPECTED = 'expected hf://datasets/OWNER/NAME, with @REVISION and /FILE where wanted';

/** @throws {TunebookError} Where it is no such address. */
export function parseDatasetAddress(address: string): DatasetAddress {
  const match = /^hf:\/\/datasets\/(\w[\w.-]*\/\w[\w.-]*)(?:@([^/]+))?(?:\/(.*))?$/.exec(address);
  const path = match?.[3]?.replace(/\/+$/, '') ?? '';
  if (match === null || /(^|\/)\.\.?(\/|$)|\\/.test(path))
    throw new TunebookError(`${address}: ${EXPECTED}. Models have a name of their own: OWNER/NAME.`);
  const revision = match[2] === undefined ? undefined : decodeURIComponent(match[2]);
  return { id: match[1], revision, path };
}

const DATA = /\.(parquet|jsonl|ndjson|json|csv|tsv)(\.gz)?$/i;
/** JSON that describes data and holds none. */
const ABOUT =
  /^(dataset_infos?|dataset_dict|state|package|package-lock|tunebook_.*|splits|\..*)\.json$|^\.|_card\.json$/i;
const SPLITS: readonly (readonly [name: string, pattern: RegExp])[] = [
  ['train', /(^|[-_./])train(ing)?([-_./]|$)/i],
  ['validation', /(^|[-_./])(validation|valid|val|dev)([-_./]|$)/i],
  ['test', /(^|[-_./])(test|eval)([-_./]|$)/i],
];

/** Files that belong together. */
interface Group {
  readonly config: string;
  readonly split: string;
  readonly files: string[];
}

/** What an address means. */
export interface DatasetChoice {
  /** Names in the repository; several are the shards of one table, in order. */
  readonly files: readonly string[];
  /** What was chosen of several, a sentence; undefined where there was no choice. */
  readonly note: string | undefined;
}

/**
 * The files that an address means: the one that it names; those of the folder, split or configuration; else all, if they
 * are one table, or the training split of several.
 * @throws TunebookError where there is none, or several, none of them preferred; it lists the addresses
 */
export function chooseDataFiles(names: readonly string[], address: string): DatasetChoice {
  const { path, id, revision } = parseDatasetAddress(address);
  const at = `hf://datasets/${id}${revision === undefined ? '' : `@${encodeURIComponent(revision)}`}`;
  if (path !== '' && names.includes(path)) return { files: [path], note: undefined };
  const data = names.filter((name) => DATA.test(name) && !ABOUT.test(name.slice(name.lastIndexOf('/') + 1)));
  if (data.length === 0)
    throw new TunebookError(
      `${at}: expected Parquet, JSONL, JSON or CSV files, got ${names.slice(0, 12).join(', ') || 'none'}. ` +
        'Data sets that a script or an archive makes cannot be read: name one of their files.',
    );
  const groups = groupsOf(data.filter((name) => path === '' || name.startsWith(`${path}/`)));
  const named = groups.length > 0 ? groups : groupsOf(data).filter((group) => isNamed(group, path));
  const listed = (some: readonly Group[]): string =>
    some.map((group) => `  ${at}/${addressOf(group)} (${filesWord(group.files)})`).join('\n');
  if (named.length === 0)
    throw new TunebookError(
      `${address}: expected a file, folder, split or configuration that is there. There are:\n${listed(groupsOf(data))}`,
    );
  if (named.length === 1) return { files: named[0].files, note: undefined };
  const training = named.filter(({ split }) => split === 'train');
  const configs = new Set(named.map(({ config }) => config));
  if (training.length !== 1 || configs.size > 1)
    throw new TunebookError(
      `${address}: expected one table, got ${named.length}. Name one:\n${listed(named)}`,
    );
  const others = named.filter((group) => group !== training[0]);
  const note = `${address}: the split train was taken. Others:\n${listed(others)}`;
  return { files: training[0].files, note };
}

/** `data/train-00000-of-00002.parquet` and its like are one table, by folder and split. */
function groupsOf(names: readonly string[]): Group[] {
  const groups = new Map<string, Group>();
  for (const name of [...names].sort()) {
    const plain = name.replace(DATA, '');
    const split = SPLITS.find(([, pattern]) => pattern.test(plain))?.[0];
    const folders = plain.split('/').slice(0, -1);
    const config = folders
      .filter((part) => part !== 'data' && !SPLITS.some(([, is]) => is.test(part)))
      .join('/');
    // A file that names no split is a table of its own, unless it is a shard.
    const own =
      split ??
      plain
        .replace(/[-_]\d{3,}([-_]of[-_]\d{3,})?$/, '')
        .split('/')
        .at(-1) ??
      plain;
    const kind = DATA.exec(name)?.[1] ?? '';
    const key = `${config}\n${own}\n${kind}`;
    const group = groups.get(key) ?? { config, split: own, files: [] };
    group.files.push(name);
    groups.set(key, group);
  }
  return [...groups.values()];
}

const isNamed = ({ config, split }: Group, path: string): boolean =>
  split === path || config === path || `${config}/${split}` === path;

const addressOf = ({ config, split, files }: Group): string =>
  files.length === 1 ? files[0] : config === '' ? split : `${config}/${split}`;

const filesWord = (files: readonly string[]): string =>
  files.length === 1 ? '1 file' : `${files.length} files`;
