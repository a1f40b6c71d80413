/**
 * Validation of a run's arguments, all faults at once: impossible values, unknown names, and contradictions between
 * arguments that are valid by themselves.
 */
import { inspect } from 'node:util';
import type { z } from 'zod';
import { didYouMean } from '../../options';
import { argumentsSchema } from './schema';
import type { CheckedArguments } from './schema';
import { SCHEDULE_SETTINGS } from '../optimizers/schedules';
import type { ScheduleSettings } from '../optimizers/schedules';

/** Values of a run without `outputDir`, which may be invalid itself. */
export type CheckedValues = Omit<CheckedArguments, 'outputDir'>;
type Issue = z.core.$ZodIssue;

/**
 * One sentence for each invalid value or unknown name: "name: expected X, got Y."
 * @param more names of arguments beside those of the schema, to propose for misspelt ones
 */
export function valueFaults(
  issues: readonly Issue[],
  options: unknown,
  more: readonly string[] = [],
): string[] {
  const expected = new Map<string, string[]>();
  const sentences: string[] = [];
  for (const issue of issues) {
    if (issue.code === 'unrecognized_keys') {
      const path = issue.path.map(String);
      const settings = Object.values(SCHEDULE_SETTINGS).flat();
      const known = path.length === 0 ? [...Object.keys(argumentsSchema().shape), ...more] : settings;
      for (const key of issue.keys) {
        const name = [...path, key].join('.');
        sentences.push(
          `${name}: expected the name of an argument, got an unknown one.${didYouMean(key, known)}`,
        );
      }
      continue;
    }
    const where = issue.path.join('.') || 'options';
    // Zod's messages without their prefix ('Too small:') and without the value.
    const text = issue.message
      .replace(/^([A-Z][\w ]*: )?expected /, '')
      .replace(/, received .*$/, '')
      .replace(/^int$/, 'whole number');
    expected.set(where, [...(expected.get(where) ?? []), text]);
  }
  for (const [where, texts] of expected)
    sentences.push(`${where}: expected ${texts.join(' and ')}, got ${shown(valueAt(options, where))}.`);
  return sentences.sort();
}

/** The valid options, and the names of the others ('optim', 'lrSchedulerKwargs.lrEnd'). */
export function withoutFaults(
  issues: readonly Issue[],
  options: object,
): { rest: Record<string, unknown>; wrong: ReadonlySet<string> } {
  const rest: Record<string, unknown> = { ...options };
  const wrong = new Set<string>();
  for (const issue of issues) {
    const paths =
      issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...issue.path, key]) : [issue.path];
    for (const [name, setting] of paths.map((path) => path.map(String))) {
      const group = rest[name];
      const isSetting = name === 'lrSchedulerKwargs' && setting !== undefined;
      wrong.add(isSetting ? `${name}.${setting}` : name);
      if (isSetting && typeof group === 'object' && group !== null)
        rest[name] = Object.fromEntries(Object.entries(group).filter(([key]) => key !== setting));
      else delete rest[name];
    }
  }
  return { rest, wrong };
}

/**
 * One sentence for each contradiction.
 * @param wrong arguments without a valid value: rules that depend on one of them are skipped
 */
export function contradictions(values: CheckedValues, wrong: ReadonlySet<string> = new Set()): string[] {
  const lrSchedulerKwargs = guarded(values.lrSchedulerKwargs, (name) =>
    wrong.has(`lrSchedulerKwargs.${name}`),
  );
  const known = guarded({ ...values, lrSchedulerKwargs }, (name) => wrong.has(name));
  return RULES.flatMap((rule) => {
    try {
      return rule(known) ?? [];
    } catch (error) {
      if (error instanceof Unknown) return [];
      throw error;
    }
  });
}

class Unknown extends Error {}

/** An object that throws `Unknown` when an unknown value is read: a default in its place would be a guess. */
function guarded<T extends object>(values: T, isUnknown: (name: string) => boolean): T {
  return new Proxy(values, {
    get(target, name): unknown {
      if (typeof name === 'string' && isUnknown(name)) throw new Unknown(name);
      return Reflect.get(target, name);
    },
  });
}

/** One contradiction each; a rule reads only arguments that it depends on. */
const RULES: readonly ((a: CheckedValues) => string | string[] | undefined)[] = [
  ({ maxSteps }) =>
    maxSteps > 0 || maxSteps === -1
      ? undefined
      : `maxSteps: expected a positive number or -1, got ${maxSteps}.`,
  (a) =>
    a.maxLength === undefined || a.packing
      ? undefined
      : 'maxLength: expected packing with it, got packing false (examples keep their own length).',
  ({ lrSchedulerType: name, lrSchedulerKwargs }) => {
    const known = SCHEDULE_SETTINGS[name] ?? [];
    return Object.entries(lrSchedulerKwargs)
      .filter(([key, value]) => value !== undefined && !known.includes(key as keyof ScheduleSettings))
      .map(
        ([key]) => `lrSchedulerKwargs: expected nothing but [${known.join(', ')}] for '${name}', got ${key}.`,
      );
  },
  ({ lrSchedulerType, lrSchedulerKwargs, learningRate }) => {
    const { lrEnd = 1e-7 } = lrSchedulerKwargs;
    return lrSchedulerType !== 'polynomial' || lrEnd < learningRate
      ? undefined
      : `lrSchedulerKwargs.lrEnd: expected less than learningRate, got ${lrEnd} and ${learningRate}.`;
  },
  (a) =>
    a.earlyStoppingPatience === undefined || a.evalStrategy !== 'no'
      ? undefined
      : `earlyStoppingPatience: expected evalStrategy 'steps' or 'epoch', got 'no'.`,
  (a) =>
    a.earlyStoppingThreshold === 0 || a.earlyStoppingPatience !== undefined
      ? undefined
      : `earlyStoppingThreshold: expected earlyStoppingPatience with it, got none.`,
  (a) =>
    a.loadBestModelAtEnd && a.evalStrategy === 'no'
      ? `loadBestModelAtEnd: expected evalStrategy 'steps' or 'epoch', got 'no'.`
      : undefined,
  (a) =>
    a.loadBestModelAtEnd && a.saveStrategy !== a.evalStrategy
      ? `loadBestModelAtEnd: expected saveStrategy to be evalStrategy, got '${a.saveStrategy}' and '${a.evalStrategy}'.`
      : undefined,
  (a) => {
    if (!a.loadBestModelAtEnd || a.saveStrategy !== 'steps' || a.evalStrategy !== 'steps') return undefined;
    const evalSteps = a.evalSteps ?? a.loggingSteps;
    return a.saveSteps % evalSteps === 0
      ? undefined
      : `loadBestModelAtEnd: expected saveSteps to be a multiple of evalSteps, got ${a.saveSteps} and ${evalSteps}.`;
  },
];

function valueAt(options: unknown, where: string): unknown {
  if (where === 'options') return options;
  return where
    .split('.')
    .reduce<unknown>(
      (value, key) =>
        typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined,
      options,
    );
}

function shown(value: unknown): string {
  return inspect(value, { depth: 1, breakLength: Infinity, maxStringLength: 60, maxArrayLength: 6 });
}
