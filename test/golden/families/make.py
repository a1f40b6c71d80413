"""Golden numbers of each family of decoders: what transformers and PEFT compute with tiny models whose weights are a
function of their names, so that no weights are stored (`fill`; fill.ts has the same).
Run: python make.py [case...] (torch, transformers, peft). Float32, eager attention, one thread; compared within 1e-4
(logits and loss, relative to their size) and 1e-3 (gradients, of their norm).

Writes golden.json. A case: config.json's content; the batch's loss; parameters' shapes; `logits`: those of the last position of each row, and
sketches of all; `greedy`: tokens that follow the first row's start, each step computed anew; `cached`: tokens that each
layer's cache keeps of a row (of a window all but one); sketches of the gradients of all parameters, and of a PEFT adapter
on all linear layers, with its loss.
A sketch of an array: its norm, and its products with two arrays of signs.
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
import transformers
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM

HERE = Path(__file__).parent
torch.set_num_threads(1)
transformers.logging.set_verbosity_error()
V, C, I, H, KV, T = 64, 32, 48, 4, 2, 26
PROMPT, NEW = 9, 20

SIZES = dict(
    vocab_size=V, hidden_size=C, intermediate_size=I, num_hidden_layers=2, num_attention_heads=H, num_key_value_heads=KV,
    max_position_embeddings=64, pad_token_id=0, bos_token_id=1, eos_token_id=2,
)
LLAMA3 = dict(factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=16)
LAYERS = lambda *kinds: [f"{kind}_attention" for kind in kinds]
LONG = dict(
    original_max_position_embeddings=16,
    rope_scaling=dict(type="longrope", short_factor=[1.0, 1.1, 1.2, 1.3], long_factor=[1.5, 2.0, 3.0, 4.5]),
)
GEMMA = dict(head_dim=16, hidden_activation="gelu_pytorch_tanh", query_pre_attn_scalar=24)

CASES = {
    "llama": dict(model_type="llama"),
    "llama 3.2": dict(model_type="llama", tie_word_embeddings=True, head_dim=8, rope_theta=500000.0, rope_scaling=dict(LLAMA3, rope_type="llama3")),
    "llama with biases": dict(model_type="llama", attention_bias=True, mlp_bias=True, rope_theta=5000.0),
    "llama linear": dict(model_type="llama", rope_parameters=dict(rope_type="linear", factor=2.0, rope_theta=10000.0)),
    "llama dynamic": dict(model_type="llama", max_position_embeddings=16, rope_scaling=dict(type="dynamic", factor=4.0)),
    "llama yarn": dict(model_type="llama", rope_parameters=dict(rope_type="yarn", factor=4.0, rope_theta=10000.0, original_max_position_embeddings=16)),
    "llama yarn with all its numbers": dict(model_type="llama", rope_scaling=dict(type="yarn", factor=4.0, original_max_position_embeddings=16, beta_fast=16.0, beta_slow=2.0, mscale=0.7, mscale_all_dim=1.2)),
    "llama longrope": dict(model_type="llama", **LONG),
    "mistral": dict(model_type="mistral", sliding_window=8),
    "mistral nemo": dict(model_type="mistral", sliding_window=None, head_dim=16, rope_theta=1000000.0),
    "mistral with layer types": dict(model_type="mistral", head_dim=8, sliding_window=8, layer_types=LAYERS("full", "sliding")),
    "ministral": dict(model_type="ministral", head_dim=8, sliding_window=8, num_hidden_layers=3, layer_types=LAYERS("sliding", "full", "sliding")),
    "qwen2": dict(model_type="qwen2", tie_word_embeddings=True, rope_theta=1000000.0, use_sliding_window=False, sliding_window=32, max_window_layers=1),
    "qwen2 with a window": dict(model_type="qwen2", use_sliding_window=True, sliding_window=8, max_window_layers=1),
    "qwen3": dict(model_type="qwen3", tie_word_embeddings=True, head_dim=16, rope_theta=1000000.0, attention_bias=False),
    "smollm3": dict(model_type="smollm3", no_rope_layers=[1, 0], rope_theta=5000000.0),
    "smollm3 by interval": dict(model_type="smollm3", num_hidden_layers=3, no_rope_layer_interval=2, tie_word_embeddings=False),
    "gemma": dict(model_type="gemma", head_dim=16, hidden_act="gelu_pytorch_tanh"),
    "gemma2": dict(model_type="gemma2", **GEMMA, sliding_window=8, attn_logit_softcapping=3.0, final_logit_softcapping=4.0),
    "gemma3": dict(model_type="gemma3_text", **GEMMA, num_hidden_layers=4, sliding_window=8, sliding_window_pattern=3, rope_theta=1000000.0, rope_local_base_freq=10000.0, rope_scaling=dict(rope_type="linear", factor=8.0)),
    "gemma3 by layer types": dict(model_type="gemma3_text", **GEMMA, sliding_window=8, layer_types=LAYERS("sliding", "full"), rope_parameters=dict(full_attention=dict(rope_type="default", rope_theta=1e6), sliding_attention=dict(rope_type="default", rope_theta=5000.0))),
    "phi3": dict(model_type="phi3", sliding_window=8, rms_norm_eps=1e-5),
    "phi3 longrope": dict(model_type="phi3", sliding_window=None, **LONG),
    "phi4-mini": dict(model_type="phi3", sliding_window=None, tie_word_embeddings=True, partial_rotary_factor=0.75, rope_theta=10000.0),
    "olmo2": dict(model_type="olmo2", rope_theta=500000.0),
    "olmo3": dict(model_type="olmo3", sliding_window=8, num_hidden_layers=4, rope_theta=500000.0, rope_scaling=dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=16, attention_factor=1.1, beta_fast=32.0, beta_slow=1.0)),
    "stablelm": dict(model_type="stablelm", use_qkv_bias=True, partial_rotary_factor=0.5, rope_theta=10000.0),
    "stablelm parallel": dict(model_type="stablelm", use_parallel_residual=True, hidden_size=64, num_hidden_layers=1),
    "starcoder2": dict(model_type="starcoder2", sliding_window=8, rope_theta=100000.0, mlp_type="default", norm_type="layer_norm", residual_dropout=0.0),
    "starcoder2 without biases": dict(model_type="starcoder2", use_bias=False, tie_word_embeddings=False),
    "cohere": dict(model_type="cohere", logit_scale=0.25, rope_theta=10000.0),
    "glm4": dict(model_type="glm4", head_dim=8, attention_bias=True, partial_rotary_factor=0.5),
    "pythia": dict(model_type="gpt_neox", hidden_act="gelu", rotary_pct=0.25, rotary_emb_base=10000, hidden_size=64, use_parallel_residual=True),
    "gpt-neox in series": dict(model_type="gpt_neox", hidden_act="gelu_new", rotary_pct=1.0, use_parallel_residual=False, attention_bias=False, tie_word_embeddings=True),
    "granite": dict(model_type="granite", embedding_multiplier=2.0, attention_multiplier=0.2, residual_multiplier=1.5, logits_scaling=3.0, tie_word_embeddings=True),
}


def hashes(name: str, count: int) -> np.ndarray:
    """uint32 for each element of an array: FNV-1a of the name, and MurmurHash3's finalizer of its sum with the index."""
    seed = 2166136261
    for byte in name.encode():
        seed = ((seed ^ byte) * 16777619) & 0xFFFFFFFF
    with np.errstate(over="ignore"):
        x = np.arange(count, dtype=np.uint32) * np.uint32(2654435761) + np.uint32(seed)
        x ^= x >> np.uint32(16)
        x *= np.uint32(0x85EBCA6B)
        x ^= x >> np.uint32(13)
        x *= np.uint32(0xC2B2AE35)
        x ^= x >> np.uint32(16)
    return x


