"""Makes the golden values of the variants of LoRA that PEFT has, on the tiny models of ../gpt2 and ../mistral.

Run: python make.py (torch, transformers, peft, safetensors), after the scripts of those folders. For each variant: the
adapter as PEFT saves it, in a folder of its name; in golden.safetensors `<variant>.logits` and
`<variant>.grad.<PEFT name>` (in float32, come within 1e-4 and 1e-3 relative); in golden.json the loss, the number of
trainable parameters, three AdamW losses (lr 1e-3, no decay; within 1e-3) and what print_trainable_parameters prints.
The batch is that of the base model's golden.json.
"""

import contextlib
import io
import json
import re
import shutil
from pathlib import Path

import peft
import torch
import transformers
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

HERE = Path(__file__).parent
torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)

GPT2 = dict(r=4, lora_alpha=8, target_modules=["c_attn"], fan_in_fan_out=True)
MISTRAL = dict(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"])
VARIANTS = {
    "gpt2-rslora": ("gpt2", {**GPT2, "use_rslora": True}),
    "gpt2-dora": ("gpt2", {**GPT2, "use_dora": True}),
    "gpt2-bias-all": ("gpt2", {**GPT2, "bias": "all"}),
    "gpt2-bias-lora-only": ("gpt2", {**GPT2, "bias": "lora_only"}),
    "gpt2-several": ("gpt2", {**GPT2, "target_modules": ["c_attn", "c_proj", "c_fc"], "layers_to_transform": [0, 2]}),
    "mistral-rslora": ("mistral", {**MISTRAL, "use_rslora": True}),
    "mistral-dora": ("mistral", {**MISTRAL, "use_dora": True}),
    "mistral-pattern": ("mistral", {**MISTRAL, "target_modules": r".*layers\.1\..*(gate|up|down)_proj"}),
    "mistral-modules-to-save": ("mistral", {**MISTRAL, "modules_to_save": ["lm_head"]}),
}


def plain(name):
    """The name that a saved adapter has for a trainable parameter."""
    name = name.replace(".default", "").replace(".modules_to_save", "")
    return name.replace("lora_magnitude_vector.weight", "lora_magnitude_vector")


def make(variant, base, options, arrays, vocabulary=None):
    torch.manual_seed(len(variant))
    golden = json.loads((HERE.parent / base / "golden.json").read_text())
    data = {"input_ids": golden["inputIds"], "attention_mask": golden["attentionMask"], "labels": golden["labels"]}
    data = {k: torch.tensor(v) for k, v in data.items()}
    model = AutoModelForCausalLM.from_pretrained(HERE.parent / base / "model", attn_implementation="eager")
    if vocabulary is not None:
        model.resize_token_embeddings(vocabulary)
    model = peft.get_peft_model(model, peft.LoraConfig(lora_dropout=0.0, task_type="CAUSAL_LM", **options)).eval()
    for name, p in model.named_parameters():
        if p.requires_grad:
            with torch.no_grad():
                if re.search(r"lora_(embedding_)?[AB]\.", name):
                    p.normal_(0.0, 0.2)
                else:
                    p.mul_(1 + 0.1 * torch.randn_like(p))
    folder = HERE / variant
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)  # only PEFT's template of a model card
    path = folder / "adapter_config.json"
    saved = json.loads(path.read_text())
    saved["base_model_name_or_path"] = f"{base}-golden"  # not the folder of whoever ran this script
    if isinstance(saved["target_modules"], list):
        saved["target_modules"].sort()
    path.write_text(json.dumps(saved, indent=2) + "\n")

    out = model(**data)
    out.loss.backward()
    arrays[f"{variant}.logits"] = out.logits.detach()
    trainable = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    for name, p in trainable:
        # Gradients of whole tables would fill the file; sixteen rows of 97 will do.
        is_table = re.search(r"(lm_head|wte|embed_tokens)\.modules_to_save", name)
        arrays[f"{variant}.grad.{plain(name)}"] = p.grad[:16].clone() if is_table else p.grad.clone()
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        model.print_trainable_parameters()
    optimizer = torch.optim.AdamW([p for _, p in trainable], lr=1e-3, weight_decay=0.0)
    losses = []
    for _ in range(3):
        optimizer.zero_grad()
        loss = model(**data).loss
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"base": base, "loss": losses[0], "losses": losses, "printed": printed.getvalue().strip(),
            "numTrainable": sum(p.numel() for _, p in trainable)}


def write(name, golden, arrays):
    save_file({k: v.contiguous() for k, v in arrays.items()}, HERE / f"{name}.safetensors")
    made_with = {m.__name__: m.__version__ for m in (torch, transformers, peft)}
    (HERE / f"{name}.json").write_text(json.dumps({"madeWith": made_with, "variants": golden}, indent=1) + "\n")


if __name__ == "__main__":
    arrays = {}
    golden = {name: make(name, base, options, arrays) for name, (base, options) in VARIANTS.items()}
    write("golden", golden, arrays)
