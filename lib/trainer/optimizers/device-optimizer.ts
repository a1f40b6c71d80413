/**
 * An elementwise optimizer for parameters, gradients and state on the engine's device. Each parameter is a device array
 * of its own, addressed by the host array that the model feeds and the backward pass writes. One function updates
 * several parameters, small ones concatenated, because each run and each operation has a cost there.
 * `flat-optimizer.ts` is the same on the host.
 */
import { signatureOf, tf } from '../../engine';
import type { DeviceMemory, NamedTensors, Tensor, TensorFunction } from '../../engine';
import type { HostTensor } from '../../types';
import type { ElementwiseRule, Optimizer, OptimizerSetup } from './optimizer-types';

/** Pieces updated by one run. */
const TOGETHER = 16;
/** Largest parameter, in elements, that is concatenated with its neighbours. */
const SMALL = 1 << 16;

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
  for (const { parameters, slots, detours } of pieces) {
    device.pin([...parameters, ...Object.values(slots)]);
    device.pin(Object.values(detours), { scratch: true });
  }
  // The host never reads gradients.
  device.pin(gradients.byName.values(), { scratch: true });
  const groups = groupsOf(pieces).map((group) => ({ ...bindings(group), update: updateOf(rule, group) }));
  const scalars = new Map<string, HostTensor>();
  return {
    name: rule.name,
    state,
    stepCount: 0,
    async step(learningRate, gradientScale) {
      this.stepCount++;
      await sendScalars(device, scalars, {
        ...rule.scalars(this.stepCount, learningRate, gradientScale),
        [`weightDecay ${true}`]: weightDecay,
        [`weightDecay ${false}`]: 0,
        [`decay ${true}`]: 1 - learningRate * weightDecay,
        [`decay ${false}`]: 1,
      });
      for (const { update, inputs, outputs, detoured, targets } of groups) {
        const feeds = { ...inputs, ...Object.fromEntries(scalars) };
        await (await engine.compile(update, signatureOf(feeds))).run(feeds, { into: outputs });
        if (Object.keys(detoured).length > 0)
          await (await engine.compile(copy, signatureOf(detoured))).run(detoured, { into: targets });
      }
    },
  };
}

/** What is updated together: a parameter, or several small ones in a row. */
interface Piece {
  readonly parameters: Float32Array[];
  readonly gradients: Float32Array[];
  /** State of all of them, each slot one array. */
  readonly slots: Record<string, Float32Array>;
  readonly decay: boolean;
  /** Temporary buffers for slots that are read twice. */
  readonly detours: Record<string, Float32Array>;
}

function piecesOf(
  rule: ElementwiseRule,
  setup: OptimizerSetup,
  state: ReadonlyMap<string, Float32Array>,
): Piece[] {
  const pieces: (Piece & { length: number })[] = [];
  for (const { name, data, decay } of setup.parameters) {
    const gradient = setup.gradients.byName.get(name);
    if (gradient === undefined) throw new Error(`internal: no gradient of ${name}`);
    const last = pieces.at(-1);
    const isSmall = data.length <= SMALL;
    if (last !== undefined && isSmall && last.parameters[0].length <= SMALL && last.decay === decay) {
      last.parameters.push(data);
      last.gradients.push(gradient);
      last.length += data.length;
    } else {
      const length = data.length;
      pieces.push({ parameters: [data], gradients: [gradient], slots: {}, decay, detours: {}, length });
    }
  }
  let offset = 0;
  for (const { slots, detours, length } of pieces) {
    for (const [slot, values] of state) slots[slot] = values.subarray(offset, offset + length);
    for (const slot of rule.readTwice ?? []) detours[slot] = new Float32Array(length);
    offset += length;
  }
  return pieces;
}

function groupsOf(pieces: readonly Piece[]): Piece[][] {
  const count = Math.ceil(pieces.length / TOGETHER);
  return Array.from({ length: count }, (_, i) => pieces.slice(i * TOGETHER, (i + 1) * TOGETHER));
}

/** The arrays of a group's update and of the copies after it. */
interface Bindings {
  readonly inputs: Record<string, HostTensor>;
  /** In place: each output is the last reader of the input whose memory it takes. */
  readonly outputs: Record<string, Float32Array>;
  readonly detoured: Record<string, HostTensor>;
  readonly targets: Record<string, Float32Array>;
}

function bindings(group: readonly Piece[]): Bindings {
  const bound: Bindings = { inputs: {}, outputs: {}, detoured: {}, targets: {} };
  const vector = (data: Float32Array): HostTensor => ({ data, shape: [data.length] });
  for (const [i, { parameters, gradients, slots, detours }] of group.entries()) {
    for (const [j, data] of parameters.entries()) {
      bound.inputs[`${i} parameter ${j}`] = vector(data);
      bound.inputs[`${i} gradient ${j}`] = vector(gradients[j]);
      bound.outputs[`${i} parameter ${j}`] = data;
    }
    for (const [slot, data] of Object.entries(slots)) {
      bound.inputs[`${i} ${slot}`] = vector(data);
      bound.outputs[`${i} ${slot}`] = detours[slot] ?? data;
      if (detours[slot] === undefined) continue;
      bound.detoured[`${i} ${slot}`] = vector(detours[slot]);
      bound.targets[`${i} ${slot}`] = data;
    }
  }
  return bound;
}

const copy: TensorFunction = (inputs) => ({ ...inputs });

/** The rule for all pieces of a group; names carry the piece's number. */
function updateOf(rule: ElementwiseRule, group: readonly Piece[]): TensorFunction {
  return (inputs) => {
    const outputs: NamedTensors = {};
    for (const [i, { decay, parameters }] of group.entries()) {
      const joined = (name: string): Tensor => {
        const parts = parameters.map((_, j) => inputs[`${i} ${name} ${j}`] as tf.Tensor1D);
        return parts.length === 1 ? parts[0] : tf.concat1d(parts);
      };
      const own: NamedTensors = {
        ...inputs,
        weightDecay: inputs[`weightDecay ${decay}`],
        decay: inputs[`decay ${decay}`],
        parameter: joined('parameter'),
        gradient: joined('gradient'),
      };
      for (const slot of rule.slots) own[slot] = inputs[`${i} ${slot}`];
      const { parameter, ...slots } = rule.update(own);
      for (const [slot, tensor] of Object.entries(slots)) outputs[`${i} ${slot}`] = tensor;
      let offset = 0;
      for (const [j, { length }] of parameters.entries()) {
        const isWhole = parameters.length === 1;
        outputs[`${i} parameter ${j}`] = isWhole
          ? parameter
          : tf.slice1d(parameter as tf.Tensor1D, offset, length);
        offset += length;
      }
    }
    return outputs;
  };
}

/** Writes the scalars of a step into pinned arrays and uploads them together. */
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
  device.pin(arrays);
  device.invalidate(arrays);
  await device.upload(arrays);
}
