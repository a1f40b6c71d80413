/**
 * Fixes shorthand properties in stock tslab. In `{ name }` it leaves the bare name of an earlier cell, which is not
 * defined, because TypeScript's symbol there is the property and not the variable. In `const { key: name } = earlier`
 * it takes the key for a variable, because the property was declared earlier.
 */
import type * as TypeScript from '@tslab/typescript-for-tslab';

/** Replacements for the functions of the TypeScript module that tslab's converter is loaded with. */
export function fixShorthand(ts: typeof TypeScript): Record<string, unknown> {
  const fixed = new WeakSet<TypeScript.TypeChecker>();
  const fix = (checker: TypeScript.TypeChecker): TypeScript.TypeChecker => {
    if (fixed.has(checker)) return checker;
    fixed.add(checker);
    const symbolAt = checker.getSymbolAtLocation.bind(checker);
    checker.getSymbolAtLocation = (node) =>
      node.parent && ts.isShorthandPropertyAssignment(node.parent) && node.parent.name === node
        ? checker.getShorthandAssignmentValueSymbol(node.parent)
        : symbolAt(node);
    return checker;
  };
  const visitEachChild = ts.visitEachChild as (
    node: TypeScript.Node,
    visitor: TypeScript.Visitor,
    ...rest: unknown[]
  ) => TypeScript.Node;
  return {
    createWatchProgram: (host: WatchHost, ...rest: unknown[]) => {
      const created = host.afterProgramCreate;
      host.afterProgramCreate = (builder) => {
        const program = builder.getProgram();
        const getTypeChecker = program.getTypeChecker.bind(program);
        program.getTypeChecker = () => fix(getTypeChecker());
        created?.call(host, builder);
      };
      return (ts.createWatchProgram as unknown as (...all: unknown[]) => unknown)(host, ...rest);
    },
    visitEachChild: (node: TypeScript.Node, visitor: TypeScript.Visitor, ...rest: unknown[]) => {
      if (ts.isBindingElement(node) && node.propertyName && ts.isIdentifier(node.propertyName))
        return ts.factory.updateBindingElement(
          node,
          node.dotDotDotToken,
          node.propertyName,
          visitor(node.name) as TypeScript.BindingName,
          node.initializer && (visitor(node.initializer) as TypeScript.Expression),
        );
      if (!ts.isShorthandPropertyAssignment(node)) return visitEachChild(node, visitor, ...rest);
      const value = visitor(node.name) as TypeScript.Expression;
      if (value === node.name) return node;
      return ts.factory.createPropertyAssignment(ts.factory.createIdentifier(node.name.text), value);
    },
  };
}

type WatchHost =
  TypeScript.WatchCompilerHostOfFilesAndCompilerOptions<TypeScript.EmitAndSemanticDiagnosticsBuilderProgram>;
