/**
 * Decoders of the Llama line, each made from a description: norms and where they stand, biases, fused matrices,
 * normalized queries and keys, scales. Layers differ in what they are fed alone (window, rotary tables), so that one
 * compiled block serves all of them. Names are Hugging Face's.
 */
import { activation, attention, layerNorm, mergeHeads, rmsNorm, rotary, splitHeads, tf } from '../../engine';
import type { NamedTensors, Tensor } from '../../engine';
import type { Architecture, DropoutSite } from './architecture';
import type { DecoderDescription } from './decoder-description';
import { linearModules, parameterSpecs } from './decoder-parameters';
import { chosenRows } from './parts/chosen-rows';
import { dropped, moduleLinear } from './parts/linear';
import { partlyTurned, rotaryKind } from './partial-rotary';

/** The model of a description. */
export function decoder(d: DecoderDescription): Architecture {
  const modules = linearModules(d);
  const head = d.isTied ? 'embed_tokens.weight' : 'lm_head.weight';
  const block = blockOf(d, new Map(modules.map(({ name, outSize }) => [name, outSize])));
  const lastNorm = d.norm === 'layer' ? ['norm.weight', 'norm.bias'] : ['norm.weight'];
  return {
    modelType: d.modelType,
    prefix: 'model.',
    vocabSize: d.vocabSize,
    width: d.width,
    layers: d.layers,
    heads: d.heads,
    keyValueHeads: d.keyValueHeads,
    headSize: d.headSize,
    maxPositions: d.maxPositions,
    layerKinds: d.kinds.map(({ window, rope }) => ({
      slidingWindow: window,
      ...rotaryKind(rope, d.rotarySize),
    })),
    kindOf: (layer) => d.kindOf[layer],
    tokenEmbedding: 'embed_tokens.weight',
    embeddingScale: d.embeddingScale,
    head,
    logitScale: d.logitScale,
    logitSoftcap: d.logitSoftcap,
    description: d,
    parameters: parameterSpecs(d, modules, head),
    modules,
    loraTargets: d.loraTargets,
    isBuffer: (name) => name.endsWith('rotary_emb.inv_freq'),
    embeddingDropout: d.embeddingDropout,
    dropoutSites: dropoutSites(d),
    layerPrefix: (layer) => `layers.${layer}.`,
    block,
    trainingBlock: (inputs) => ({ y: block(inputs).y }),
    finalNorm: (inputs) => ({
      y: scaled(normalized(d, inputs, { name: 'norm', x: inputs.x }), d.logitScale),
    }),
    finalNormParameters: lastNorm,
    toJson: () => ({ ...d.json }),
  };
}

function blockOf(
  d: DecoderDescription,
  outSizes: ReadonlyMap<string, number>,
): (inputs: NamedTensors) => NamedTensors {
  return (inputs) => {
    const linear = (module: string, input: Tensor): Tensor =>
      moduleLinear(inputs, module, input, { conv1d: false, outSize: outSizes.get(module) ?? 0 });
    const norm = (name: string | undefined, x: Tensor): Tensor =>
      name === undefined ? x : normalized(d, inputs, { name, x });
    const added = (x: Tensor, part: Tensor): Tensor => tf.add(x, scaled(part, d.residualScale));
    const normed = norm(d.norms.beforeAttention, inputs.x); // [B, T, C]
    const { output, key, value } = attend(d, inputs, { x: normed, linear });
    const x = chosenRows(inputs, inputs.x); // [B, T, C] or [1, R, C], as all below
    const attended = norm(d.norms.afterAttention, dropped(inputs, 'attn_out', output));
    if (d.parallel) {
      const fed = dropped(inputs, 'mlp_out', feedForward(d, chosenRows(inputs, normed), linear));
      return { y: tf.add(added(x, attended), scaled(fed, d.residualScale)), key, value };
    }
    const middle = added(x, attended);
    const narrow = feedForward(d, norm(d.norms.beforeMlp, middle), linear);
    return {
      y: added(middle, norm(d.norms.afterMlp, dropped(inputs, 'mlp_out', narrow))),
      key,
      value,
    };
  };
}

type Linear = (module: string, input: Tensor) => Tensor;

