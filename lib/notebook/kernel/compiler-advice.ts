/**
 * Plain words for obscure messages: what the kernel's older compiler does not support and what to write instead, how a
 * module that is missing is installed, and what is meant for Deno or a browser.
 */
import fs from 'node:fs';
import path from 'node:path';

/** Used by the kernel and by `tunebook check`. */
export const USING_ADVICE =
  "the kernel's TypeScript 5.0.4 does not know `using`; write `const` and `try { } finally { }`";

/** One finding of the compiler, as far as advice needs it. */
interface Finding {
  readonly line: number;
  readonly message: string;
}

/** Lock files, with the command that installs a package where there is one. */
const INSTALLERS: readonly (readonly [lockFile: string, command: string])[] = [
  ['pnpm-lock.yaml', 'pnpm add'],
  ['yarn.lock', 'yarn add'],
  ['bun.lock', 'bun add'],
  ['bun.lockb', 'bun add'],
  ['', 'npm install'],
];
const PLOTLY_ADVICE =
  'plotly.js draws in browsers only; give the figure { data, layout } to `plot` of tunebook: `import { plot } from "tunebook"`';
const DENO_ADVICE =
  'this is a cell of a Deno notebook, and this kernel runs on Node: use `node:fs`, `process.env` and so on';

/** The folder of the project that `folder` belongs to: the nearest with a package.json. */
function projectOf(folder: string): string {
  for (let at = folder; path.dirname(at) !== at; at = path.dirname(at))
    if (fs.existsSync(path.join(at, 'package.json'))) return at;
  return folder;
}

function isInstalled(name: string, folder: string): boolean {
  for (let at = folder; ; at = path.dirname(at)) {
    if (fs.existsSync(path.join(at, 'node_modules', name))) return true;
    if (path.dirname(at) === at) return false;
  }
}

/**
 * What to do where an import finds nothing.
 * @param id what is imported
 * @param folder where the cells run
 * @returns undefined where there is nothing to say, as for a file that is missing
 */
export function moduleAdvice(id: string, folder: string = process.cwd()): string | undefined {
  const project = projectOf(folder);
  const [, add] = INSTALLERS.find(([lock]) => fs.existsSync(path.join(project, lock))) ?? ['', 'npm install'];
  const deno = /^(npm|jsr):\/?((?:@[^/@]+\/)?[^/@]+)/.exec(id);
  if (deno) {
    const command = deno[1] === 'jsr' ? `npx jsr add ${deno[2]}` : `${add} ${deno[2]}`;
    return `'${id}' is an import of a Deno notebook, and this kernel runs on Node: run \`${command}\` in ${project}, and import '${deno[2]}'`;
  }
  if (/^https?:/.test(id))
    return `'${id}' is an import of a Deno notebook, and Node imports no addresses: install the package, and import it by its name`;
  const [name] = /^(?:@[\w.~-]+\/)?[A-Za-z0-9][\w.~-]*(?=\/|$)/.exec(id) ?? [];
  if (name === undefined) return undefined;
  if (/^plotly\.js/.test(name)) return PLOTLY_ADVICE;
  if (!isInstalled(name, folder))
    return `the package ${name} is not installed: run \`${add} ${name}\` in ${project}`;
  return name === id ? undefined : `the package ${name} is installed, and has no '${id}'`;
}

/** What to do after an error that a cell threw: a module that is missing, or that is made for browsers. */
export function errorAdvice({ name, message, stack }: Error): string | undefined {
  const [, missing] = /^Cannot find (?:module|package) '([^']+)'/.exec(message) ?? [];
  if (missing !== undefined) return moduleAdvice(missing);
  if (name !== 'ReferenceError') return undefined;
  if (/^Deno is not defined/.test(message)) return DENO_ADVICE;
  const [, from] = /[\\/]node_modules[\\/]((?:@[^\\/]+[\\/])?[^\\/]+)[\\/]/.exec(stack ?? '') ?? [];
  if (from === undefined || !/^(?:self|window|document|navigator) is not defined/.test(message))
    return undefined;
  return from.startsWith('plotly.js') ? PLOTLY_ADVICE : `the package ${from} is made for browsers`;
}

const ADVICE: readonly (readonly [RegExp, string])[] = [
  [/^Cannot find name 'Deno'/, DENO_ADVICE],
  [/^Cannot find name 'using'/, USING_ADVICE],
  [
    /^(?:Unable to resolve signature of \w+ decorator|Decorator function return type)/,
    "the kernel compiles decorators in TypeScript's older form: (target, name, descriptor) for a method, (constructor) for a class",
  ],
  [/^Cannot find name 'NoInfer'/, "the kernel's TypeScript 5.0.4 does not know `NoInfer`; leave it out"],
  [
    /^An import path can only end with a '\.ts' extension/,
    'write the import without .ts: the kernel finds the file',
  ],
  [
    /'with' does not exist in type 'ImportCallOptions'/,
    'leave out `{ with: … }`: the kernel needs none for JSON',
  ],
  [
    /^Import assignment cannot be used/,
    "write `import x from 'module'` or `const x = require('module')` instead of `import x = require('module')`",
  ],
];

/** The cell's own line that Python's notebooks write and TypeScript reads as something else. */
const MAGIC = /^\s*(?:%%?[a-z]\w*|![a-z]\w*(?:\s|$))/;
const MAGIC_ADVICE =
  'a cell is TypeScript; for a shell command write `import { execSync } from "node:child_process"`, and `console.time()` for times';

function adviceFor(message: string): string | undefined {
  const missing = /^Cannot find module '([^']+)'/.exec(message);
  if (missing === null) return ADVICE.find(([pattern]) => pattern.test(message))?.[1];
  const advice = moduleAdvice(missing[1]);
  return advice === undefined ? undefined : `${missing[0]}: ${advice}`; // as node says it, and people look it up
}

/** Findings with advice in the place of what the compiler says of the same line. */
export function withAdvice<F extends Finding>(findings: readonly F[], source: string): readonly F[] {
  const lines = source.split('\n');
  const said = new Set<number>();
  const advised: F[] = [];
  for (const finding of findings) {
    if (said.has(finding.line)) continue;
    const known = MAGIC.test(lines[finding.line] ?? '') ? MAGIC_ADVICE : adviceFor(finding.message);
    if (known === undefined) continue;
    said.add(finding.line);
    advised.push({ ...finding, message: known });
  }
  return [...advised, ...findings.filter(({ line }) => !said.has(line))];
}
