/**
 * One variable, whichever cell writes it. Stock tslab copies a cell's variables into an object that later cells use, so
 * that the cell's functions keep using their own: `let n = 0; const next = () => n++` does not see a later cell's
 * `n = 10`. Here the object's member is an accessor of the variable itself, until a cell declares the name again.
 */
import type * as TypeScript from 'typescript';
import { declaredNames, hoistedNames } from '../typescript/cell-text';

/** Name of the global function that a cell calls at its end. */
export const LIVE_HELPER = '__tunebookLive';

/** Reads and writes one variable of a cell. */
type Accessor = readonly [get: () => unknown, set: (value: unknown) => void];

/** Variables of a cell that its functions use, and that a later cell may assign to. */
function sharedVariables(ts: typeof TypeScript, file: TypeScript.SourceFile): Set<string> {
  const variables = new Set<string>();
  for (const [name, kind] of declaredNames(ts, file)) if (kind === 'variable') variables.add(name);
  const shared = new Set<string>();
  const visit = (node: TypeScript.Node, inFunction: boolean): void => {
    if (inFunction && ts.isIdentifier(node) && variables.has(node.text)) shared.add(node.text);
    const inside = inFunction || ts.isFunctionLike(node) || ts.isClassLike(node);
    ts.forEachChild(node, (child) => visit(child, inside));
  };
  visit(file, false);
  return shared;
}

function sharingCall(names: readonly string[]): string {
  const members = names.map(
    (name) => `${JSON.stringify(name)}: [() => ${name}, (value) => { ${name} = value; }]`,
  );
  return members.length === 0 ? '' : `;${LIVE_HELPER}({ ${members.join(', ')} });`;
}

/**
 * A cell's JavaScript with calls that share its variables. Those of a `var` in a block exist from the start, and
 * TypeScript does not export what they are given there: they are shared first, on the line of TypeScript's own head.
 * @param source the cell as it was written
 */
export function shareVariables(ts: typeof TypeScript, source: string, output: string): string {
  if (!/\b(?:let|var)\b/.test(source)) return output;
  const file = ts.createSourceFile('cell.ts', source, ts.ScriptTarget.Latest, true);
  const hoisted = hoistedNames(ts, file);
  const others = [...sharedVariables(ts, file)].filter((name) => !hoisted.has(name));
  return `${sharingCall([...hoisted])}${output}\n${sharingCall(others)}`;
}

/** The variables that cells share. */
export class LiveVariables {
  private readonly accessors = new Map<PropertyKey, Accessor>();

  /** `values` with the shared variables in their places. */
  over<T extends object>(values: T): T {
    return new Proxy(values, {
      get: (target, key) => {
        const accessor = this.accessors.get(key);
        return accessor ? accessor[0]() : (Reflect.get(target, key) as unknown);
      },
      set: (target, key, value) => {
        this.accessors.get(key)?.[1](value);
        return Reflect.set(target, key, value);
      },
    });
  }

  share(variables: Readonly<Record<string, Accessor>>): void {
    for (const [name, accessor] of Object.entries(variables)) this.accessors.set(name, accessor);
  }

  /** Ends the sharing of names that a cell declares anew: functions of earlier cells keep their own variables. */
  release(names: Iterable<string>): void {
    for (const name of names) this.accessors.delete(name);
  }
}
