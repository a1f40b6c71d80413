/** Readable names of columns, for the mapping draft. */

/**
 * A name without its distance, underscores and "time"; short marks such as T1 stay as they are.
 * @example prettyName('50m Sled Push') // 'sled push'
 */
export function prettyName(column: string): string {
  const words = column
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .replace(/[_.,:;/()[\]-]+/g, ' ')
    .trim();
  const bare = words
    .replace(/^\d+(?:\.\d+)?\s*(?:m|km|x)?\s+/i, '')
    .replace(/\s+(?:time|split|sec|secs|seconds|s)$/i, '')
    .replace(/\s+/g, ' ');
  const name = /[a-z]/i.test(bare) ? bare : words;
  return /^[A-Z]\d+$/.test(name) ? name : name.toLowerCase();
}

/** The names of several columns; the header's own, where two would be the same. */
export function prettyNames(columns: readonly string[]): string[] {
  const names = columns.map(prettyName);
  return names.map((name, i) => {
    const unique = names.indexOf(name) === names.lastIndexOf(name) && name !== '';
    return unique ? name : columns[i].replace(/[,:]/g, ' ').trim();
  });
}

/** The stem of a series: 'run' of 'run_1'; '' for a name without a number. */
export function stemOf(column: string): string {
  const name = column.replace(/[_.\s-]*\d+$/, '');
  return name === column ? '' : name.toLowerCase();
}
