/**
 * Whether memory suffices for a run, asked three times by its preflight: before anything is computed, from what a step
 * keeps at the least; before the longest batch, where that is not far from what there is, from what one example takes;
 * and after it, from what the whole run is expected to take.
 */
import { availableMemory, peakMemoryBytes } from '../../models';
import type { CausalLM } from '../../pretrained';
import type { EncodedExample } from '../../types';
import type { CheckedArguments } from '../arguments/schema';

/** What a run may take: as far as the process may grow, and how much of that is left. */
export interface MemoryBudget {
  readonly limitBytes: number;
  readonly availableBytes: number;
  /** Most that the process has had before. */
  readonly peakBefore: number;
}

export function memoryBudget({ maxMemory = Infinity }: CheckedArguments): MemoryBudget {
  const rss = process.memoryUsage.rss();
  const availableBytes = Math.max(0, Math.min(availableMemory(), maxMemory - rss));
  return { limitBytes: rss + availableBytes, availableBytes, peakBefore: peakMemoryBytes() };
}

/**
 * Bytes that a forward and backward pass keeps at the least: what linear layers read and attention's
 * probabilities, of all layers at a time, or of one with gradient checkpointing. The real need is larger.
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

/** The first question. @returns what is wrong, with what to do */
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

/** How much larger the need may be than the least need: below that, one example is measured first. */
const MARGIN = 10;
/** Share of the memory that pieces of a batch may fill. */
const FILLED = 0.75;

/**
 * The second question: grows by one example instead of by a whole batch that might not fit.
 * @param compute computes gradients of one example
 * @returns examples that fit at a time, and bytes that the process is expected to have with `most` of them
 */
export async function examplesThatFit(probe: {
  model: CausalLM;
  values: CheckedArguments;
  budget: MemoryBudget;
  /** The longest batch, [B, T]. */
  shape: readonly [number, number];
  /** Whether the step has more than one batch. */
  accumulates: boolean;
  /** Bytes that the optimizer has not touched yet. */
  stateBytes: number;
  longest: EncodedExample;
  compute: (example: EncodedExample) => Promise<void>;
}): Promise<{ fitting: number; expectedBytes: number }> {
  const { model, values, budget, shape, longest } = probe;
  const [most, T] = shape;
  const least = (B: number): number => leastActivationBytes(model, [B, T], values.gradientCheckpointing);
  if (most === 1 || MARGIN * least(most) + probe.stateBytes < budget.limitBytes - process.memoryUsage.rss())
    return { fitting: most, expectedBytes: 0 };
  const growth = async (tokens: number): Promise<number> => {
    const before = process.memoryUsage.rss();
    await probe.compute({
      inputIds: longest.inputIds.slice(0, tokens),
      labels: longest.labels.slice(0, tokens),
      segmentIds: longest.segmentIds?.slice(0, tokens),
    });
    return process.memoryUsage.rss() - before;
  };
  // The first one takes what every run takes, the second one what every new shape does.
  await growth(Math.ceil(T / 16) + 1);
  const ofShape = Math.max(0, await growth(Math.ceil(T / 8) + 1));
  const each = Math.max(least(1), (await growth(T)) - ofShape);
  const now = process.memoryUsage.rss() + probe.stateBytes;
  // What one batch has let go is not yet collected when the next one begins (measured: 1.73 times the memory).
  const needed = (B: number, accumulates: boolean): number => now + (accumulates ? 2 : 1) * B * each;
  const expectedBytes = Math.round(needed(most, probe.accumulates));
  if (expectedBytes <= budget.limitBytes) return { fitting: most, expectedBytes };
  // A part is kept free: pieces come in two sizes, and each shape has memory of its own.
  const fitting = Math.floor((FILLED * budget.limitBytes - now) / (2 * each));
  return { fitting: Math.min(most - 1, Math.max(0, fitting)), expectedBytes };
}

/** What a run is expected to need more than it may. */
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
 * The third question's figure: the most that the run so far has had. Loading may have had more, which the system has
 * got back since.
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
