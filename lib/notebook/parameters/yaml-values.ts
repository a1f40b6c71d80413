/** Settings in YAML 1.2: names with values. */
import { createRequire } from 'node:module';
import type * as Yaml from 'yaml';
import { messageOf, TunebookError } from '../../types';

/**
 * Reads the values of a YAML file.
 * @param file for messages
 * @throws TunebookError with the line of the fault
 * @example readYaml("rate: 1e-3\nnames: ['a, b', c]", 'p.yaml')   // { rate: 0.001, names: ['a, b', 'c'] }
 */
export function readYaml(text: string, file: string): Record<string, unknown> {
  const { parseDocument } = createRequire(__filename)('yaml') as typeof Yaml;
  const document = parseDocument(text.replace(/^\uFEFF/, ''), { version: '1.2' });
  // An unknown tag is only a warning there; here its value would not be what was meant.
  for (const { message, linePos } of [...document.errors, ...document.warnings])
    throw new TunebookError(
      `${file}:${linePos?.[0].line ?? 1}: expected YAML: ${message.replace(/ at line \d[\s\S]*$/, '')}`,
    );
  let values: unknown;
  try {
    values = document.toJS();
  } catch (error) {
    throw new TunebookError(`${file}: expected YAML: ${messageOf(error)}`, { cause: error });
  }
  if (values === null) return {};
  if (typeof values !== 'object' || Array.isArray(values))
    throw new TunebookError(`${file}:1: expected names with values, got ${JSON.stringify(values)}`);
  return values as Record<string, unknown>;
}
