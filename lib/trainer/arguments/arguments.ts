/**
 * TrainingArguments: the settings of a run, by Hugging Face's names, validated once.
 */
import type { z } from 'zod';
import { getLocalRank, getRank, getWorldSize, launchedProcessGroup } from '../../distributed';
import { TunebookError } from '../../types';
import { contradictions, valueFaults, withoutFaults } from './argument-faults';
import { mainFirst, ranksOf } from '../parallel/ranks';
import { argumentsSchema } from './schema';
import type { ArgumentOptions, CheckedArguments } from './schema';

/**
 * The arguments of a training run.
 * @throws TunebookError that lists all faults: values, unknown names and contradictions
 * @example
 * ```ts
 * import { TrainingArguments } from 'tunebook';
 *
 * const args = new TrainingArguments({ outputDir: 'outputs/run', maxSteps: 100, learningRate: 2e-4 });
 * console.log(args.values.optim); // adamw
 * ```
 */
export class TrainingArguments {
  readonly values: Readonly<CheckedArguments>;

  constructor(options: ArgumentOptions) {
    const { values, faults } = checkArguments(options);
    if (values === undefined)
      throw new TunebookError(`TrainingArguments:\n${faults.map((fault) => `- ${fault}`).join('\n')}`);
    this.values = Object.freeze(values);
  }

  /** Number of processes that train together; 1 without a launcher. */
  get worldSize(): number {
    return getWorldSize();
  }

  /** This process's number among them, from 0. */
  get processIndex(): number {
    return getRank();
  }

  /** This process's number among those of its machine, from 0. */
  get localProcessIndex(): number {
    return getLocalRank();
  }

  /**
   * Runs something on the first process, then on the others: a download into a shared cache, say.
   * @returns this process's own result
   * @throws the error of the first process, on it; the others then do not begin
   */
  async mainProcessFirst<T>(work: () => T | Promise<T>): Promise<T> {
    const group = launchedProcessGroup({ timeoutMs: 1000 * this.values.ddpTimeout });
    return mainFirst(ranksOf(group), work);
  }
}

/**
 * @param more names that belong to the caller, to propose for misspelt ones
 * @returns the values, or one sentence for each fault
 */
export function checkArguments(
  options: ArgumentOptions,
  more: readonly string[] = [],
): { values?: CheckedArguments; faults: string[] } {
  const parsed = argumentsSchema().safeParse(options);
  const faults = parsed.success ? contradictions(parsed.data) : allFaults(parsed.error, options, more);
  return parsed.success && faults.length === 0 ? { values: parsed.data, faults } : { faults };
}

/** Faults of single arguments, and contradictions among the valid ones. */
function allFaults({ issues }: z.ZodError, options: unknown, more: readonly string[]): string[] {
  const faults = valueFaults(issues, options, more);
  if (typeof options !== 'object' || options === null) return faults;
  const { rest, wrong } = withoutFaults(issues, options);
  const others = argumentsSchema().partial({ outputDir: true }).safeParse(rest);
  return others.success ? [...faults, ...contradictions(others.data, wrong)] : faults;
}