def fill(name: str, shape, gain: float, amplitude: float) -> torch.Tensor:
    """Uniform around 0 (around `gain` for norms' gains), exact in float32."""
    count = int(np.prod(shape))
    uniform = (hashes(name, count) >> np.uint32(8)).astype(np.float64) / 2**23 - 1
    base = gain if "norm" in name and name.endswith("weight") else 0.0
    return torch.from_numpy((base + amplitude * uniform).astype(np.float32).reshape(shape))


def sketch(name: str, array: torch.Tensor) -> list[float]:
    values = array.detach().double().flatten().numpy()
    signs = lambda which: 1.0 - 2.0 * (hashes(f"{name}#{which}", len(values)) >> np.uint32(31)).astype(np.float64)
    return [float(f"{x:.5e}") for x in (np.linalg.norm(values), values @ signs(0), values @ signs(1))]


def load(config: dict):
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "config.json").write_text(json.dumps(config))
        read = AutoConfig.from_pretrained(folder)
    model = AutoModelForCausalLM.from_config(read, attn_implementation="eager").float().eval()
    # Gemma's gains are stored less one; large ones, so that a tied head does not say the last token again.
    gain = 2.0 if "gemma" in config["model_type"] else 1.0
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(fill(name, parameter.shape, gain, 0.375))
    return model


