/**
 * Awaits that an interrupt can end, and calls whose promise nobody takes: what is awaited, and what a statement throws
 * away, goes through a helper of the kernel.
 */
import type * as TypeScript from '@tslab/typescript-for-tslab';
import type { Place } from '../typescript/source-map';

/** Names that compiled cells use; the kernel puts them on globalThis. */
export const AWAIT_HELPER = '__tunebookAwait';
export const ITERATE_HELPER = '__tunebookIterate';
export const LEFT_HELPER = '__tunebookLeft';
export const META_HELPER = '__tunebookMeta';

interface Insertion {
  readonly line: number;
  readonly column: number;
  readonly length: number;
}

interface WrappedCode {
  readonly code: string;
  readonly insertions: Insertion[];
  /** Whether the cell itself awaits; tslab overlooks `for await`. */
  readonly awaits: boolean;
}

/** Without this, `await (x)` outside of a function would be read as a call of a function named await. */
function asModule(ts: typeof TypeScript): TypeScript.CreateSourceFileOptions {
  const setExternalModuleIndicator = (file: TypeScript.SourceFile): void => {
    Object.assign(file, { externalModuleIndicator: true });
  };
  return { languageVersion: ts.ScriptTarget.Latest, setExternalModuleIndicator };
}

/** The expression of a statement, or of `void`, whose value may be a promise that nobody takes. */
function leftExpression(ts: typeof TypeScript, node: TypeScript.Node): TypeScript.Expression | undefined {
  if (!ts.isExpressionStatement(node) && !ts.isVoidExpression(node)) return undefined;
  const { expression } = node;
  const { AmpersandAmpersandToken, BarBarToken, QuestionQuestionToken, SuperKeyword } = ts.SyntaxKind;
  const logical: TypeScript.SyntaxKind[] = [AmpersandAmpersandToken, BarBarToken, QuestionQuestionToken];
  const gives = ts.isCallExpression(expression)
    ? expression.expression.kind !== SuperKeyword
    : ts.isBinaryExpression(expression)
      ? logical.includes(expression.operatorToken.kind)
      : ts.isNewExpression(expression) || ts.isConditionalExpression(expression);
  return gives ? expression : undefined;
}

/** Puts the calls of the helpers in, and gives `import.meta` to CommonJS, without moving a line. */
export function wrapAwaits(ts: typeof TypeScript, code: string): WrappedCode {
  const file = ts.createSourceFile('cell.js', code, asModule(ts), true, ts.ScriptKind.JS);
  const edits: { at: number; text: string; instead?: number }[] = [];
  const wrap = (node: TypeScript.Node, helper: string): void => {
    edits.push({ at: node.getStart(file), text: `${helper}(` }, { at: node.end, text: ')' });
  };
  let awaits = false;
  const visit = (node: TypeScript.Node, inFunction: boolean): void => {
    const loop = ts.isForOfStatement(node) && node.awaitModifier !== undefined;
    if (ts.isAwaitExpression(node)) wrap(node.expression, AWAIT_HELPER);
    if (loop) wrap(node.expression, ITERATE_HELPER);
    const left = leftExpression(ts, node);
    if (left) wrap(left, LEFT_HELPER);
    if (ts.isMetaProperty(node) && node.keywordToken === ts.SyntaxKind.ImportKeyword)
      edits.push({ at: node.getStart(file), text: META_HELPER, instead: node.end });
    awaits ||= !inFunction && (loop || ts.isAwaitExpression(node));
    const inside = inFunction || ts.isFunctionLike(node);
    // A computed name belongs to what is around the function.
    ts.forEachChild(node, (child) => visit(child, ts.isComputedPropertyName(child) ? inFunction : inside));
  };
  visit(file, false);
  edits.sort((a, b) => a.at - b.at);
  const insertions: Insertion[] = [];
  const shiftOfLine = new Map<number, number>();
  let out = '';
  let from = 0;
  for (const { at, text, instead = at } of edits) {
    const { line, character } = file.getLineAndCharacterOfPosition(at);
    const shift = shiftOfLine.get(line) ?? 0;
    const length = text.length - (instead - at);
    insertions.push({ line, column: character + shift, length });
    shiftOfLine.set(line, shift + length);
    out += code.slice(from, at) + text;
    from = instead;
  }
  return { code: out + code.slice(from), insertions, awaits };
}

/** A place in wrapped code as it was before. */
export function undoInsertions(place: Place, insertions: readonly Insertion[]): Place {
  let { column } = place;
  for (const insertion of [...insertions].reverse())
    if (insertion.line === place.line && insertion.column < column) column -= insertion.length;
  return { line: place.line, column };
}
