/**
 * The fitted state of a table of races, as plain data in one versioned JSON file: enough to label a new race, compare
 * it with its peers and find similar races without the table. `fit.ts` makes it.
 */
import type { z } from 'zod';
import { lazySchema } from '../../schema';
import { readJsonObject, writeFileAtomic } from '../../files';
import { TunebookError, requireObject, requireText } from '../../types';
import type { ExpectationModel } from './expect';
import { mappingSchema, templatesSchema } from '../mapping/mapping';
import type { DatasetMapping } from '../mapping/mapping';
import type { AnswerTemplates } from '../mapping/templates';

/** Fitted to a table of races by `fit`; saved by `saveState`, loaded by `loadState`. */
export interface RaceState {
  format: typeof FORMAT;
  version: typeof VERSION;
  /** Name of the target in contexts, and the unit after numbers in sentences. */
  targetName: string;
  unit: string;
  /** Names of the groups that make peers, in order. */
  groups: string[];
  /** Peers, and the model of expected totals. */
  expectation: ExpectationModel;
  /** Residuals between these two are usual; beyond them a verdict is other than close. In the unit. */
  usual: [number, number];
  /** Centres of the groups of athletes with like strengths: [groups][segments], in standard scores. */
  centroids: number[][];
  /** Settings of answers. */
  answers: AnswerSettings;
  /** The races, without names, for neighbours and percentiles. */
  races: ReferenceRaces;
  /** Mapping for a table of another sport; HYROX results need none. */
  mapping?: DatasetMapping;
}

/** Settings of contexts and answers. */
export interface AnswerSettings {
  kind: 'rich' | 'plain';
  templates: AnswerTemplates;
  /** A segment is listed above this score. */
  weakAbove: number;
  /** Text of each record's input. */
  input: string;
  /** Seed of the wordings. */
  seed: number;
}

/** Columns of the races that a state was fitted to. */
export interface ReferenceRaces {
  size: number;
  /** [groups][rows], in the order of the state's groups. */
  groups: string[][];
  /** [segments][rows], in the order of the peers' segments, in the unit. */
  segments: number[][];
  /** [rows] */
  target: number[];
}

export const FORMAT = 'tunebook race state';
export const VERSION = 1;

const number = lazySchema((z) => z.number());
const numbers = lazySchema((z) => z.array(number()));
const lineSchema = lazySchema((z) => z.strictObject({ meanX: number(), meanY: number(), slope: number() }));
const nodeSchema = lazySchema((z) =>
  z.strictObject({
    feature: number(),
    cut: number(),
    left: number(),
    right: number(),
    value: number(),
  }),
);
const forestSchema = lazySchema((z) =>
  z.strictObject({
    base: number(),
    learningRate: number(),
    trees: z.array(z.array(nodeSchema())),
  }),
);
const peerGroupSchema = lazySchema((z) =>
  z.strictObject({
    values: z.array(z.string()),
    count: number(),
    mean: numbers(),
    sd: numbers(),
  }),
);

const stateSchema = lazySchema((z): z.ZodType<RaceState> =>
  z.strictObject({
    format: z.literal(FORMAT),
    version: z.literal(VERSION),
    targetName: z.string(),
    unit: z.string(),
    groups: z.array(z.string()),
    expectation: z.strictObject({
      peers: z.strictObject({
        segments: z.array(z.string()).min(1),
        minPeers: number(),
        levels: z.array(z.array(peerGroupSchema())).length(3),
      }),
      scores: z.array(z.union([lineSchema(), forestSchema()])),
      total: lineSchema(),
    }),
    usual: z.tuple([number(), number()]),
    centroids: z.array(numbers()).min(1),
    answers: z.strictObject({
      kind: z.enum(['rich', 'plain']),
      templates: templatesSchema(),
      weakAbove: number(),
      input: z.string(),
      seed: number(),
    }),
    races: z.strictObject({
      size: number(),
      groups: z.array(z.array(z.string())),
      segments: z.array(numbers()),
      target: numbers(),
    }),
    mapping: mappingSchema().optional(),
  }),
);

/**
 * Writes a state as JSON, whole or not at all.
 * @returns size in bytes
 * @throws TunebookError where the file cannot be written
 */
export async function saveState(file: string, state: RaceState): Promise<number> {
  requireText(file, { where: 'saveState', what: 'the path of a file' });
  requireState(state, 'saveState');
  const text = `${JSON.stringify(state)}\n`;
  await writeFileAtomic(file, text);
  return Buffer.byteLength(text);
}

/**
 * Reads what `saveState` wrote.
 * @throws TunebookError where the file is no state, or of another version
 */
export async function loadState(file: string): Promise<RaceState> {
  requireText(file, { where: 'loadState', what: 'the path of a state' });
  const remedy = 'Make one with: tunebook dataset build results.csv -o records.jsonl';
  const { format, version, ...rest } = await readJsonObject(file, { remedy });
  if (format !== FORMAT)
    throw new TunebookError(
      `${file}: expected a ${FORMAT}, got ${Object.keys(rest).slice(0, 4).join(', ')}. ${remedy}`,
    );
  if (version !== VERSION)
    throw new TunebookError(
      `${file}: expected a ${FORMAT} of version ${VERSION}, got version ${JSON.stringify(version)}. ${remedy}`,
    );
  const parsed = stateSchema().safeParse({ format, version, ...rest });
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new TunebookError(
      `${file}: ${issue.path.join('.') || 'file'}: ${issue.message}. The state is damaged. ${remedy}`,
    );
  }
  requireWhole(parsed.data, file);
  return parsed.data;
}

/** @throws TunebookError where parts of a state are inconsistent */
function requireWhole(state: RaceState, file: string): void {
  const { expectation, races, groups, centroids } = state;
  const segments = expectation.peers.segments.length;
  const wrong =
    (expectation.scores.length !== segments && 'expectation.scores') ||
    (centroids.some((row) => row.length !== segments) && 'centroids') ||
    (expectation.peers.levels
      .flat()
      .some(({ mean, sd }) => mean.length !== segments || sd.length !== segments) &&
      'expectation.peers') ||
    (expectation.peers.levels[2].length !== 1 && 'expectation.peers.levels') ||
    ((races.segments.length !== segments ||
      races.groups.length !== groups.length ||
      [...races.segments, ...races.groups, races.target].some((column) => column.length !== races.size)) &&
      'races');
  if (wrong !== false)
    throw new TunebookError(
      `${file}: expected parts of one size, got another in "${wrong}". The state is damaged.`,
    );
}

/** @throws TunebookError where the value is no state */
export function requireState(state: unknown, where: string): asserts state is RaceState {
  requireObject(state, {
    ...{ where, what: 'a fitted state', fields: ['expectation', 'centroids', 'races'] },
    remedy: "Pass hyrox.fit(races), or await hyrox.loadState('races.state.json').",
  });
}