def tokens(count: int, seed: str) -> list[int]:
    return [3 + int(x % (V - 3)) for x in hashes(seed, count)]


IDS = [tokens(T, "first"), tokens(T, "second")]


def batch(padding: int):
    ids = torch.tensor(IDS)
    mask = torch.ones_like(ids)
    labels = ids.clone()
    labels[:, :5] = -100
    if padding > 0:
        mask[1, -padding:] = 0
        labels[1, -padding:] = -100
    return dict(input_ids=ids, attention_mask=mask, labels=labels)


def make(config: dict) -> dict:
    config = {**SIZES, **config}
    if config["model_type"] == "gpt_neox":
        del config["num_key_value_heads"]
    # The dynamic kind turns by the length of the whole batch in transformers.
    padding = 0 if "dynamic" in json.dumps(config) else 4
    model = load(config)
    with torch.no_grad():
        logits = model(input_ids=torch.tensor(IDS)).logits
        cache = model(input_ids=torch.tensor(IDS), use_cache=True).past_key_values
        cached = [layer.keys.shape[-2] for layer in cache.layers]
        greedy = torch.tensor([IDS[0][:PROMPT]])
        for _ in range(NEW):
            following = load(config) if "dynamic" in json.dumps(config) else model
            greedy = torch.cat([greedy, following(input_ids=greedy, use_cache=False).logits[:, -1].argmax(-1, keepdim=True)], 1)
    model = load(config).train()
    given = batch(padding)
    loss = model(**given).loss
    loss.backward()
    gradients = {name: sketch(name, parameter.grad) for name, parameter in model.named_parameters()}
    shapes = {name: list(parameter.shape) for name, parameter in model.named_parameters()}
    model = load(config).train()
    adapted = get_peft_model(model, LoraConfig(r=2, lora_alpha=4, target_modules="all-linear", task_type="CAUSAL_LM"))
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_" in name:
                parameter.copy_(fill(stored(name), parameter.shape, 0.0, 0.25))
    lora_loss = adapted(**given).loss
    lora_loss.backward()
    return dict(
        config=config,
        padding=padding,
        loss=float(f"{loss.item():.7e}"),
        shapes=shapes,
        logits=[[float(f"{x:.6e}") for x in row] for row in logits[:, -1].tolist()],
        sketch=sketch("logits", logits),
        greedy=greedy[0, PROMPT:].tolist(),
        cached=cached,
        gradients=gradients,
        loraLoss=float(f"{lora_loss.item():.7e}"),
        lora={stored(name): sketch(stored(name), parameter.grad) for name, parameter in adapted.named_parameters() if parameter.requires_grad},
    )


def stored(name: str) -> str:
    return name.replace("base_model.model.", "").replace(".default.weight", "")


if __name__ == "__main__":
    path = HERE / "golden.json"
    wanted = sys.argv[1:] or list(CASES)
    cases = json.loads(path.read_text())["cases"] if path.exists() and sys.argv[1:] else {}
    for name in wanted:
        cases[name] = make(CASES[name])
        print(name, cases[name]["loss"], cases[name]["loraLoss"], cases[name]["greedy"][:6], flush=True)
    ordered = {name: cases[name] for name in CASES if name in cases}
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(case, separators=(',', ':'))}" for name, case in ordered.items())
    path.write_text(f'{{"ids": {json.dumps(IDS)}, "prompt": {PROMPT}, "cases": {{\n{lines}\n}}}}\n')
