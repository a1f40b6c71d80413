/**
 * What the compiler proposes at a place in a cell. tslab puts a proposal at the cursor where that is in a string, so
 * that `'fa` becomes `'fafast'`, and gives the compiler no folders, so that imports are proposed nothing.
 */
import fs from 'node:fs';
import path from 'node:path';
import type * as TypeScript from '@tslab/typescript-for-tslab';
import type { Converter } from 'tslab/dist/converter';
import { PACKAGE_ROOT } from '../../environment';
import type { Completion } from './compiler-types';

/** What tslab's converter answers. */
type Answer = ReturnType<Converter['complete']>;

/** What stands between the quotes of a string, in UTF-16 units. */
interface StringText {
  readonly start: number;
  readonly end: number;
  /** Whether it names a module: of an `import`, or a `require`. */
  readonly isModule: boolean;
}

/** A place in a cell. */
interface Place {
  readonly source: string;
  readonly position: number;
}

/** What tslab puts in front of a cell. */
const PREFIX_LENGTH = 'export {};\n'.length;

/** TypeScript's kinds in Jupyter's words; others stay as they are. */
const KINDS: Readonly<Record<string, string>> = {
  'external module name': 'module',
  script: 'path',
  directory: 'path',
  'local function': 'function',
  'local class': 'class',
  constructor: 'method',
  getter: 'property',
  setter: 'property',
  accessor: 'property',
  'enum member': 'property',
  'primitive type': 'type',
  'type parameter': 'type',
  string: 'value',
  alias: 'instance',
  const: 'instance',
  let: 'instance',
  var: 'instance',
  'local var': 'instance',
  parameter: 'instance',
};

/** TypeScript's completions with the folders of this machine, in which imports are looked up. */
export function searchFolders(ts: typeof TypeScript): unknown {
  const { Completions } = ts as unknown as {
    Completions: {
      getCompletionsAtPositionForTslab(
        host: object,
        program: TypeScript.Program,
        ...rest: unknown[]
      ): unknown;
    };
  };
  const { sys } = ts;
  const host = {
    getCurrentDirectory: () => sys.getCurrentDirectory(),
    fileExists: (file: string) => sys.fileExists(file),
    readFile: (file: string) => sys.readFile(file),
    directoryExists: (folder: string) => sys.directoryExists(folder),
    getDirectories: (folder: string) => sys.getDirectories(folder),
    readDirectory: (...place: Parameters<TypeScript.System['readDirectory']>) => sys.readDirectory(...place),
    realpath: (file: string) => sys.realpath?.(file) ?? file,
    useCaseSensitiveFileNames: () => sys.useCaseSensitiveFileNames,
  };
  return {
    ...Completions,
    getCompletionsAtPositionForTslab: (_: unknown, program: TypeScript.Program, ...rest: unknown[]) =>
      Completions.getCompletionsAtPositionForTslab(
        { ...host, getCompilationSettings: () => program.getCompilerOptions() },
        program,
        ...rest,
      ),
  };
}

function namesModule(ts: typeof TypeScript, { parent }: TypeScript.Node): boolean {
  if (ts.isImportDeclaration(parent) || ts.isExportDeclaration(parent)) return true;
  if (!ts.isCallExpression(parent)) return false;
  const { expression } = parent;
  return (
    expression.kind === ts.SyntaxKind.ImportKeyword ||
    (ts.isIdentifier(expression) && expression.text === 'require')
  );
}

/** The string around a position; undefined for none. */
function stringAround(ts: typeof TypeScript, { source, position }: Place): StringText | undefined {
  const file = ts.createSourceFile('cell.ts', source, ts.ScriptTarget.Latest, true);
  let found: StringText | undefined;
  const visit = (node: TypeScript.Node): void => {
    if (node.pos > position || node.end < position) return;
    if (ts.isStringLiteralLike(node)) {
      const start = node.getStart(file) + 1;
      const isOpen = node.isUnterminated === true;
      const end = isOpen ? position : node.end - 1;
      if (start <= position && position <= end) found = { start, end, isModule: namesModule(ts, node) };
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

type Entry = Pick<TypeScript.CompletionEntry, 'name' | 'kind' | 'sortText' | 'replacementSpan'>;

/** This package and its rooms, which are found in any folder. */
const OWN_MODULES = Object.keys(
  (JSON.parse(fs.readFileSync(path.join(PACKAGE_ROOT, 'package.json'), 'utf8')) as { exports: object })
    .exports,
)
  .filter((name) => !name.endsWith('.json'))
  .map((name) => `tunebook${name.slice(1)}`);

const moduleEntry = (name: string, { start, end }: StringText): Entry => ({
  name,
  kind: 'external module name' as TypeScript.ScriptElementKind,
  sortText: '12',
  replacementSpan: { start: start + PREFIX_LENGTH, length: end - start },
});

/** How well a name fits what was typed, best first; undefined: not at all. */
function rankOf(name: string, typed: string): number | undefined {
  if (name.startsWith(typed)) return 0;
  const [lower, wanted] = [name.toLowerCase(), typed.toLowerCase()];
  return lower.startsWith(wanted) ? 1 : lower.includes(wanted) ? 2 : undefined;
}

/** Proposals within a string, each in place of what the compiler says that it replaces. */
function withinString(answer: Answer, { source, position }: Place, around: StringText): Completion {
  const slash = around.isModule ? source.slice(around.start, position).lastIndexOf('/') : -1;
  const proposed: readonly Entry[] = answer.original?.entries ?? [];
  const isPackage = around.isModule && !/^[./]/.test(source.slice(around.start));
  const own = isPackage ? OWN_MODULES.map((name) => moduleEntry(name, around)) : [];
  const entries = [...proposed, ...own].flatMap(({ name, kind, sortText, replacementSpan }) => {
    // The compiler says nothing where a single word is replaced.
    const start = replacementSpan ? replacementSpan.start - PREFIX_LENGTH : around.start + slash + 1;
    const end = replacementSpan ? start + replacementSpan.length : around.end;
    const rank = rankOf(name, source.slice(start, position));
    return rank === undefined ? [] : [{ name, kind, sortText, start, end: Math.max(end, position), rank }];
  });
  // Jupyter puts all of them in one place.
  const start = Math.min(position, ...entries.map((entry) => entry.start));
  const end = Math.max(position, ...entries.map((entry) => entry.end));
  const proposals = new Map<string, { readonly kind: string; readonly rank: number }>();
  entries.sort(
    (a, b) => a.rank - b.rank || a.sortText.localeCompare(b.sortText) || a.name.localeCompare(b.name),
  );
  for (const entry of entries) {
    const text = source.slice(start, entry.start) + entry.name + source.slice(entry.end, end);
    if (!proposals.has(text)) proposals.set(text, entry);
  }
  const kinds = [...proposals.values()].map(({ kind }) => (isPackage ? 'module' : (KINDS[kind] ?? kind)));
  return { candidates: [...proposals.keys()], kinds, start, end };
}

/** What may stand at a place in a cell, from what tslab answers for it. */
export function completionOf(ts: typeof TypeScript, answer: Answer, place: Place): Completion {
  const around = stringAround(ts, place);
  if (around) return withinString(answer, place, around);
  const kinds = new Map((answer.original?.entries ?? []).map(({ name, kind }) => [name, kind as string]));
  const { candidates, start, end } = answer;
  return {
    candidates,
    kinds: candidates.map((name) => KINDS[kinds.get(name) ?? ''] ?? kinds.get(name) ?? ''),
    start,
    end,
  };
}
