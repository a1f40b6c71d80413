/**
 * zod at its first use. With its error texts in forty languages it would be a quarter of what an import of this
 * library takes, and most schemas are of things that a program never reads.
 */
import { createRequire } from 'node:module';
import type * as Zod from 'zod';
import { didYouMean } from './options';

/** zod itself. */
export function zod(): typeof Zod.z {
  return (createRequire(__filename)('zod') as typeof Zod).z;
}

/** A schema that is built when it is first asked for; its strict objects name the option that was meant. */
export function lazySchema<Schema>(build: (z: typeof Zod.z) => Schema): () => Schema {
  let built: Schema | undefined;
  return () => (built ??= build(withHints(zod())));
}

function withHints(z: typeof Zod.z): typeof Zod.z {
  return {
    ...z,
    strictObject: (shape, params) => {
      const known = Object.keys(shape ?? {});
      const error: Zod.core.$ZodErrorMap = (issue) => {
        if (issue.code !== 'unrecognized_keys') return undefined;
        const keys = issue.keys as string[];
        const hints = keys.map((key) => didYouMean(key, known)).join('');
        if (hints === '') return undefined;
        const noun = keys.length === 1 ? 'Unrecognized key' : 'Unrecognized keys';
        return `${noun}: ${keys.map((key) => JSON.stringify(key)).join(', ')}.${hints}`;
      };
      return z.strictObject(shape, params ?? { error });
    },
  };
}

/** What a value that does not fit has wrong, one fault a line. */
export function prettifyError(error: Zod.ZodError): string {
  return zod().prettifyError(error);
}
