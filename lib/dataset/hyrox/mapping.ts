/**
 * The mapping file: how any table of parts and totals becomes a `LabelTable`, and how its answers sound.
 * Where it stands: what a person writes for `tunebook dataset build --mapping FILE`; see `data/triathlon/mapping.json`.
 */
import fs from 'node:fs';
import { z } from 'zod';
import { TunebookError } from '../../types.js';
import { answerTemplatesSchema } from './templates.js';

const columnName = z.string().min(1);

export const datasetMappingSchema = z.strictObject({
  /** Name in the context -> column: whose peers are whose. */
  groups: z.record(columnName, columnName),
  /** Name in answers -> column, in the order of the lists; lower is better. */
  segments: z
    .record(columnName, columnName)
    .refine((value) => Object.keys(value).length >= 2, 'at least two segments'),
  /** What is predicted and judged. Without `column` it is the sum of the segments. */
  target: z.strictObject({ name: columnName, column: columnName.optional() }),
  /** How cells are written: clock times (h:mm:ss, m:ss, seconds) or plain numbers. Default 'time'. */
  values: z.enum(['time', 'number']).default('time'),
  /** Word after numbers. Default 'seconds'. */
  unit: z.string().min(1).default('seconds'),
  /** Text of each record's input. Default: the published one. */
  input: z.string().min(1).optional(),
  /** Sentences. Default: plain or rich ones without advice of other sports. */
  templates: answerTemplatesSchema.optional(),
  /** Standard deviations above the peers. Default 0.5. */
  weakAbove: z.number().optional(),
  /** Share of residuals that count as usual. Default 0.6. */
  usualShare: z.number().gt(0).lt(1).optional(),
  /** Number of groups of athletes. Default: chosen. */
  k: z.number().int().min(1).optional(),
});

/** A mapping with its defaults filled in. */
export type DatasetMapping = z.infer<typeof datasetMappingSchema>;

/**
 * Reads and checks a mapping file (JSON).
 *
 * @throws TunebookError that names every wrong field
 */
export function readMapping(file: string): DatasetMapping {
  let value: unknown;
  try {
    value = JSON.parse(fs.readFileSync(file, 'utf8'));
  } catch (error) {
    throw new TunebookError(
      `${file}: expected a mapping file in JSON (${error instanceof Error ? error.message : String(error)})`,
    );
  }
  const parsed = datasetMappingSchema.safeParse(value);
  if (!parsed.success) {
    const wrong = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'file'}: ${issue.message}`);
    throw new TunebookError(`${file}: ${wrong.join('; ')}. Mend these fields of the mapping.`);
  }
  return parsed.data;
}
