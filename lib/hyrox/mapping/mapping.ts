/**
 * The mapping file of `tunebook dataset build --mapping FILE`: how any table of parts and totals becomes a
 * `LabelTable`, and the wording of its answers. See `data/triathlon/mapping.json`.
 */
import fs from 'node:fs';
import type { z } from 'zod';
import { lazySchema } from '../../schema';
import { parseJson, requireLocalPath } from '../../files';
import { messageOf, TunebookError, requireText } from '../../types';
import type { AnswerTemplates } from './templates';

const columnName = lazySchema((z) => z.string().min(1));

/** A mapping with its defaults filled in. */
export interface DatasetMapping {
  /** Name in the context -> column: whose peers are whose. */
  groups: Record<string, string>;
  /** Name in answers -> column, in the order of the lists; lower is better. */
  segments: Record<string, string>;
  /** What is predicted and judged. Without `column` it is the sum of the segments. */
  target: { name: string; column?: string };
  /** How cells are written: clock times (h:mm:ss, m:ss, seconds) or plain numbers. Default 'time'. */
  values: 'time' | 'number';
  /** Word after numbers. Default 'seconds'. */
  unit: string;
  /** Text of each record's input. Default: the published one. */
  input?: string;
  /** Sentences. Default: plain or rich ones without advice of other sports. */
  templates?: AnswerTemplates;
  /** Standard deviations above the peers. Default 0.5. */
  weakAbove?: number;
  /** Share of residuals that count as usual. Default 0.6. */
  usualShare?: number;
  /** Number of groups of athletes. Default: chosen. */
  k?: number;
  /** Segment -> its name in feedback. Default: its name here. */
  names?: Record<string, string>;
  /** Segment -> its kind. Default: by its name, else 'station'. */
  kinds?: Record<string, 'run' | 'station' | 'roxzone'>;
  /** Value of a group -> word for people with it: `{ "M": "men" }`. Default: known for male, female, m, f, w. */
  people?: Record<string, string>;
}

const sentences = lazySchema((z) => z.array(z.string().min(1)).min(1));

/** Schema of a mapping file's templates; the last three are optional there. */
export const templatesSchema = lazySchema((z): z.ZodType<AnswerTemplates> =>
  z.object({
    slower: sentences(),
    close: sentences(),
    outperformed: sentences(),
    improve: sentences(),
    inLine: sentences(),
    cost: z.array(z.string()).default([]),
    advise: z.array(z.string()).default([]),
    advice: z.record(z.string(), sentences()).default({}),
  }),
);

/** Names that cannot be confused with the context's punctuation. */
const contextName = lazySchema(() => columnName().regex(/^[^,:]+$/, 'a name without comma and colon'));

/** Schema of a mapping. */
export const mappingSchema = lazySchema((z): z.ZodType<DatasetMapping> =>
  z
    .strictObject({
      groups: z.record(contextName(), columnName()),
      segments: z
        .record(contextName(), columnName())
        .refine((value) => Object.keys(value).length >= 2, 'at least two segments'),
      target: z.strictObject({ name: contextName(), column: columnName().optional() }),
      values: z.enum(['time', 'number']).default('time'),
      unit: z.string().min(1).default('seconds'),
      input: z.string().min(1).optional(),
      templates: templatesSchema().optional(),
      weakAbove: z.number().optional(),
      usualShare: z.number().gt(0).lt(1).optional(),
      k: z.number().int().min(1).optional(),
      names: z.record(z.string(), z.string().min(1)).optional(),
      kinds: z.record(z.string(), z.enum(['run', 'station', 'roxzone'])).optional(),
      people: z.record(z.string(), z.string().min(1)).optional(),
    })
    .superRefine(({ segments, ...of }, context) => {
      for (const field of ['names', 'kinds'] as const)
        for (const name of Object.keys(of[field] ?? {}))
          if (!(name in segments))
            context.addIssue({
              ...{ code: 'custom', path: [field, name] },
              message: `no segment "${name}" among ${Object.keys(segments).join(', ')}`,
            });
    }),
);

/**
 * Reads and checks a mapping file (JSON).
 *
 * @throws TunebookError that names every wrong field
 */
export function readMapping(file: string): DatasetMapping {
  requireText(file, { where: 'readMapping', what: 'the path of a mapping file' });
  requireLocalPath(file, 'readMapping');
  let value: unknown;
  try {
    value = parseJson(fs.readFileSync(file, 'utf8'), { where: file, expected: 'a mapping file in JSON' });
  } catch (error) {
    if (error instanceof TunebookError) throw error;
    throw new TunebookError(
      `${file}: expected a mapping file, but it cannot be read (${messageOf(error)}). Check the path.`,
    );
  }
  const parsed = mappingSchema().safeParse(value);
  if (!parsed.success) {
    const wrong = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'file'}: ${issue.message}`);
    throw new TunebookError(`${file}: ${wrong.join('; ')}. Fix these fields of the mapping.`);
  }
  return parsed.data;
}
