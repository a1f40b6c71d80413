"""Makes golden.safetensors and model/: affine quantization as MLX defines it (mlx/ops.cpp, affine_quantize), and a tiny
Mistral as mlx_lm saves a quantized one: words of 32 bits, scales and biases in bfloat16, embedding and head included,
modules whose rows are not whole groups left as they are. logits.safetensors has what transformers computes with the
dequantized weights. Run: python make.py (numpy, torch, transformers, safetensors). Nothing is downloaded, MLX is not
needed; `affine` below gave, bit for bit, what MLX's own CPU function gave for these inputs (compiled from commit
846d176).
"""

import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import MistralConfig, MistralForCausalLM

HERE = Path(__file__).parent
F = np.float32


def affine(w, bits, group):
    """Rows of float32 to codes, scales and biases; all arithmetic in float32."""
    rows = w.reshape(-1, group).astype(F)
    most = F((1 << bits) - 1)
    high, low = rows.max(1), rows.min(1)
    low_is_larger = np.abs(low) > np.abs(high)
    scale = np.maximum((high - low) / most, F(1e-7))
    scale = np.where(low_is_larger, scale, -scale)
    edge = np.where(low_is_larger, low, high)
    steps = np.rint(edge / scale)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.where(steps != 0, edge / steps, scale).astype(F)
    bias = np.where(steps == 0, F(0), edge).astype(F)
    codes = np.clip(np.rint((rows - bias[:, None]) / scale[:, None]), 0, most).astype(np.uint32)
    return codes.reshape(w.shape), scale, bias


def words(codes, bits):
    """The first code in the lowest bits."""
    per = 32 // bits
    parts = codes.reshape(codes.shape[0], -1, per) << (np.arange(per, dtype=np.uint32) * bits)
    return torch.from_numpy(np.bitwise_or.reduce(parts, axis=2).astype(np.uint32).view(np.int32)).view(torch.uint32)


def golden():
    rng = np.random.default_rng(5)
    x = (rng.standard_normal((48, 256)) * 0.02).astype(F)
    x[0, :128] = 0  # groups of zeros
    x[1, 5] = F(3)  # an outlier
    x[2, :128] = F(0.25) * np.where(np.arange(128) % 2, 1, -1)  # both ends alike
    x[3, :128] *= F(1e-6)  # below the least scale
    arrays = {"input": torch.from_numpy(x)}
    for bits in (4, 8):
        for group in (32, 64, 128):
            codes, scale, bias = affine(x, bits, group)
            name = f"{bits}.{group}"
            arrays[f"{name}.weight"] = words(codes, bits)
            arrays[f"{name}.scales"] = torch.from_numpy(scale.reshape(48, -1))
            arrays[f"{name}.biases"] = torch.from_numpy(bias.reshape(48, -1))
    save_file(arrays, HERE / "golden.safetensors")
    return x


CONFIG = MistralConfig(
    vocab_size=97, hidden_size=64, intermediate_size=88, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, sliding_window=None, max_position_embeddings=64, tie_word_embeddings=False,
    bos_token_id=1, eos_token_id=2, pad_token_id=None, attn_implementation="eager",
)
GROUP = 32


def model():
    torch.manual_seed(11)
    torch.set_num_threads(1)
    whole = MistralForCausalLM(CONFIG).eval()
    stored = {}
    with torch.no_grad():
        for name, p in whole.named_parameters():
            p.normal_(1.0, 0.2) if "norm" in name else p.normal_(0.0, 0.2)
            p.copy_(p.to(torch.bfloat16).float())
            bits = 8 if "layers.1.mlp" in name else 4  # two kinds in one model
            if p.dim() != 2 or p.shape[1] % GROUP != 0:
                stored[name] = p.to(torch.bfloat16).clone()
                continue
            codes, scale, bias = affine(p.numpy(), bits, GROUP)
            scale, bias = (torch.from_numpy(v).to(torch.bfloat16).reshape(p.shape[0], -1) for v in (scale, bias))
            base = name[: -len("weight")]
            stored[name] = words(codes, bits)
            stored[f"{base}scales"], stored[f"{base}biases"] = scale, bias
            repeated = [v.float().repeat_interleave(GROUP, 1) for v in (scale, bias)]
            p.copy_(torch.from_numpy(codes.astype(F)) * repeated[0] + repeated[1])
    folder = HERE / "model"
    folder.mkdir(exist_ok=True)
    save_file(stored, folder / "model.safetensors", {"format": "mlx"})
    config = CONFIG.to_dict()
    quantization = {"group_size": GROUP, "bits": 4, "mode": "affine"}
    quantization |= {f"model.layers.1.mlp.{n}_proj": {"group_size": GROUP, "bits": 8} for n in ("gate", "up")}
    config |= {"quantization": quantization, "quantization_config": quantization}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    ids = torch.randint(3, 97, (2, 11))
    with torch.no_grad():
        logits = whole(ids).logits
    save_file({"ids": ids.int(), "logits": logits, "q_proj": whole.model.layers[0].self_attn.q_proj.weight.detach()},
              HERE / "logits.safetensors")


if __name__ == "__main__":
    golden()
    model()
