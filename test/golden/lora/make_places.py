"""Makes the golden values of adapters that are elsewhere than in a block's usual modules, or differ from module to module.

Run: python make_places.py, as make.py; writes golden-places.json and golden-places.safetensors, with the same tolerances and
content but for the logits, which are those of the batch's first row, and a folder for each variant.
"""

from make import GPT2, MISTRAL, make, write

PATHS = ["model.layers.0.self_attn.q_proj", "layers.1.mlp.up_proj", "v_proj", "o_proj"]
PATTERNS = dict(rank_pattern={"up_proj": 2, r"layers\.1.*v_proj": 3}, alpha_pattern={"^model.layers.0.self_attn.v_proj": 5})
VARIANTS = {
    "mistral-paths": ("mistral", {**MISTRAL, "target_modules": PATHS, "exclude_modules": ["1.self_attn.o_proj"], **PATTERNS}),
    "mistral-lora-bias": ("mistral", {**MISTRAL, "lora_bias": True}),
    "mistral-high-rank": ("mistral", {**MISTRAL, "r": 33, "target_modules": ["k_proj"]}),
    "mistral-head": ("mistral", {**MISTRAL, "target_modules": ["q_proj", "lm_head"]}),
    "mistral-head-dora": ("mistral", {**MISTRAL, "target_modules": ["lm_head"], "use_dora": True}),
    "mistral-embedding": ("mistral", {**MISTRAL, "target_modules": ["embed_tokens", "v_proj"]}),
    "mistral-tokens": ("mistral", {**MISTRAL, "trainable_token_indices": {"embed_tokens": [71, 9], "lm_head": [7, 71, 90]}}),
    "gpt2-all-linear": ("gpt2", {**GPT2, "r": 1, "target_modules": "all-linear"}),
    "gpt2-embedding": ("gpt2", {**GPT2, "target_modules": ["wte"]}),
    "gpt2-head": ("gpt2", {**GPT2, "target_modules": ["lm_head"]}),
    "gpt2-tokens": ("gpt2", {**GPT2, "trainable_token_indices": [64, 5]}),
    "gpt2-save-embedding": ("gpt2", {**GPT2, "modules_to_save": ["wte"]}),
    "gpt2-save-head": ("gpt2", {**GPT2, "modules_to_save": ["lm_head"]}),
    "gpt2-save-by-suffix": ("gpt2", {**GPT2, "modules_to_save": ["1.ln_1", "n_f"]}),
    "gpt2-resized": ("gpt2", GPT2, 99),
    "mistral-resized": ("mistral", {**MISTRAL, "modules_to_save": ["lm_head", "embed_tokens"]}, 99),
}

if __name__ == "__main__":
    arrays = {}
    golden = {name: make(name, base, options, arrays, *rest) for name, (base, options, *rest) in VARIANTS.items()}
    # One row of the batch is enough of the logits.
    arrays = {name: values[:1] if name.endswith(".logits") else values for name, values in arrays.items()}
    write("golden-places", golden, arrays)
