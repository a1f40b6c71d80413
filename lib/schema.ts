/**
 * zod at its first use. With its error texts in forty languages it would be a quarter of what an import of this
 * library takes, and most schemas are of things that a program never reads.
 */
import { createRequire } from 'node:module';
import type * as Zod from 'zod';

/** zod itself. */
export function zod(): typeof Zod.z {
  return (createRequire(__filename)('zod') as typeof Zod).z;
}

/** A schema that is built when it is first asked for. */
export function lazySchema<Schema>(build: (z: typeof Zod.z) => Schema): () => Schema {
  let built: Schema | undefined;
  return () => (built ??= build(zod()));
}

/** What a value that does not fit has wrong, one fault a line. */
export function prettifyError(error: Zod.ZodError): string {
  return zod().prettifyError(error);
}
