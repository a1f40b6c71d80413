/**
 * An elementwise optimizer where the engine's device keeps parameters, gradients and state: each parameter is an array
 * of its own there, known by the very arrays that the model feeds and the backward pass writes, and one function
 * updates several of them, because each run has its price. `flat-optimizer.ts` is the same on the host.
 */

import { signatureOf } from '../engine';
import type { DeviceMemory, NamedTensors, TensorFunction } from '../engine';
import type { HostTensor } from '../types';
import type { ElementwiseRule } from './flat-optimizer';
import type { Optimizer, OptimizerSetup } from './optimizer-types';

/** Parameters that one run updates. */
const TOGETHER = 16;

export function createDeviceOptimizer(
  rule: ElementwiseRule,
  setup: OptimizerSetup,
  device: DeviceMemory,
): Optimizer {
  const { engine, gradients, weightDecay } = setup;
  const state = new Map(
    rule.slots.map((slot) => [slot, new Float32Array(gradients.flat.length) as Float32Array]),
  );
  const pieces = piecesOf(rule, setup, state);
  for (const { arrays, detours } of pieces) {
    device.keep(Object.values(arrays));
    device.keep(Object.values(detours), { scratch: true });
  }
  // Gradients have no reader on the host.
  device.keep(gradients.byName.values(), { scratch: true });
  const groups = groupsOf(pieces).map((group) => ({ group, ...updateOf(rule, group) }));
  const scalars = new Map<string, HostTensor>();
  return {
    name: rule.name,
    state,
    stepCount: 0,
    async step(learningRate, gradientScale) {
      this.stepCount++;
      const numbers = rule.scalars(this.stepCount, learningRate, gradientScale);
      await sendScalars(device, scalars, {
        ...numbers,
        [`weightDecay ${true}`]: weightDecay,
        [`weightDecay ${false}`]: 0,
        [`decay ${true}`]: 1 - learningRate * weightDecay,
        [`decay ${false}`]: 1,
      });
      for (const { group, update, copy } of groups) {
        const feeds: Record<string, HostTensor> = Object.fromEntries(scalars);
        const into: Record<string, Float32Array> = {};
        const detoured: Record<string, HostTensor> = {};
        const targets: Record<string, Float32Array> = {};
        for (const [i, { arrays, gradient, detours }] of group.entries()) {
          for (const [name, data] of Object.entries({ ...arrays, gradient }))
            feeds[`${i} ${name}`] = { data, shape: [data.length] };
          // In place: each output is the only reader of the input whose memory it takes, or comes after the others.
          for (const [name, data] of Object.entries({ ...arrays, ...detours })) into[`${i} ${name}`] = data;
          for (const [name, data] of Object.entries(detours)) {
            detoured[`${i} ${name}`] = { data, shape: [data.length] };
            targets[`${i} ${name}`] = arrays[name];
          }
        }
        await (await engine.compile(update, signatureOf(feeds))).run(feeds, { into });
        if (Object.keys(detoured).length > 0)
          await (await engine.compile(copy, signatureOf(detoured))).run(detoured, { into: targets });
      }
    },
  };
}

/** What is updated of one parameter. */
interface Piece {
  /** The parameter and its state, read and written. */
  readonly arrays: Readonly<Record<string, Float32Array>>;
  readonly gradient: Float32Array;
  readonly decay: boolean;
  /** Buffers for slots that are read twice. */
  readonly detours: Readonly<Record<string, Float32Array>>;
}

function piecesOf(
  rule: ElementwiseRule,
  setup: OptimizerSetup,
  state: ReadonlyMap<string, Float32Array>,
): Piece[] {
  let offset = 0;
  return setup.parameters.map(({ name, data, decay }) => {
    const gradient = setup.gradients.byName.get(name);
    if (gradient === undefined) throw new Error(`internal: no gradient of ${name}`);
    const arrays: Record<string, Float32Array> = { parameter: data };
    for (const [slot, values] of state) arrays[slot] = values.subarray(offset, offset + data.length);
    offset += data.length;
    const detours = (rule.readTwice ?? []).map((slot) => [slot, new Float32Array(data.length)] as const);
    return { arrays, gradient, decay, detours: Object.fromEntries(detours) };
  });
}

function groupsOf(pieces: readonly Piece[]): Piece[][] {
  const count = Math.ceil(pieces.length / TOGETHER);
  return Array.from({ length: count }, (_, i) => pieces.slice(i * TOGETHER, (i + 1) * TOGETHER));
}

/** The rule for every piece of a group, under names with the piece's number. */
function updateOf(
  rule: ElementwiseRule,
  group: readonly Piece[],
): { update: TensorFunction; copy: TensorFunction } {
  const update = (inputs: NamedTensors): NamedTensors => {
    const outputs: NamedTensors = {};
    for (const [i, { decay }] of group.entries()) {
      const own: NamedTensors = {
        ...inputs,
        weightDecay: inputs[`weightDecay ${decay}`],
        decay: inputs[`decay ${decay}`],
      };
      for (const name of ['parameter', 'gradient', ...rule.slots]) own[name] = inputs[`${i} ${name}`];
      for (const [name, tensor] of Object.entries(rule.update(own))) outputs[`${i} ${name}`] = tensor;
    }
    return outputs;
  };
  return { update, copy: (inputs) => ({ ...inputs }) };
}

/** Writes the numbers of a step into arrays that the device keeps, and sends them together. */
async function sendScalars(
  device: DeviceMemory,
  scalars: Map<string, HostTensor>,
  numbers: Readonly<Record<string, number>>,
): Promise<void> {
  for (const [name, value] of Object.entries(numbers)) {
    const known = scalars.get(name);
    if (known === undefined) scalars.set(name, { data: Float32Array.of(value), shape: [] });
    else known.data[0] = value;
  }
  const arrays = [...scalars.values()].map(({ data }) => data);
  device.keep(arrays);
  device.forget(arrays);
  await device.send(arrays);
}
