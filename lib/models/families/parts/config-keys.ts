/**
 * Fields of config.json that a family does not read: those that change no number pass, any other is refused, so that
 * no model computes something else in silence.
 */
import { TunebookError } from '../../../types';
import { unreadFields } from '../../../files';

/** Names, labels, sizes of other things, and how a program runs the model. */
const HARMLESS: ReadonlySet<string> = new Set(
  `
  architectures attn_implementation auto_map bos_token_id cache_implementation chunk_size_feed_forward cls_token_id
  decoder_start_token_id do_sample dtype eos_token_id finetuning_task generation_config gradient_checkpointing
  id2label initializer_range is_decoder is_encoder_decoder keys_to_ignore_at_inference label2id language
  license mask_token_id max_length max_sequence_length model_max_length model_type n_ctx name_or_path neuron
  num_beams num_labels original_max_position_embeddings output_attentions output_hidden_states pad_token_id
  prefix pretraining_tp problem_type quantization quantization_config reorder_and_upcast_attn repetition_penalty
  return_dict rope_theta sep_token_id summary_activation summary_first_dropout summary_proj_to_labels
  summary_type summary_use_proj task_specific_params temperature tokenizer_class top_k top_p torch_dtype
  torchscript transformers_version unk_token_id use_bfloat16 use_cache use_flash_attention vocab_size
  `
    .trim()
    .split(/\s+/),
);

/**
 * @param known fields that the family reads
 * @throws TunebookError that names every other field with a value, unless it is known to change nothing
 */
export function requireKnownKeys(
  config: Readonly<Record<string, unknown>>,
  known: Iterable<string>,
  where: string,
): void {
  const read = new Set(known);
  const unknown = unreadFields(
    config,
    (name) => read.has(name) || HARMLESS.has(name) || name.startsWith('_') || name.startsWith('unsloth'),
  );
  if (unknown.length === 0) return;
  const names = unknown.map(([name, value]) => `${name}: ${JSON.stringify(value)}`.slice(0, 80)).join(', ');
  throw new TunebookError(
    `${where}: expected fields that are known, got ${names}. Such a field may change what the model computes: ` +
      'take it out of config.json where it does not, or choose another model.',
  );
}
