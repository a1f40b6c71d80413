"""Makes the golden values of GPT-2: a tiny random model as Hugging Face transformers saves it, and what
PyTorch computes with it. Run: python make.py (torch, transformers, peft, safetensors). Nothing is downloaded.

Everything is float32 on the CPU with one thread; README.md says what each value is and how near to come.
"""

import json
import shutil
from pathlib import Path

import peft
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import GPT2Config, GPT2LMHeadModel
from transformers.trainer_pt_utils import get_parameter_names

HERE = Path(__file__).parent
torch.manual_seed(20260101)
torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)

CONFIG = GPT2Config(
    vocab_size=97, n_positions=64, n_embd=32, n_layer=3, n_head=4,
    resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
    bos_token_id=95, eos_token_id=96, attn_implementation="eager",
)
BATCH, LENGTH = 3, 17
REAL_LENGTHS = [17, 12, 8]  # right padding
PROMPT_LENGTHS = [4, 3, 0]  # labels are -100 here
PAD = 96


def random_model():
    """Every tensor random, biases and LayerNorms too, so that no term can be forgotten unseen."""
    model = GPT2LMHeadModel(CONFIG)
    for name, p in model.named_parameters():
        with torch.no_grad():
            if ".ln_" in name and name.endswith("weight"):
                p.normal_(1.0, 0.2)
            elif name.endswith("bias"):
                p.normal_(0.0, 0.1)
            elif "wte" in name or "wpe" in name:
                p.normal_(0.0, 0.3)
            else:
                p.normal_(0.0, 0.2)
    return model.eval()


def batch():
    ids = torch.randint(0, 95, (BATCH, LENGTH))
    mask = torch.ones_like(ids)
    labels = ids.clone()
    for b in range(BATCH):
        ids[b, REAL_LENGTHS[b]:] = PAD
        mask[b, REAL_LENGTHS[b]:] = 0
        labels[b, : PROMPT_LENGTHS[b]] = -100
        labels[b, REAL_LENGTHS[b]:] = -100
    return dict(input_ids=ids, attention_mask=mask, labels=labels)


def decay_names(model):
    """The names that the Trainer of transformers decays: no bias and nothing of a LayerNorm."""
    names = get_parameter_names(model, [torch.nn.LayerNorm])
    own = {n for n, _ in model.named_parameters()}  # leaves out the tied head
    return [n for n in names if "bias" not in n and n in own]


def train(model, data, max_grad_norm=None, steps=10):
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
        norms.append(torch.nn.utils.clip_grad_norm_([p for _, p in named], max_grad_norm or float("inf")).item())
        optimizer.step()
        losses.append(loss.item())
    return losses, norms


def summary(model):
    """Ten steps on, a fingerprint of each tensor: sum, L2 norm and eight values spread over it."""
    out = {}
    for n, p in model.named_parameters():
        flat = p.detach().flatten()
        at = torch.linspace(0, flat.numel() - 1, 8).long().tolist()
        out[n] = {
            "sum": flat.double().sum().item(), "norm": flat.double().norm().item(),
            "at": at, "values": [flat[i].item() for i in at],
        }
    return out


def generate(model, prompts, **options):
    """Greedy continuation of a left-padded batch; also the smallest lead of the best token over the second."""
    longest = max(map(len, prompts))
    ids = torch.tensor([[PAD] * (longest - len(p)) + p for p in prompts])
    mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts])
    out = model.generate(
        ids, attention_mask=mask, max_new_tokens=24, do_sample=False, pad_token_id=PAD, eos_token_id=None,
        return_dict_in_generate=True, output_scores=True, **options,
    )
    lead = min((s.topk(2).values[:, 0] - s.topk(2).values[:, 1]).min().item() for s in out.scores)
    return {"newTokens": out.sequences[:, longest:].tolist(), "smallestLead": lead}


def lora(model):
    adapter = peft.get_peft_model(
        model,
        peft.LoraConfig(r=4, lora_alpha=8, lora_dropout=0.0, target_modules=["c_attn"], fan_in_fan_out=True,
                        task_type="CAUSAL_LM"),
    )
    for n, p in adapter.named_parameters():
        if "lora_" in n:
            with torch.no_grad():
                p.normal_(0.0, 0.2)
    return adapter.eval()


