/** Cases of the kernels of our own, each beside its plain form. */
import { plainActivation, plainLayerNorm, plainLinear, plainRmsNorm, plainRotary } from '../../lib/engine';
import type { NamedTensors, Tensor } from '../../lib/engine';
import { f, given } from './kernel-case';
import type { KernelCase, KernelCases } from './kernel-case';

const linear = ({ x, weight, bias }: NamedTensors, attrs: Record<string, unknown>): Tensor =>
  plainLinear(x, weight, bias, { transposeWeight: attrs.transposeWeight === true });
const layerNorm = ({ x, gain, bias }: NamedTensors, attrs: Record<string, unknown>): Tensor =>
  plainLayerNorm(x, gain, bias, Number(attrs.epsilon));
const rmsNorm = ({ x, gain }: NamedTensors, attrs: Record<string, unknown>): Tensor =>
  plainRmsNorm(x, gain, Number(attrs.epsilon));
const turn = ({ x, cos, sin }: NamedTensors): Tensor => plainRotary(x, { cos, sin });
const activations = (name: 'gelu' | 'gelu_new'): KernelCase[] =>
  [f(2, 3, 4), f(), given([-12, -5, -1, -1e-4, 0, 1e-4, 1, 5, 12])].map((x) => ({
    inputs: { x },
    reference: (inputs) => plainActivation(name, inputs.x),
  }));

export const fusedCases: KernelCases = {
  TunebookLinear: [
    { inputs: { x: f(2, 3, 4), weight: f(4, 5), bias: f(5) }, attrs: { transposeWeight: false } },
    { inputs: { x: f(2, 3, 4), weight: f(5, 4), bias: f(5) }, attrs: { transposeWeight: true } },
    { inputs: { x: f(6, 4), weight: f(4, 5) }, attrs: { transposeWeight: false } },
    { inputs: { x: f(4), weight: f(5, 4) }, attrs: { transposeWeight: true } },
  ].map((test) => ({ ...test, reference: linear }) as KernelCase),
  TunebookLayerNorm: [
    { inputs: { x: f(3, 8), gain: f(8), bias: f(8) }, attrs: { epsilon: 1e-5 }, reference: layerNorm },
    { inputs: { x: f(2, 3, 16), gain: f(16), bias: f(16) }, attrs: { epsilon: 1e-3 }, reference: layerNorm },
    { inputs: { x: f(7), gain: f(7), bias: f(7) }, attrs: { epsilon: 1e-5 }, reference: layerNorm },
  ],
  TunebookRmsNorm: [
    { inputs: { x: f(3, 8), gain: f(8) }, attrs: { epsilon: 1e-6 }, reference: rmsNorm },
    { inputs: { x: f(2, 3, 16), gain: f(16) }, attrs: { epsilon: 1e-2 }, reference: rmsNorm },
  ],
  TunebookRotary: [
    { inputs: { x: f(2, 3, 4, 6), cos: f(2, 1, 4, 3), sin: f(2, 1, 4, 3) }, wrt: ['x'], reference: turn },
    { inputs: { x: f(1, 1, 1, 2), cos: f(1, 1, 1, 1), sin: f(1, 1, 1, 1) }, wrt: ['x'], reference: turn },
  ],
  TunebookGelu: activations('gelu'),
  TunebookGeluTanh: activations('gelu_new'),
};
