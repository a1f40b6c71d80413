/** Fields of config.json that a family does not read: which pass, which are refused, and how that is said. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requireKnownKeys } from '../../../lib/models/families/parts/config-keys';

const KNOWN = ['hidden_size'];
const check = (config: Record<string, unknown>): void => requireKnownKeys(config, KNOWN, 'config.json');

// Taken from config.json files on the hub: none of these is read by the model's own code in transformers.
const HARMLESS: readonly Record<string, unknown>[] = [
  { architectures: ['GPT2LMHeadModel'], model_type: 'gpt2', transformers_version: '5.18.0' },
  { torch_dtype: 'bfloat16', dtype: 'float32', use_cache: true, use_bfloat16: false },
  { bos_token_id: 1, eos_token_id: [2, 3], pad_token_id: null, sep_token_id: 4, unk_token_id: 0 },
  {
    do_sample: true,
    max_length: 50,
    num_beams: 1,
    temperature: 1,
    top_k: 50,
    top_p: 1,
    repetition_penalty: 1,
  },
  { summary_type: 'cls_index', summary_use_proj: true, task_specific_params: { 'text-generation': {} } },
  { id2label: { 0: 'LABEL_0' }, label2id: { LABEL_0: 0 }, num_labels: 2, problem_type: null },
  {
    _name_or_path: 'gpt2',
    _attn_implementation_autoset: true,
    unsloth_version: '2025.1',
    unsloth_fixed: true,
  },
  { hidden_size: 64, n_ctx: 1024, pretraining_tp: 1, initializer_range: 0.02, gradient_checkpointing: true },
];
for (const config of HARMLESS) test(`${Object.keys(config).join(', ')} pass`, () => check(config));

// The last three look like names that pass.
for (const name of ['pruned_heads', 'attn_logit_softcapping', 'hidden_size_2', 'use_cache_2', 'x_unsloth'])
  test(`${name} is refused by name`, () => {
    assert.throws(
      () => check({ hidden_size: 64, use_cache: true, [name]: 2 }),
      new RegExp(
        `^TunebookError: config\\.json: expected fields that are known, got ${name}: 2\\. Such a field`,
      ),
    );
  });

test('all of them are named, long values shortened', () => {
  const long = Array.from({ length: 100 }, (_, i) => i);
  assert.throws(
    () => check({ first: 'a', second: long, use_cache: true }),
    ({ message }: Error) =>
      message.includes('got first: "a", second: [0,1,2,') && message.length < 350 && !message.includes('99'),
  );
});

test('a field without a value is ignored', () => check({ hidden_size: 64, alibi: null, other: undefined }));
