/** Linear modules and parameters of a described decoder, by Hugging Face's names. */
import type { LinearModule, ParameterSpec } from './architecture';
import type { DecoderDescription } from './decoder-description';

/** A linear module that may have a bias. */
export interface DecoderModule extends LinearModule {
  readonly hasBias: boolean;
}

/** The linear modules of each layer, in the order of its parameters. */
export function linearModules(d: DecoderDescription): DecoderModule[] {
  const { width, inner, bias } = d;
  const [q, kv] = [d.heads * d.headSize, d.keyValueHeads * d.headSize];
  const module = (
    name: string,
    [inSize, outSize]: readonly [number, number],
    hasBias: boolean,
  ): DecoderModule => ({
    ...{ name, inSize, outSize, hasBias },
    conv1d: false,
    onRows: !/\.(q|k|v|qkv)_proj$/.test(name),
  });
  const attention = d.fusedQkv
    ? [module('self_attn.qkv_proj', [width, q + 2 * kv], bias.qkv)]
    : [
        module('self_attn.q_proj', [width, q], bias.qkv),
        module('self_attn.k_proj', [width, kv], bias.qkv),
        module('self_attn.v_proj', [width, kv], bias.qkv),
      ];
  const mlp = {
    gated: [
      module('mlp.gate_proj', [width, inner], bias.mlp),
      module('mlp.up_proj', [width, inner], bias.mlp),
      module('mlp.down_proj', [inner, width], bias.mlp),
    ],
    fused: [
      module('mlp.gate_up_proj', [width, 2 * inner], bias.mlp),
      module('mlp.down_proj', [inner, width], bias.mlp),
    ],
    plain: [module('mlp.c_fc', [width, inner], bias.mlp), module('mlp.c_proj', [inner, width], bias.mlp)],
  }[d.mlp];
  return [...attention, module('self_attn.o_proj', [q, width], bias.out), ...mlp];
}

/** Every parameter; outside of layers the head comes last. */
export function parameterSpecs(
  d: DecoderDescription,
  modules: readonly DecoderModule[],
  head: string,
): ParameterSpec[] {
  const init = { std: d.std };
  const norm = (name: string, size: number): ParameterSpec[] => [
    { name: `${name}.weight`, shape: [size], decay: false, init: { value: d.gainPlusOne ? 0 : 1 } },
    ...(d.norm === 'layer'
      ? [{ name: `${name}.bias`, shape: [size], decay: false, init: { value: 0 } }]
      : []),
  ];
  const linear = (prefix: string, { name, inSize, outSize, hasBias }: DecoderModule): ParameterSpec[] => [
    { name: `${prefix}${name}.weight`, shape: [outSize, inSize], decay: true, init },
    ...(hasBias
      ? [{ name: `${prefix}${name}.bias`, shape: [outSize], decay: false, init: { value: 0 } }]
      : []),
  ];
  const { beforeAttention, afterAttention, beforeMlp, afterMlp } = d.norms;
  const places = [beforeAttention, afterAttention, beforeMlp, afterMlp].filter((name) => name !== undefined);
  const [q, k] =
    d.queryKeyNorm === 'head'
      ? [d.headSize, d.headSize]
      : [d.heads * d.headSize, d.keyValueHeads * d.headSize];
  const layer = (prefix: string): ParameterSpec[] => [
    ...modules.flatMap((module) => linear(prefix, module)),
    ...places.flatMap((name) => norm(prefix + name, d.width)),
    ...(d.queryKeyNorm === undefined
      ? []
      : [...norm(`${prefix}self_attn.q_norm`, q), ...norm(`${prefix}self_attn.k_norm`, k)]),
  ];
  const table = { shape: [d.vocabSize, d.width], decay: true, init };
  return [
    { name: 'embed_tokens.weight', ...table },
    ...Array.from({ length: d.layers }, (_, i) => layer(`layers.${i}.`)).flat(),
    ...norm('norm', d.width),
    ...(d.isTied ? [] : [{ name: head, ...table }]),
  ];
}
