"""Makes the golden values of Mistral: a tiny random model as Hugging Face transformers saves it, the same model in 4 bits
as bitsandbytes stores it, and what PyTorch computes with both. Run: python make.py (torch, transformers, peft,
safetensors, scipy). Nothing is downloaded; bitsandbytes is not needed: ../quantization/blockwise.py is its definition.

Everything is float32 on the CPU with one thread; README.md says what each value is and how near to come.
"""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import peft
import torch
import transformers
from safetensors.torch import save_file
from transformers import MistralConfig, MistralForCausalLM

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "quantization"))
import blockwise  # noqa: E402

torch.manual_seed(20260102)
torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)

CONFIG = MistralConfig(
    vocab_size=97, hidden_size=32, intermediate_size=56, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, sliding_window=8, max_position_embeddings=64, rms_norm_eps=1e-5,
    rope_parameters={"rope_type": "default", "rope_theta": 10000.0}, tie_word_embeddings=False,
    bos_token_id=1, eos_token_id=2, pad_token_id=None, attn_implementation="eager",
)
BATCH, LENGTH = 3, 17
REAL_LENGTHS = [17, 12, 8]  # right padding
PROMPT_LENGTHS = [4, 3, 0]  # labels are -100 here
PAD = 2


def load(folder="model", **options):
    return MistralForCausalLM.from_pretrained(HERE / folder, attn_implementation="eager", **options).eval()


def random_model():
    """Every tensor random, norms too, so that no term can be forgotten unseen."""
    model = MistralForCausalLM(CONFIG)
    for name, p in model.named_parameters():
        with torch.no_grad():
            if "norm" in name:
                p.normal_(1.0, 0.2)
            elif "embed" in name or "lm_head" in name:
                p.normal_(0.0, 0.4)
            else:
                p.normal_(0.0, 0.25)
    return model.eval()


def batch():
    ids = torch.randint(3, 97, (BATCH, LENGTH))
    mask = torch.ones_like(ids)
    labels = ids.clone()
    for b in range(BATCH):
        ids[b, REAL_LENGTHS[b]:] = PAD
        mask[b, REAL_LENGTHS[b]:] = 0
        labels[b, : PROMPT_LENGTHS[b]] = -100
        labels[b, REAL_LENGTHS[b]:] = -100
    return dict(input_ids=ids, attention_mask=mask, labels=labels)


def decay_names(model):
    """What the Trainer of transformers decays: no bias and nothing of a norm."""
    return [n for n, _ in model.named_parameters() if "bias" not in n and "norm" not in n]


def train(model, data, steps=10):
    """Losses before each of `steps` AdamW steps on the same batch, and the gradient norms."""
    decay = set(decay_names(model))
    named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for n, p in named if n in decay], "weight_decay": 0.01},
            {"params": [p for n, p in named if n not in decay], "weight_decay": 0.0},
        ],
        lr=1e-3, betas=(0.9, 0.999), eps=1e-8,
    )
    losses, norms = [], []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = model(**data).loss
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_([p for _, p in named], float("inf")).item())
        optimizer.step()
        losses.append(loss.item())
    return losses, norms


def generate(model, prompts):
    """Greedy continuation of a left-padded batch; also the smallest lead of the best token over the second."""
    longest = max(map(len, prompts))
    ids = torch.tensor([[PAD] * (longest - len(p)) + p for p in prompts])
    mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts])
    out = model.generate(
        ids, attention_mask=mask, max_new_tokens=24, do_sample=False, pad_token_id=PAD, eos_token_id=None,
        return_dict_in_generate=True, output_scores=True,
    )
    lead = min((s.topk(2).values[:, 0] - s.topk(2).values[:, 1]).min().item() for s in out.scores)
    return {"newTokens": out.sequences[:, longest:].tolist(), "smallestLead": lead}


def linear_weights(model):
    return [n for n, _ in model.named_parameters() if n.endswith("_proj.weight")]


def quantized(model):
    """The same model with its linear weights as they are after 4 bits and double quantization."""
    with torch.no_grad():
        for name in linear_weights(model):
            p = model.get_parameter(name)
            p.copy_(torch.from_numpy(blockwise.round_trip(p.numpy(), "nf4", 64, double=True)))
    return model


