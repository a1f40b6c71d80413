/**
 * Checks that memory suffices for a run, at three points of the preflight: before anything is computed, by a lower
 * bound on a step's activations; before the longest batch, if that bound is close to the limit, by measuring one
 * example; and after it, by the expected peak of the whole run.
 */
import { availableMemory, peakMemoryBytes } from '../../models';
import type { CausalLM } from '../../pretrained';
import { firstTokens, rowCount } from '../../dataset';
import type { EncodedExample } from '../../types';
import type { CheckedArguments } from '../arguments/schema';

/** The memory of a run: the process's limit, and how much of it is left. */
export interface MemoryBudget {
  readonly limitBytes: number;
  readonly availableBytes: number;
  /** Peak of the process before the run. */
  readonly peakBefore: number;
}

export function memoryBudget({ maxMemory = Infinity }: CheckedArguments): MemoryBudget {
  const rss = process.memoryUsage.rss();
  const availableBytes = Math.max(0, Math.min(availableMemory(), maxMemory - rss));
  return { limitBytes: rss + availableBytes, availableBytes, peakBefore: peakMemoryBytes() };
}

/**
 * Lower bound on the activations of a forward and backward pass, bytes: inputs of linear layers and attention
 * probabilities, of all layers, or of one with gradient checkpointing. The real need is larger.
 */
export function leastActivationBytes(
  model: CausalLM,
  [B, T]: readonly [number, number],
  gradientCheckpointing: boolean,
): number {
  const { modules, heads, layers, width } = model.architecture;
  const linear = modules.reduce((total, module) => total + module.inSize, 0);
  const layer = 4 * (B * T * linear + B * heads * T * T);
  return gradientCheckpointing ? layer + 4 * B * T * width * layers : layer * layers;
}

/** The first check. @returns what is wrong, with what to do */
export function memoryFault(memory: {
  shape: readonly [number, number];
  needed: number;
  budget: MemoryBudget;
  values: CheckedArguments;
  model: CausalLM;
}): string | undefined {
  const { shape, needed, budget } = memory;
  if (needed <= budget.availableBytes) return undefined;
  return (
    `memory: the longest batch (${shape[0]} x ${shape[1]} tokens), its gradients and the optimizer need at least ` +
    `${needed} bytes more, ${budget.availableBytes} are free. Use ${ways(memory).join(', ')}.`
  );
}

/** Real need over the lower bound, at most: within this factor of the limit one example is measured first. */
const MARGIN = 10;
/** Share of the memory that a piece of a batch may fill. */
const FILLED = 0.75;

/**
 * The second check: measures one example instead of a whole batch that might not fit.
 * @param compute computes gradients of one example
 * @returns examples that fit at a time, and expected bytes of the process with that many
 */
export async function examplesThatFit(probe: {
  model: CausalLM;
  values: CheckedArguments;
  budget: MemoryBudget;
  /** The longest batch: examples, and tokens of a row. */
  shape: readonly [number, number];
  /** Whether the step accumulates several batches. */
  accumulates: boolean;
  /** Bytes of optimizer state that have not been touched yet. */
  stateBytes: number;
  longest: EncodedExample;
  compute: (example: EncodedExample) => Promise<void>;
}): Promise<{ fitting: number; expectedBytes: number }> {
  const { model, values, budget, shape, longest } = probe;
  const [most, T] = shape;
  const rows = rowCount(longest);
  const least = (examples: number): number =>
    leastActivationBytes(model, [examples * rows, T], values.gradientCheckpointing);
  if (most === 1 || MARGIN * least(most) + probe.stateBytes < budget.limitBytes - process.memoryUsage.rss())
    return { fitting: most, expectedBytes: 0 };
  const growth = async (tokens: number): Promise<number> => {
    const before = process.memoryUsage.rss();
    await probe.compute(firstTokens(longest, tokens));
    return process.memoryUsage.rss() - before;
  };
  // The first run allocates what all runs share, the second what each new shape takes.
  await growth(Math.ceil(T / 16) + 1);
  const ofShape = Math.max(0, await growth(Math.ceil(T / 8) + 1));
  const each = Math.max(least(1), (await growth(T)) - ofShape);
  const now = process.memoryUsage.rss() + probe.stateBytes;
  // Garbage of one batch is not yet collected when the next one starts (measured: 1.73 times the memory).
  const needed = (B: number, accumulates: boolean): number => now + (accumulates ? 2 : 1) * B * each;
  const expectedBytes = Math.round(needed(most, probe.accumulates));
  if (expectedBytes <= budget.limitBytes) return { fitting: most, expectedBytes };
  // With headroom: pieces come in two sizes, and each shape has its own buffers.
  const fitting = Math.floor((FILLED * budget.limitBytes - now) / (2 * each));
  return { fitting: Math.min(most - 1, Math.max(0, fitting)), expectedBytes };
}

/** The fault of a run that is expected to exceed its limit. */
export function expectedMemoryFault(memory: {
  expectedBytes: number;
  shape: readonly [number, number];
  budget: MemoryBudget;
  values: CheckedArguments;
  model: CausalLM;
}): string | undefined {
  const { expectedBytes, budget, shape, values } = memory;
  if (expectedBytes <= budget.limitBytes) return undefined;
  const others =
    values.maxMemory === undefined ? 'preflight: false to try all the same' : 'a larger maxMemory';
  return (
    `memory: with the longest batch (${shape[0]} x ${shape[1]} tokens) the process is expected to take ${expectedBytes} ` +
    `bytes, it may take ${budget.limitBytes}. Use ${[...ways(memory), others].join(', ')}.`
  );
}

/**
 * The peak for the third check: of the run so far. Loading may have peaked higher and returned that memory since.
 */
export function peakOfRun({ peakBefore }: MemoryBudget): number {
  const peak = peakMemoryBytes();
  return peak > peakBefore ? peak : process.memoryUsage.rss();
}

function ways(run: {
  shape: readonly [number, number];
  values: CheckedArguments;
  model: CausalLM;
}): string[] {
  const { shape, values, model } = run;
  return [
    ...(values.gradientCheckpointing ? [] : ['gradientCheckpointing: true']),
    ...(values.autoFindBatchSize || shape[0] === 1 ? [] : ['autoFindBatchSize: true']),
    ...(shape[0] === 1 ? [] : ['a smaller perDeviceTrainBatchSize with more gradientAccumulationSteps']),
    'shorter examples',
    ...(values.optim === 'adamw' ? ["optim: 'adamw_8bit' or 'adafactor'"] : []),
    ...(model.adapter === undefined ? ['a LoRA adapter on a model in 4 bits (loadIn4bit)'] : []),
    ...(model.adapter !== undefined && model.weights.frozen === undefined
      ? ['a model in 4 bits (loadIn4bit)']
      : []),
  ];
}