def main():
    model = random_model()
    shutil.rmtree(HERE / "model", ignore_errors=True)
    model.save_pretrained(HERE / "model")
    (HERE / "model" / "generation_config.json").unlink(missing_ok=True)
    fresh = lambda: GPT2LMHeadModel.from_pretrained(HERE / "model", attn_implementation="eager").eval()

    data = batch()
    arrays = {}
    out = model(**data)
    out.loss.backward()
    arrays["logits"] = out.logits.detach()
    for n, p in model.named_parameters():
        arrays[f"grad.{n}"] = p.grad
    # Positions past the batch have no gradient; kept short to keep the folder small.
    assert arrays["grad.transformer.wpe.weight"][LENGTH:].abs().max() == 0
    arrays["grad.transformer.wpe.weight"] = arrays["grad.transformer.wpe.weight"][:LENGTH].clone()

    trained = fresh()
    losses, norms = train(trained, data)
    clipped = fresh()
    clipped_losses, _ = train(clipped, data, max_grad_norm=0.5)

    adapter = lora(fresh())
    shutil.rmtree(HERE / "adapter", ignore_errors=True)
    adapter.save_pretrained(HERE / "adapter")
    (HERE / "adapter" / "README.md").unlink(missing_ok=True)  # only PEFT's template of a model card
    config_path = HERE / "adapter" / "adapter_config.json"
    saved = json.loads(config_path.read_text())
    saved["base_model_name_or_path"] = "gpt2-golden"  # not the folder of whoever ran this script
    config_path.write_text(json.dumps(saved, indent=2) + "\n")
    out = adapter(**data)
    out.loss.backward()
    arrays["lora.logits"] = out.logits.detach()
    for n, p in adapter.named_parameters():
        if p.requires_grad:
            arrays["lora.grad." + n.replace(".default", "")] = p.grad.clone()
    lora_loss = out.loss.item()
    # Prompts are drawn until no step of any greedy run is a near tie: rounding must not decide a token.
    while True:
        prompts = [torch.randint(0, 95, (n,)).tolist() for n in (5, 9, 3)]
        plain = generate(fresh(), prompts)
        penalised = generate(fresh(), prompts, repetition_penalty=1.3)
        lora_generated = generate(adapter, prompts)
        if min(g["smallestLead"] for g in (plain, penalised, lora_generated)) > 0.01:
            break
    lora_losses, lora_norms = train(adapter, data)

    save_file({k: v.contiguous() for k, v in arrays.items()}, HERE / "golden.safetensors")
    golden = {
        "madeWith": {m.__name__: m.__version__ for m in (torch, transformers, peft)},
        "inputIds": data["input_ids"].tolist(),
        "attentionMask": data["attention_mask"].tolist(),
        "labels": data["labels"].tolist(),
        "loss": losses[0],
        "numParameters": sum(p.numel() for p in model.parameters()),
        "adamw": {
            "lr": 1e-3, "betas": [0.9, 0.999], "eps": 1e-8, "weightDecay": 0.01,
            "decayed": decay_names(model), "losses": losses, "gradNorms": norms, "finalWeights": summary(trained),
        },
        "adamwClipped": {"maxGradNorm": 0.5, "losses": clipped_losses},
        "generation": {"padTokenId": PAD, "prompts": prompts, "greedy": plain,
                       "repetitionPenalty": {"penalty": 1.3, **penalised}},
        "lora": {
            "r": 4, "alpha": 8, "loss": lora_loss, "losses": lora_losses, "gradNorms": lora_norms,
            "greedy": lora_generated,
            "numTrainable": sum(p.numel() for p in adapter.parameters() if p.requires_grad),
        },
    }
    (HERE / "golden.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")
    print("losses", losses, "\nclipped", clipped_losses, "\nlora", lora_losses)
    print("logits std", arrays["logits"].std().item(), "leads", plain["smallestLead"], penalised["smallestLead"],
          lora_generated["smallestLead"])


main()
