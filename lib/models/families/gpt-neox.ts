/**
 * GPT-NeoX (Black et al. 2022, arXiv:2204.06745), the family of Pythia: LayerNorm, queries, keys and values of each head
 * side by side in one matrix, heads that turn in part, attention and feed-forward part in parallel. Names and config.json
 * fields are Hugging Face's.
 */
import type { z } from 'zod';
import { activation, attention, layerNorm, mergeHeads, rotary, splitHeads, tf } from '../../engine';
import type { NamedTensors, Tensor } from '../../engine';
import { lazySchema, prettifyError } from '../../schema';
import { TunebookError } from '../../types';
import type { Architecture, LinearModule, ParameterSpec } from './architecture';
import { activationNamed } from './parts/activation-name';
import { chosenRows } from './parts/chosen-rows';
import { requireKnownKeys } from './parts/config-keys';
import { dropped, moduleLinear } from './parts/linear';
import { partlyTurned, rotaryKind } from './partial-rotary';
import { ropeOf, ropeSchema } from './parts/rope';
import type { Rope } from './parts/rope';

const configSchema = lazySchema((z) => {
  const size = z.int().positive();
  const share = z.number().min(0).lt(1);
  return z.looseObject({
    model_type: z.literal('gpt_neox').default('gpt_neox'),
    vocab_size: size.default(50432),
    hidden_size: size.default(6144),
    num_hidden_layers: size.default(44),
    num_attention_heads: size.default(64),
    intermediate_size: size.default(24576),
    hidden_act: z.string().default('gelu'),
    max_position_embeddings: size.default(2048),
    initializer_range: z.number().positive().default(0.02),
    layer_norm_eps: z.number().positive().default(1e-5),
    rotary_pct: z.number().positive().max(1).nullish(),
    rotary_emb_base: z.number().positive().nullish(),
    rope_parameters: ropeSchema().nullish(),
    rope_scaling: ropeSchema().nullish(),
    attention_dropout: share.default(0),
    hidden_dropout: share.default(0),
    use_parallel_residual: z.boolean().default(true),
    attention_bias: z.boolean().default(true),
    tie_word_embeddings: z.boolean().default(false),
  });
});
type Config = z.output<ReturnType<typeof configSchema>>;

/** Fields of GPT-NeoX's config.json; those left out take the values of transformers. */
export type GptNeoxConfig = z.input<ReturnType<typeof configSchema>>;

const WHERE = 'gpt_neox config.json';
const NORMS = ['input_layernorm', 'post_attention_layernorm'];

/** @throws TunebookError that lists every field that cannot be used. */
export function gptNeox(config: GptNeoxConfig): Architecture {
  const parsed = configSchema().safeParse(config);
  if (!parsed.success) throw new TunebookError(`${WHERE}: ${prettifyError(parsed.error)}`);
  const c = parsed.data;
  // Passed over, as in transformers: a dropout of classifiers.
  requireKnownKeys(config, [...Object.keys(configSchema().shape), 'classifier_dropout'], WHERE);
  const [width, heads] = [c.hidden_size, c.num_attention_heads];
  const headSize = width / heads;
  const rope = ropeOfConfig(c, headSize);
  const modules = linearModules(c);
  const head = c.tie_word_embeddings ? 'embed_in.weight' : 'lm_head.weight';
  const rotarySize = 2 * rope.rotation(1).frequencies.length;
  const block = blockOf(c, { modules, rotarySize });
  return {
    modelType: 'gpt_neox',
    prefix: 'gpt_neox.',
    vocabSize: c.vocab_size,
    width,
    layers: c.num_hidden_layers,
    heads,
    keyValueHeads: heads,
    headSize,
    maxPositions: rope.maxPositions,
    layerKinds: [rotaryKind(rope, rotarySize)],
    kindOf: () => 0,
    tokenEmbedding: 'embed_in.weight',
    head,
    parameters: parameterSpecs(c, modules, head),
    modules,
    loraTargets: ['query_key_value'],
    // Files of the hub call the head embed_out.
    canonicalName: (stored) => (stored === 'embed_out.weight' ? 'lm_head.weight' : stored),
    isBuffer: (name) => /\.(attention\.(masked_)?bias|rotary_emb\.inv_freq)$/.test(name),
    embeddingDropout: c.hidden_dropout,
    dropoutSites: [
      { name: 'attn', rate: c.attention_dropout, onRows: false, shape: (B, T) => [B, heads, T, T] },
      { name: 'attn_out', rate: c.hidden_dropout, onRows: true, shape: (B, T) => [B, T, width] },
      { name: 'mlp_out', rate: c.hidden_dropout, onRows: true, shape: (B, T) => [B, T, width] },
    ],
    layerPrefix: (layer) => `layers.${layer}.`,
    block,
    trainingBlock: (inputs) => ({ y: block(inputs).y }),
    finalNorm: (inputs) => ({ y: normalized(c, inputs, 'final_layer_norm', inputs.x) }),
    finalNormParameters: ['final_layer_norm.weight', 'final_layer_norm.bias'],
    toJson: () => ({ architectures: ['GPTNeoXForCausalLM'], ...c }),
  };
}