/** Attention of x [B, T, C]: output [B, T, C] or, of `rows`, [1, R, C]; keys and values [B, KV, T, D]. */
function attend(
  d: DecoderDescription,
  inputs: NamedTensors,
  { x, linear }: { x: Tensor; linear: Linear },
): { output: Tensor; key: Tensor; value: Tensor } {
  const { heads, keyValueHeads, headSize } = d;
  const tables = { cos: inputs['rotary.cos'], sin: inputs['rotary.sin'] }; // [B, 1, T, R / 2]
  const turn = (y: Tensor): Tensor => rotary(d.interleavedRotary ? apart(y) : y, tables);
  const head = (part: Tensor, count: number, name: string): Tensor => {
    const norm = (y: Tensor): Tensor => normalized(d, inputs, { name: `self_attn.${name}`, x: y });
    const split = splitHeads(d.queryKeyNorm === 'whole' ? norm(part) : part, count);
    return partlyTurned(d.queryKeyNorm === 'head' ? norm(split) : split, d.rotarySize, turn);
  };
  const sizes = [heads, keyValueHeads, keyValueHeads].map((count) => count * headSize);
  const fused = d.fusedQkv ? tf.split(linear('self_attn.qkv_proj', x), sizes, -1) : undefined;
  const part = (at: number, name: string): Tensor => fused?.[at] ?? linear(`self_attn.${name}_proj`, x);
  const query = head(part(0, 'q'), heads, 'q_norm'); // [B, H, T, D]
  const key = head(part(1, 'k'), keyValueHeads, 'k_norm');
  const value = splitHeads(part(2, 'v'), keyValueHeads);
  const attended = attention({
    query,
    key,
    value,
    bias: inputs.bias, // [B, 1, T, S + T]
    mask: inputs['dropout.attn'],
    pastKey: inputs['past.key'],
    pastValue: inputs['past.value'],
    scale: d.attentionScale,
    softcap: d.attentionSoftcap,
  });
  return { output: linear('self_attn.o_proj', chosenRows(inputs, mergeHeads(attended))), key, value };
}

/** x and what comes of it are [B, T, C], or [1, R, C]. */
function feedForward(d: DecoderDescription, x: Tensor, linear: Linear): Tensor {
  if (d.mlp === 'plain') return linear('mlp.c_proj', activation(d.activation, linear('mlp.c_fc', x)));
  const fused = d.mlp === 'fused' ? tf.split(linear('mlp.gate_up_proj', x), 2, -1) : undefined;
  const gate = activation(d.activation, fused?.[0] ?? linear('mlp.gate_proj', x));
  return linear('mlp.down_proj', tf.mul(gate, fused?.[1] ?? linear('mlp.up_proj', x)));
}

/** Pairs that lie side by side go half of the whole apart; scores do not change where queries and keys both do. */
function apart(x: Tensor): Tensor {
  const [B, H, T, R] = x.shape;
  const pairs = tf.reshape(x, [B, H, T, R / 2, 2]);
  return tf.reshape(tf.transpose(pairs, [0, 1, 2, 4, 3]), [B, H, T, R]);
}

function normalized(
  d: DecoderDescription,
  inputs: NamedTensors,
  { name, x }: { name: string; x: Tensor },
): Tensor {
  const stored = inputs[`${name}.weight`];
  const gain = d.gainPlusOne ? tf.add(stored, 1) : stored;
  if (d.norm === 'rms') return rmsNorm(x, gain, d.epsilon);
  const bias = d.norm === 'layer' ? inputs[`${name}.bias`] : tf.zerosLike(gain);
  return layerNorm(x, gain, bias, d.epsilon);
}

function scaled(x: Tensor, factor: number): Tensor {
  return factor === 1 ? x : tf.mul(x, factor);
}

function dropoutSites(d: DecoderDescription): DropoutSite[] {
  const { heads, width, residualDropout } = d;
  const residual = (name: string, rate: number): DropoutSite[] =>
    rate === 0 ? [] : [{ name, rate, onRows: true, shape: (B, T) => [B, T, width] }];
  return [
    { name: 'attn', rate: d.attentionDropout, onRows: false, shape: (B, T) => [B, heads, T, T] },
    ...residual('attn_out', residualDropout.attention),
    ...residual('mlp_out', residualDropout.mlp),
  ];
}
