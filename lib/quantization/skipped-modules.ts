/** Modules that stay as they are where a configuration names no others. */
export const UNQUANTIZED: readonly string[] = ['lm_head'];

/** Whether a module has one of the names, whole or as a part of its own between dots. */
export function isWithin(moduleName: string, names: readonly string[]): boolean {
  return names.some((name) => `.${moduleName}.`.includes(`.${name}.`));
}
