/**
 * Fields of config.json that a family does not read: those that change no number pass, any other is refused, so that
 * no model computes something else in silence.
 */
import { TunebookError } from '../../types';

/** Names, labels, sizes of other things, and how a program runs the model. */
const HARMLESS: ReadonlySet<string> = new Set([
  ...[
    'architectures',
    'model_type',
    'transformers_version',
    'torch_dtype',
    'dtype',
    'use_cache',
    'name_or_path',
  ],
  ...[
    'bos_token_id',
    'eos_token_id',
    'pad_token_id',
    'sep_token_id',
    'unk_token_id',
    'cls_token_id',
    'mask_token_id',
  ],
  ...[
    'decoder_start_token_id',
    'is_decoder',
    'is_encoder_decoder',
    'auto_map',
    'quantization_config',
    'max_length',
  ],
  ...[
    'id2label',
    'label2id',
    'num_labels',
    'problem_type',
    'task_specific_params',
    'finetuning_task',
    'prefix',
  ],
  ...[
    'output_attentions',
    'output_hidden_states',
    'return_dict',
    'torchscript',
    'tokenizer_class',
    'pretraining_tp',
  ],
  ...[
    'use_bfloat16',
    'use_flash_attention',
    'attn_implementation',
    'chunk_size_feed_forward',
    'gradient_checkpointing',
  ],
  ...[
    'initializer_range',
    'rope_theta',
    'original_max_position_embeddings',
    'max_sequence_length',
    'model_max_length',
  ],
  ...[
    'n_ctx',
    'reorder_and_upcast_attn',
    'summary_activation',
    'summary_first_dropout',
    'summary_proj_to_labels',
  ],
  ...[
    'summary_type',
    'summary_use_proj',
    'vocab_size',
    'keys_to_ignore_at_inference',
    'neuron',
    'language',
    'license',
  ],
  ...['do_sample', 'temperature', 'top_k', 'top_p', 'num_beams', 'repetition_penalty', 'generation_config'],
]);

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
  const unknown = Object.entries(config).filter(([name, value]) => {
    if (read.has(name) || HARMLESS.has(name) || name.startsWith('_') || name.startsWith('unsloth'))
      return false;
    const isEmpty = typeof value === 'object' && value !== null && Object.keys(value).length === 0;
    return value !== null && value !== undefined && value !== false && !isEmpty; // a feature that is off
  });
  if (unknown.length === 0) return;
  const names = unknown.map(([name, value]) => `${name}: ${JSON.stringify(value)}`.slice(0, 80)).join(', ');
  throw new TunebookError(
    `${where}: expected fields that are known, got ${names}. Such a field may change what the model computes: ` +
      'take it out of config.json where it does not, or choose another model.',
  );
}