def save_quantized(model):
    """The 4-bit checkpoint, by the names and in the layout that transformers and bitsandbytes write."""
    tensors = {n: p.detach().clone() for n, p in model.named_parameters() if not n.endswith("_proj.weight")}
    for name in linear_weights(model):
        weight = model.get_parameter(name).detach().numpy()
        codes, absmax = blockwise.quantize4(weight.ravel(), "nf4", 64)
        scale_codes, nested_absmax, offset = blockwise.quantize_scales(absmax)
        state = {"quant_type": "nf4", "blocksize": 64, "dtype": "float32", "shape": list(weight.shape),
                 "nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": float(offset)}
        parts = {"": blockwise.pack(codes)[:, None], ".absmax": scale_codes, ".quant_map": blockwise.nf4_code(),
                 ".nested_absmax": nested_absmax, ".nested_quant_map": blockwise.dynamic_code(),
                 ".quant_state.bitsandbytes__nf4": np.frombuffer(json.dumps(state).encode(), dtype=np.uint8).copy()}
        tensors.update({name + suffix: torch.from_numpy(v.copy()) for suffix, v in parts.items()})
    folder = HERE / "model-nf4"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((HERE / "model" / "config.json").read_text())
    config["quantization_config"] = {
        "_load_in_4bit": True, "_load_in_8bit": False, "bnb_4bit_compute_dtype": "float32",
        "bnb_4bit_quant_storage": "uint8", "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True,
        "llm_int8_enable_fp32_cpu_offload": False, "llm_int8_has_fp16_weight": False, "llm_int8_skip_modules": None,
        "llm_int8_threshold": 6.0, "load_in_4bit": True, "load_in_8bit": False, "quant_method": "bitsandbytes",
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def lora(model, seed):
    adapter = peft.get_peft_model(
        model, peft.LoraConfig(r=4, lora_alpha=8, lora_dropout=0.0, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"))
    generator = torch.Generator().manual_seed(seed)
    for n, p in adapter.named_parameters():
        if "lora_" in n:
            with torch.no_grad():
                p.copy_(torch.randn(p.shape, generator=generator) * 0.2)
    return adapter.eval()


def save_adapter(adapter):
    shutil.rmtree(HERE / "adapter", ignore_errors=True)
    adapter.save_pretrained(HERE / "adapter")
    (HERE / "adapter" / "README.md").unlink(missing_ok=True)  # only PEFT's template of a model card
    path = HERE / "adapter" / "adapter_config.json"
    saved = json.loads(path.read_text())
    saved["base_model_name_or_path"] = "mistral-golden"  # not the folder of whoever ran this script
    saved["target_modules"].sort()
    path.write_text(json.dumps(saved, indent=2) + "\n")


def lora_values(base, data, arrays, prefix, prompts):
    adapter = lora(base, seed=5)
    out = adapter(**data)
    out.loss.backward()
    arrays[f"{prefix}.logits"] = out.logits.detach()
    for n, p in adapter.named_parameters():
        if p.requires_grad:
            arrays[f"{prefix}.grad." + n.replace(".default", "")] = p.grad.clone()
    greedy = generate(adapter, prompts)
    loss = out.loss.item()
    if prefix == "lora":
        save_adapter(adapter)
    losses, norms = train(adapter, data)
    return {"r": 4, "alpha": 8, "loss": loss, "losses": losses, "gradNorms": norms, "greedy": greedy,
            "numTrainable": sum(p.numel() for p in adapter.parameters() if p.requires_grad)}


def main():
    model = random_model()
    shutil.rmtree(HERE / "model", ignore_errors=True)
    model.save_pretrained(HERE / "model")
    (HERE / "model" / "generation_config.json").unlink(missing_ok=True)
    save_quantized(model)

    data = batch()
    arrays = {}
    out = model(**data)
    out.loss.backward()
    arrays["logits"] = out.logits.detach()
    for n, p in model.named_parameters():
        arrays[f"grad.{n}"] = p.grad
    losses, norms = train(load(), data)
    unlimited = load(sliding_window=None)(**data).logits.detach()
    assert (unlimited - arrays["logits"]).abs().max() > 0.1  # the window matters at this length
    arrays["noWindow.logits"] = unlimited
    arrays["nf4.logits"] = quantized(load())(**data).logits.detach()

    # Prompts are drawn until no step of any greedy run is a near tie: rounding must not decide a token.
    while True:
        prompts = [torch.randint(3, 97, (n,)).tolist() for n in (5, 9, 3)]
        plain = generate(load(), prompts)
        on_nf4 = generate(lora(quantized(load()), 5), prompts)
        on_float = generate(lora(load(), 5), prompts)
        if min(g["smallestLead"] for g in (plain, on_nf4, on_float)) > 0.01:
            break
    golden = {
        "madeWith": {m.__name__: m.__version__ for m in (torch, transformers, peft)},
        "inputIds": data["input_ids"].tolist(),
        "attentionMask": data["attention_mask"].tolist(),
        "labels": data["labels"].tolist(),
        "loss": losses[0],
        "numParameters": sum(p.numel() for p in model.parameters()),
        "adamw": {"lr": 1e-3, "betas": [0.9, 0.999], "eps": 1e-8, "weightDecay": 0.01, "decayed": decay_names(model),
                  "losses": losses, "gradNorms": norms},
        "generation": {"padTokenId": PAD, "prompts": prompts, "greedy": plain},
        "lora": lora_values(load(), data, arrays, "lora", prompts),
        "nf4Lora": {"blockSize": 64, "doubleQuant": True,
                    **lora_values(quantized(load()), data, arrays, "nf4Lora", prompts)},
    }
    save_file({k: v.contiguous() for k, v in arrays.items()}, HERE / "golden.safetensors")
    (HERE / "golden.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")
    print("losses", losses, "\nlora", golden["lora"]["losses"], "\nnf4", golden["nf4Lora"]["losses"])
    print("logits std", arrays["logits"].std().item(), "leads", plain["smallestLead"], on_nf4["smallestLead"])


main()
