/**
 * AdamW with both moments in 8 bits: 2.03 bytes a parameter instead of 8. The update is AdamW's in float32, on moments
 * dequantized block by block. Parameters of fewer than 4096 values and embeddings stay in 32 bits, as in the paper and
 * in bitsandbytes.
 */
import type { Parameter } from '../../models';
import { BLOCK, blockwiseMoment, codeMap, dynamicMap, plainMoment } from './blockwise-state';
import type { CodeMap, MomentStore } from './blockwise-state';
import type { Optimizer, OptimizerSetup } from './optimizer-types';

/** Smaller parameters keep float32 moments (bitsandbytes' min_8bit_size). */
const SMALLEST = 4096;

export interface AdamW8bitOptions {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** Names of parameters whose moments stay in float32 whatever their size: the embeddings'. */
  readonly fullPrecision?: ReadonlySet<string>;
}

export function createAdamW8bit(setup: OptimizerSetup, options: AdamW8bitOptions): Optimizer {
  const { parameters, gradients, weightDecay } = setup;
  const { beta1, beta2, epsilon, fullPrecision } = options;
  const { flat } = gradients;
  const isSmall = ({ name, data }: Parameter): boolean =>
    data.length < SMALLEST || (fullPrecision?.has(name) ?? false);
  const state = new Map<string, Float32Array | Uint8Array>();
  const means = allocateMoments(state, 'exp_avg', { parameters, isSmall, map: codeMap(dynamicMap(true)) });
  const squares = allocateMoments(state, 'exp_avg_sq', {
    parameters,
    isSmall,
    map: codeMap(dynamicMap(false)),
  });
  const mean = new Float32Array(BLOCK);
  const square = new Float32Array(BLOCK);

  return {
    name: 'adamw_8bit',
    state,
    stepCount: 0,
    step(learningRate, gradientScale) {
      const t = ++this.stepCount;
      const correction = Math.sqrt(1 - beta2 ** t);
      const shift = correction * epsilon;
      const stepSize = (learningRate * correction) / (1 - beta1 ** t);
      let offset = 0;
      for (const [index, { data, decay }] of parameters.entries()) {
        const keep = decay ? 1 - learningRate * weightDecay : 1;
        for (let start = 0; start < data.length; start += BLOCK) {
          const end = Math.min(start + BLOCK, data.length);
          means[index].load(start, end, mean);
          squares[index].load(start, end, square);
          for (let i = start; i < end; i++) {
            const slope = flat[offset + i] * gradientScale;
            const m = (mean[i - start] = beta1 * mean[i - start] + (1 - beta1) * slope);
            const v = (square[i - start] = beta2 * square[i - start] + (1 - beta2) * slope * slope);
            data[i] = data[i] * keep - (stepSize * m) / (Math.sqrt(v) + shift);
          }
          means[index].store(start, end, mean);
          squares[index].store(start, end, square);
        }
        offset += data.length;
      }
      return Promise.resolve();
    },
  };
}

/** One moment of all parameters: its arrays go into `state`, and each parameter gets a store. */
function allocateMoments(
  state: Map<string, Float32Array | Uint8Array>,
  name: string,
  request: {
    readonly parameters: readonly Parameter[];
    readonly isSmall: (parameter: Parameter) => boolean;
    readonly map: CodeMap;
  },
): MomentStore[] {
  const { parameters, isSmall, map } = request;
  const blocksOf = (parameter: Parameter): number => Math.ceil(parameter.data.length / BLOCK);
  const total = (of: (parameter: Parameter) => number): number =>
    parameters.reduce((sum, parameter) => sum + of(parameter), 0);
  const plain = new Float32Array(total((p) => (isSmall(p) ? p.data.length : 0)));
  const codes = new Uint8Array(total((p) => (isSmall(p) ? 0 : p.data.length)));
  const scales = new Float32Array(total((p) => (isSmall(p) ? 0 : blocksOf(p))));
  if (plain.length > 0) state.set(name, plain);
  if (codes.length > 0) state.set(`${name}.codes`, codes).set(`${name}.absmax`, scales);
  let [inPlain, inCodes, inScales] = [0, 0, 0];
  return parameters.map((parameter) => {
    const { length } = parameter.data;
    if (isSmall(parameter)) return plainMoment(plain.subarray(inPlain, (inPlain += length)));
    const blocks = scales.subarray(inScales, (inScales += blocksOf(parameter)));
    return blockwiseMoment(map, codes.subarray(inCodes, (inCodes += length)), blocks);
  });
}
