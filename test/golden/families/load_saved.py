"""Loads what tunebook saved of each family with transformers and PEFT, and compares it with the model that make.py fills:
every tensor and all logits bit for bit, config.json's fields by value.
Run: TUNEBOOK_PYTHON=python node .build/test/run.js families/saved (which writes FOLDER/CASE/{base,adapter,merged} and
FOLDER/names.json), or python load_saved.py FOLDER. (torch, transformers, peft.)

Prints a line per case: base's and adapter's largest difference in logits (expected 0), and the merged model's from
PEFT's merge_and_unload (float32 rounding of B A alone: 5e-7 in each weight, 1e-4 of the logits' size). Exits with 1 where it is more.
"""

import json
import sys
import tempfile
from pathlib import Path

import torch
from make import CASES, IDS, SIZES, fill, load, stored
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM

# Where a file came from, what computes it, and what is chosen at load: no part of the model.
NOT_THE_MODEL = {"_name_or_path", "transformers_version", "dtype", "architectures", "_attn_implementation", "use_cache"}


def read(folder):
    return AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()


def logits(model):
    with torch.no_grad():
        return model(input_ids=torch.tensor(IDS)).logits


def require_equal(what, got, wanted):
    assert got.keys() == wanted.keys(), (what, got.keys() ^ wanted.keys())
    for name, tensor in wanted.items():
        assert got[name].dtype == tensor.dtype and torch.equal(got[name], tensor), (what, name)


def facts(config):
    return {key: value for key, value in config.to_dict().items() if key not in NOT_THE_MODEL}


def as_read(config):
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "config.json").write_text(json.dumps(config))
        return AutoConfig.from_pretrained(folder)


def adapted(config):
    model = get_peft_model(load(config), LoraConfig(r=2, lora_alpha=4, target_modules="all-linear", task_type="CAUSAL_LM"))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.copy_(fill(stored(name), parameter.shape, 0.0, 0.25))
    return model.eval()


def check(folder: Path, config: dict) -> tuple[float, float, float]:
    wanted, base = load(config), read(folder / "base")
    require_equal("base", base.state_dict(), wanted.state_dict())
    got, expected = facts(AutoConfig.from_pretrained(folder / "base")), facts(as_read(config))
    assert got == expected, {key: (got.get(key), expected.get(key)) for key in got.keys() | expected.keys() if got.get(key) != expected.get(key)}
    base_off = (logits(base) - logits(wanted)).abs().max().item()

    ours, theirs = PeftModel.from_pretrained(read(folder / "base"), folder / "adapter").eval(), adapted(config)
    lora = lambda model: {name: tensor for name, tensor in model.state_dict().items() if "lora_" in name}
    require_equal("adapter", lora(ours), lora(theirs))
    theirs_logits = logits(theirs)
    adapter_off = (logits(ours) - theirs_logits).abs().max().item()

    merged, peft = read(folder / "merged"), theirs.merge_and_unload()
    assert merged.state_dict().keys() == peft.state_dict().keys()
    for name, tensor in peft.state_dict().items():
        assert (merged.state_dict()[name] - tensor).abs().max().item() <= 5e-7, name
    size = theirs_logits.square().mean().sqrt().item()
    merged_off = (logits(merged) - logits(peft)).abs().max().item() / size
    assert base_off == 0 and adapter_off == 0 and merged_off < 1e-4, (base_off, adapter_off, merged_off)
    return base_off, adapter_off, merged_off


if __name__ == "__main__":
    root, failed = Path(sys.argv[1]), 0
    for name, folder in json.loads((root / "names.json").read_text()).items():
        config = {**SIZES, **CASES[name]}
        if config["model_type"] == "gpt_neox":
            del config["num_key_value_heads"]
        try:
            print(f"{name}: base %g, adapter %g, merged %.1e" % check(root / folder, config), flush=True)
        except Exception as error:
            failed += 1
            print(f"{name}: WRONG {type(error).__name__} {str(error)[:600]}", flush=True)
    sys.exit(1 if failed else 0)
