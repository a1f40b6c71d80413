"""Golden logits of configurations that mean something else than they seem to: what transformers computes with the tiny
models of this folder and of ../gpt2 after a change of config.json or of the stored tensors.
Run: python make_variants.py (torch, transformers, safetensors). Float32, one thread; compared within 1e-4.

Writes golden-variants.json. A case: the model's folder, fields of config.json that are set (null: set to null) and
removed, tensors (a name -> "normal": random of the embedding's shape, here under `tensors`; "copy": the embedding;
null: removed), `drops` tensors that are no part of the model, and the logits of the last two positions.
"""

import json
import shutil
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

HERE = Path(__file__).parent
torch.set_num_threads(1)
IDS = [[1, 25, 69, 70, 29, 51, 65, 44, 73, 45, 58, 34, 84], [62, 45, 53, 44, 2, 68, 69, 79, 78, 42, 58, 76, 3]]
LLAMA3 = {
    "rope_type": "llama3", "rope_theta": 50000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
OLD = ["rope_parameters"]
CASES = {
    "no sliding_window": dict(remove=["sliding_window"]),
    "sliding_window null": dict(set={"sliding_window": None}),
    "layer_types full": dict(set={"layer_types": ["full_attention"] * 2}),
    "layer_types sliding": dict(set={"layer_types": ["sliding_attention"] * 2}),
    "rope linear, old spelling": dict(remove=OLD, set={"rope_theta": 10000.0, "rope_scaling": {"type": "linear", "factor": 4.0}}),
    "rope linear": dict(set={"rope_parameters": {"rope_type": "linear", "factor": 2.5, "rope_theta": 3000.0}}),
    "rope linear within rope_parameters, old spelling": dict(set={"rope_parameters": {"type": "linear", "factor": 2.5}}),
    "rope default, named": dict(remove=OLD, set={"rope_theta": 5000.0, "rope_scaling": {"rope_type": "default"}}),
    "rope llama3": dict(set={"rope_parameters": LLAMA3}),
    "rope llama3, old spelling": dict(remove=OLD, set={"rope_theta": 50000.0, "rope_scaling": {**LLAMA3, "rope_theta": None}}),
    "swish": dict(set={"hidden_act": "swish"}),
    "tied, with an own head": dict(set={"tie_word_embeddings": True}),
    "tied, with the same head": dict(set={"tie_word_embeddings": True}, tensors={"lm_head.weight": "copy"}),
    "tied, without a head": dict(set={"tie_word_embeddings": True}, tensors={"lm_head.weight": None}),
    "tensors of other things": dict(tensors={"v_head.summary.weight": "normal", "model.layers.0.self_attn.k_scale": "normal"}),
    "unknown fields that are off": dict(set={"use_sliding_window": False, "logit_scale": None, "_note": 3, "unsloth_fixed": True}),
    "gpt2 by depth": dict(model="gpt2", set={"scale_attn_by_inverse_layer_idx": True}),
    "gpt2 without scale": dict(model="gpt2", set={"scale_attn_weights": False, "scale_attn_by_inverse_layer_idx": True}),
    "gpt2 upcast": dict(model="gpt2", set={"reorder_and_upcast_attn": True}),
    "gpt2 untied": dict(model="gpt2", set={"tie_word_embeddings": False}, tensors={"lm_head.weight": "normal"}),
    "gpt2 tied, with an own head": dict(model="gpt2", tensors={"lm_head.weight": "normal"}),
}

out = {}
for name, case in CASES.items():
    source = HERE.parent / case.get("model", "mistral") / "model"
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        config = json.loads((source / "config.json").read_text())
        for field in case.get("remove", []):
            config.pop(field, None)
        for field, value in case.get("set", {}).items():
            config[field] = {k: v for k, v in value.items() if v is not None} if isinstance(value, dict) else value
        (folder / "config.json").write_text(json.dumps(config))
        tensors = load_file(source / "model.safetensors")
        embedding = next(value for key, value in tensors.items() if key.endswith(("embed_tokens.weight", "wte.weight")))
        generator = torch.Generator().manual_seed(7)
        stored = {}
        for tensor, what in case.get("tensors", {}).items():
            if what is None:
                tensors.pop(tensor, None)
            elif what == "copy":
                tensors[tensor] = embedding.clone()
            else:
                shape = embedding.shape if tensor == "lm_head.weight" else (4,)
                tensors[tensor] = torch.randint(-8, 9, shape, generator=generator) / 16
                stored[tensor] = [list(shape), [int(16 * value) for value in tensors[tensor].flatten()]]
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()
        with torch.no_grad():
            logits = model(torch.tensor(IDS)).logits[:, -2:]
    out[name] = {**case, "config": config, "values": stored, "logits": [round(x, 6) for x in logits.flatten().tolist()]}
(HERE / "golden-variants.json").write_text(json.dumps({"ids": IDS, "cases": out}) + "\n")
print(len(out), "cases")
