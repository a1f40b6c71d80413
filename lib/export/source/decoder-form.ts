/** What of a decoder a target's format does not have: such a model is refused, never written as something else. */
import type { Architecture, DecoderDescription } from '../../models';
import { TunebookError } from '../../types';

/** Features of decoders beyond Llama's, by what an error calls them. */
const FEATURES = {
  layerNorm: (d) => d.norm !== 'rms',
  gainPlusOne: (d) => d.gainPlusOne,
  'other norms': (d) =>
    d.norms.beforeAttention !== 'input_layernorm' ||
    d.norms.beforeMlp !== 'post_attention_layernorm' ||
    (d.norms.afterAttention ?? d.norms.afterMlp) !== undefined,
  'parallel residual': (d) => d.parallel,
  'normalized queries and keys': (d) => d.queryKeyNorm !== undefined,
  'fused projections': (d) => d.fusedQkv || d.mlp === 'fused',
  'a feed-forward part without a gate': (d) => d.mlp === 'plain',
  biases: (d) => d.bias.qkv || d.bias.out || d.bias.mlp,
  'an activation other than silu': (d) => d.activation !== 'silu',
  'heads that turn in part': (d) => d.rotarySize !== d.headSize || d.interleavedRotary,
  'an attention scale': (d) => d.attentionScale !== undefined,
  'soft caps': (d) => (d.attentionSoftcap ?? d.logitSoftcap) !== undefined,
  'scales of embedding, residual or logits': (d) =>
    d.embeddingScale !== 1 || d.residualScale !== 1 || d.logitScale !== 1,
  'layers without rotary positions': (d) => d.kinds.some(({ rope }) => rope === undefined),
  'layers of several rotary positions': (d) => new Set(d.kinds.map(({ rope }) => rope)).size > 1,
} as const satisfies Record<string, (d: DecoderDescription) => boolean>;

/** A feature that not every format has. */
export type DecoderFeature = keyof typeof FEATURES;

/**
 * @param supported features that the target's form has, beyond Llama's
 * @throws TunebookError that names the others which the model has
 */
export function requireForm(
  { description, modelType }: Architecture,
  { where, supported, instead }: { where: string; supported: readonly DecoderFeature[]; instead: string },
): void {
  if (description === undefined) return;
  const missing = Object.entries(FEATURES)
    .filter(([name, has]) => !supported.includes(name as DecoderFeature) && has(description))
    .map(([name]) => name);
  if (missing.length === 0) return;
  throw new TunebookError(
    `${where}: expected a model of the form of Llama, got ${modelType} with ${missing.join(', ')}, which this format ` +
      `has no place for here. ${instead}`,
  );
}
