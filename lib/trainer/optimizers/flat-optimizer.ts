/**
 * Elementwise optimizers on the host: one compiled TensorFlow.js function walks the flat arrays of parameters,
 * gradients and state in chunks that fit the processor's cache.
 */
import { signatureOf } from '../../engine';
import type { TensorFunction } from '../../engine';
import { requireObject } from '../../types';
import type { HostTensor } from '../../types';
import { createDeviceOptimizer } from './device-optimizer';
import type { ElementwiseRule, Optimizer, OptimizerSetup } from './optimizer-types';

// Small enough that a chunk's arrays stay in the processor's cache, large enough to hide call overhead: the
// fastest of 2^16 to 2^18 in a whole step on a machine with 1 MB of second-level cache per core.
const CHUNK = 1 << 18;

/** Makes an optimizer of a rule: in place on the host, or on the engine's device. */
export function createFlatOptimizer(rule: ElementwiseRule, setup: OptimizerSetup): Optimizer {
  requireObject(setup, {
    ...{ where: 'createFlatOptimizer', what: 'a rule, and options { engine, parameters, gradients }' },
    fields: ['engine', 'gradients'],
  });
  const { engine, gradients, weightDecay } = setup;
  if (engine.device !== undefined) return createDeviceOptimizer(rule, setup, engine.device);
  const state = new Map(
    rule.slots.map((slot) => [slot, new Float32Array(gradients.flat.length) as Float32Array]),
  );
  const pieces = chunks(setup, state);
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
      for (const { arrays, gradient, decay } of pieces) {
        scalars.weightDecay = scalar(decay ? weightDecay : 0);
        scalars.decay = scalar(decay ? 1 - learningRate * weightDecay : 1);
        const shape = [gradient.length];
        const feeds: Record<string, HostTensor> = { ...scalars };
        for (const [name, data] of Object.entries({ ...arrays, gradient })) feeds[name] = { data, shape };
        const compiled = await engine.compile(update, signatureOf(feeds));
        // In place: each output is the last reader of the input whose memory it takes.
        const detours = Object.fromEntries(
          (rule.readTwice ?? []).map((name) => [name, new Float32Array(gradient.length)]),
        );
        await compiled.run(feeds, { into: { ...arrays, ...detours } });
        for (const [name, data] of Object.entries(detours)) arrays[name].set(data);
      }
    },
  };
}

/** What one run updates: the arrays read and written, and the gradient. */
interface Piece {
  readonly arrays: Readonly<Record<string, Float32Array>>;
  readonly gradient: Float32Array;
  readonly decay: boolean;
}

function chunks(setup: OptimizerSetup, state: ReadonlyMap<string, Float32Array>): Piece[] {
  return contiguousRanges(setup).flatMap(({ parameters, offset, decay }) => {
    const pieces: Piece[] = [];
    for (let start = 0; start < parameters.length; start += CHUNK) {
      const end = Math.min(start + CHUNK, parameters.length);
      const arrays: Record<string, Float32Array> = { parameter: parameters.subarray(start, end) };
      for (const [slot, data] of state) arrays[slot] = data.subarray(offset + start, offset + end);
      pieces.push({ arrays, gradient: setup.gradients.flat.subarray(offset + start, offset + end), decay });
    }
    return pieces;
  });
}

interface FlatRange {
  readonly parameters: Float32Array;
  /** Offset in the gradients and the state. */
  readonly offset: number;
  readonly decay: boolean;
}

/** Merges parameters that are adjacent in one array and share their decay. */
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

function scalar(value: number): HostTensor {
  return { data: Float32Array.of(value), shape: [] };
}
