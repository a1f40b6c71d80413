/** Plain words for obscure messages of the kernel's older compiler: what it does not support, and what to write instead. */

/** Used by the kernel and by `tunebook check`. */
export const USING_ADVICE =
  "the kernel's TypeScript 5.0.4 does not know `using`; write `const` and `try { } finally { }`";

/** One finding of the compiler, as far as advice needs it. */
interface Finding {
  readonly line: number;
  readonly message: string;
}

const ADVICE: readonly (readonly [RegExp, string])[] = [
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

/** Findings with advice in the place of what the compiler says of the same line. */
export function withAdvice<F extends Finding>(findings: readonly F[], source: string): readonly F[] {
  const lines = source.split('\n');
  const said = new Set<number>();
  const advised: F[] = [];
  for (const finding of findings) {
    if (said.has(finding.line)) continue;
    const known = MAGIC.test(lines[finding.line] ?? '')
      ? MAGIC_ADVICE
      : ADVICE.find(([pattern]) => pattern.test(finding.message))?.[1];
    if (known === undefined) continue;
    said.add(finding.line);
    advised.push({ ...finding, message: known });
  }
  return [...advised, ...findings.filter(({ line }) => !said.has(line))];
}
