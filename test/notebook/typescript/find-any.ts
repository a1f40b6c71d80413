/** Finds what a declaration file exports as `any`: by a type that its compiler does not know, for instance. */
import type * as TypeScript from '@tslab/typescript-for-tslab';

/** How many names were looked at, and which of them, or of their members, are `any`. */
export interface AnyReport {
  readonly names: number;
  readonly any: string[];
}

/** Looks at every export of a file and, below each, at all that this package declares itself. */
export function findAny(ts: typeof TypeScript, program: TypeScript.Program, door: string): AnyReport {
  const checker = program.getTypeChecker();
  const file = program.getSourceFile(door);
  const module = file && checker.getSymbolAtLocation(file);
  if (!file || !module) throw new Error(`${door} is no module`);
  const seen = new Set<TypeScript.Type>();
  const any: string[] = [];

  /** Whether a declaration is of TensorFlow.js, in the one file of cells. */
  const isTensorFlow = (node: TypeScript.Node): boolean =>
    (ts.isModuleDeclaration(node) && node.name.text.startsWith('tunebook/.build/tensorflow/')) ||
    (!ts.isSourceFile(node) && isTensorFlow(node.parent));

  const isOwn = (symbol: TypeScript.Symbol): boolean =>
    (symbol.declarations ?? []).some(
      (node) =>
        !/node_modules|[\\/]lib\.[\w.]+\.d\.ts$/.test(node.getSourceFile().fileName) && !isTensorFlow(node),
    );

  const isPrivate = (symbol: TypeScript.Symbol): boolean =>
    (symbol.declarations ?? []).some((node) => ts.getCombinedModifierFlags(node) & ts.ModifierFlags.Private);

  const look = (type: TypeScript.Type, name: string): void => {
    if (type.flags & ts.TypeFlags.Any) {
      any.push(name);
      return;
    }
    if (seen.has(type)) return;
    seen.add(type);
    if (type.isUnionOrIntersection()) {
      for (const part of type.types) look(part, name);
      return;
    }
    if (!(type.flags & ts.TypeFlags.Object)) return;
    for (const argument of checker.getTypeArguments(type as TypeScript.TypeReference)) look(argument, name);
    for (const argument of type.aliasTypeArguments ?? []) look(argument, name);
    const symbol = type.getSymbol();
    if (symbol && !isOwn(symbol)) return;
    for (const signature of [...type.getCallSignatures(), ...type.getConstructSignatures()]) {
      for (const parameter of signature.getParameters())
        look(checker.getTypeOfSymbolAtLocation(parameter, file), `${name}(${parameter.name})`);
      look(signature.getReturnType(), `${name}()`);
    }
    for (const { type: value } of checker.getIndexInfosOfType(type)) look(value, `${name}[]`);
    for (const property of type.getProperties())
      if (property.name !== 'prototype' && isOwn(property) && !isPrivate(property))
        look(checker.getTypeOfSymbolAtLocation(property, file), `${name}.${property.name}`);
  };

  const exported = checker.getExportsOfModule(module);
  for (const symbol of exported) {
    const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
    if (target.flags & ts.SymbolFlags.Type) look(checker.getDeclaredTypeOfSymbol(target), symbol.name);
    if (target.flags & ts.SymbolFlags.Value)
      look(checker.getTypeOfSymbolAtLocation(target, file), symbol.name);
  }
  return { names: exported.length, any };
}