function ropeOfConfig(c: Config, headSize: number): Rope {
  const fields = c.rope_scaling ?? c.rope_parameters ?? {};
  const size = Math.floor(headSize * (fields.partial_rotary_factor ?? c.rotary_pct ?? 0.25));
  if (!Number.isInteger(headSize) || size % 2 !== 0 || size < 2) {
    throw new TunebookError(
      `${WHERE}: expected hidden_size to be a multiple of num_attention_heads, and an even part of each head that turns, ` +
        `got ${c.hidden_size}, ${c.num_attention_heads} heads and ${size} numbers that turn.`,
    );
  }
  const theta = fields.rope_theta ?? c.rotary_emb_base ?? 10000;
  return ropeOf(fields, { size, theta, maxPositions: c.max_position_embeddings });
}

function blockOf(
  c: Config,
  { modules, rotarySize }: { modules: readonly LinearModule[]; rotarySize: number },
): (inputs: NamedTensors) => NamedTensors {
  const act = activationNamed(c.hidden_act, WHERE);
  const heads = c.num_attention_heads;
  const outSizes = new Map(modules.map(({ name, outSize }) => [name, outSize]));
  return (inputs) => {
    const linear = (module: string, input: Tensor): Tensor =>
      moduleLinear(inputs, module, input, { conv1d: false, outSize: outSizes.get(module) ?? 0 });
    const feedForward = (input: Tensor): Tensor => {
      const wide = activation(act, linear('mlp.dense_h_to_4h', normalized(c, inputs, NORMS[1], input)));
      return dropped(inputs, 'mlp_out', linear('mlp.dense_4h_to_h', wide));
    };
    const tables = { cos: inputs['rotary.cos'], sin: inputs['rotary.sin'] }; // [B, 1, T, R / 2]
    const turned = (y: Tensor): Tensor => partlyTurned(y, rotarySize, (part) => rotary(part, tables));
    const { x, bias } = inputs; // [B, T, C], [B, 1, T, S + T]
    const joined = splitHeads(linear('attention.query_key_value', normalized(c, inputs, NORMS[0], x)), heads); // [B, H, T, 3 * D]
    const [query, key, value] = tf.split(joined, 3, -1); // 3 x [B, H, T, D]
    const turnedKey = turned(key);
    const attended = attention({
      query: turned(query),
      key: turnedKey,
      value,
      bias,
      mask: inputs['dropout.attn'],
      pastKey: inputs['past.key'],
      pastValue: inputs['past.value'],
    });
    const mixed = chosenRows(inputs, mergeHeads(attended)); // [B, T, C] or [1, R, C], as all below
    const output = dropped(inputs, 'attn_out', linear('attention.dense', mixed));
    const before = chosenRows(inputs, x);
    const middle = tf.add(before, output);
    const y = tf.add(middle, feedForward(c.use_parallel_residual ? before : middle));
    return { y, key: turnedKey, value };
  };
}

function normalized(c: Config, inputs: NamedTensors, name: string, x: Tensor): Tensor {
  return layerNorm(x, inputs[`${name}.weight`], inputs[`${name}.bias`], c.layer_norm_eps);
}

function linearModules(c: Config): LinearModule[] {
  const [width, inner] = [c.hidden_size, c.intermediate_size];
  return [
    { name: 'attention.query_key_value', inSize: width, outSize: 3 * width, conv1d: false, onRows: false },
    { name: 'attention.dense', inSize: width, outSize: width, conv1d: false, onRows: true },
    { name: 'mlp.dense_h_to_4h', inSize: width, outSize: inner, conv1d: false, onRows: true },
    { name: 'mlp.dense_4h_to_h', inSize: inner, outSize: width, conv1d: false, onRows: true },
  ];
}

function parameterSpecs(c: Config, modules: readonly LinearModule[], head: string): ParameterSpec[] {
  const init = { std: c.initializer_range };
  const norm = (name: string): ParameterSpec[] => [
    { name: `${name}.weight`, shape: [c.hidden_size], decay: false, init: { value: 1 } },
    { name: `${name}.bias`, shape: [c.hidden_size], decay: false, init: { value: 0 } },
  ];
  const layer = (prefix: string): ParameterSpec[] => [
    ...NORMS.flatMap((name) => norm(prefix + name)),
    ...modules.flatMap(({ name, inSize, outSize }): ParameterSpec[] => [
      { name: `${prefix}${name}.weight`, shape: [outSize, inSize], decay: true, init },
      ...(c.attention_bias || name.startsWith('mlp.')
        ? [{ name: `${prefix}${name}.bias`, shape: [outSize], decay: false, init: { value: 0 } }]
        : []),
    ]),
  ];
  const table = { shape: [c.vocab_size, c.hidden_size], decay: true, init };
  return [
    { name: 'embed_in.weight', ...table },
    ...Array.from({ length: c.num_hidden_layers }, (_, i) => layer(`layers.${i}.`)).flat(),
    ...norm('final_layer_norm'),
    ...(c.tie_word_embeddings ? [] : [{ name: head, ...table }]),
  ];
}
