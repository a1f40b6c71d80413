/**
 * Optimizers whose update is element by element: one compiled TensorFlow.js function walks through the flat
 * arrays of parameters, gradients and state, in chunks that fit the processor's cache.
 */
import type { NamedTensors, Signature, TensorFunction } from '../engine';
import type { HostTensor } from '../types';
import type { Optimizer, OptimizerSetup } from './optimizer-types';

// Small enough that a chunk's arrays stay in the processor's cache, large enough to hide call overhead: the
// fastest of 2^16 to 2^18 in a whole step on a machine with 1 MB of second-level cache per core.
const CHUNK = 1 << 18;

/** An optimizer as a pure function. */
export interface ElementwiseRule {
  readonly name: string;
  /** Names of the state arrays, each of the parameters' size, starting at zero. */
  readonly slots: readonly string[];
  /**
   * Inputs: parameter, gradient and the slots, float32 [n]; weightDecay, and decay = 1 - learning rate x
   * weightDecay; and the scalars.
   * Outputs: parameter and the slots.
   */
  readonly update: (inputs: NamedTensors) => NamedTensors;
  /**
   * Slots that the update reads in more than one place: their new values take a detour through another buffer,
   * because written in place they could be there before the last reader.
   */
  readonly readTwice?: readonly string[];
  /** The scalars of step t = 1, 2, ...; `scale` is the factor that clipping puts on every gradient. */
  readonly scalars: (t: number, learningRate: number, scale: number) => Record<string, number>;
}

export function createFlatOptimizer(rule: ElementwiseRule, setup: OptimizerSetup): Optimizer {
  const { engine, gradients, weightDecay } = setup;
  const state = new Map(
    rule.slots.map((slot) => [slot, new Float32Array(gradients.flat.length) as Float32Array]),
  );
  const ranges = contiguousRanges(setup);
  const update: TensorFunction = rule.update;
  return {
    name: rule.name,
    state,
    stepCount: 0,
    async step(learningRate, gradientScale) {
      this.stepCount++;
      const scalars: Record<string, HostTensor> = {};
      const numbers = rule.scalars(this.stepCount, learningRate, gradientScale);
      for (const [name, value] of Object.entries(numbers)) scalars[name] = scalar(value);
      for (const range of ranges) {
        scalars.weightDecay = scalar(range.decay ? weightDecay : 0);
        scalars.decay = scalar(range.decay ? 1 - learningRate * weightDecay : 1);
        for (let start = 0; start < range.parameters.length; start += CHUNK) {
          const end = Math.min(start + CHUNK, range.parameters.length);
          const arrays: Record<string, Float32Array> = { parameter: range.parameters.subarray(start, end) };
          for (const [slot, data] of state)
            arrays[slot] = data.subarray(range.offset + start, range.offset + end);
          const shape = [end - start];
          const feeds: Record<string, HostTensor> = { ...scalars };
          for (const [name, data] of Object.entries(arrays)) feeds[name] = { data, shape };
          feeds.gradient = { data: gradients.flat.subarray(range.offset + start, range.offset + end), shape };
          const compiled = await engine.compile(update, signature(feeds));
          // In place: each output is the only reader of the input whose memory it takes, or comes after the others.
          const detours = Object.fromEntries(
            (rule.readTwice ?? []).map((name) => [name, new Float32Array(end - start)]),
          );
          await compiled.run(feeds, { into: { ...arrays, ...detours } });
          for (const [name, values] of Object.entries(detours)) arrays[name].set(values);
        }
      }
    },
  };
}

interface FlatRange {
  readonly parameters: Float32Array;
  /** Where the range lies in the gradients and the state. */
  readonly offset: number;
  readonly decay: boolean;
}

/** Joins neighbours: parameters that follow each other in one array and share their decay. */
function contiguousRanges({ parameters }: OptimizerSetup): FlatRange[] {
  const ranges: FlatRange[] = [];
  let offset = 0;
  for (const { data, decay } of parameters) {
    const last = ranges.at(-1);
    const follows =
      last !== undefined &&
      last.decay === decay &&
      last.parameters.buffer === data.buffer &&
      last.parameters.byteOffset + last.parameters.byteLength === data.byteOffset;
    if (last !== undefined && follows) {
      const joined = new Float32Array(
        data.buffer,
        last.parameters.byteOffset,
        last.parameters.length + data.length,
      );
      ranges[ranges.length - 1] = { ...last, parameters: joined };
    } else {
      ranges.push({ parameters: data, offset, decay });
    }
    offset += data.length;
  }
  return ranges;
}

function signature(feeds: Readonly<Record<string, HostTensor>>): Signature {
  return Object.fromEntries(
    Object.entries(feeds).map(([name, { shape }]) => [name, { shape, dtype: 'float32' }]),
  );
}

function scalar(value: number): HostTensor {
  return { data: Float32Array.of(value), shape: [] };
}
