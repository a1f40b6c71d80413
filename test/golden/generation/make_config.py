"""Golden tokens of models that bring a generation_config.json: what transformers' generate() gives with no argument but
the prompt. Run: python make_config.py (torch, transformers). Greedy, so tokens are compared for equality.
Writes golden-config.json: for each file its content, config.json's eos_token_id, and the whole sequence.
"""

import json
import shutil
import tempfile
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

HERE = Path(__file__).parent
PROMPT = [5, 17, 33, 8]

torch.manual_seed(0)
torch.set_num_threads(1)


def sequence(scratch, name, generation_config):
    folder = Path(scratch) / name
    shutil.copytree(HERE.parent / "mistral" / "model", folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    if generation_config is not None:
        (folder / "generation_config.json").write_text(json.dumps(generation_config))
    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()
    ids = torch.tensor([PROMPT])
    return model.generate(ids, attention_mask=torch.ones_like(ids))[0].tolist()


with tempfile.TemporaryDirectory() as scratch:
    free = sequence(scratch, "free", {"max_new_tokens": 24, "eos_token_id": None, "pad_token_id": 0})
    new = free[len(PROMPT):]
    late = new[9]  # a token that ends the row somewhere in the middle
    files = {
        "none": None,
        "max_new_tokens": {"max_new_tokens": 7, "pad_token_id": 0},
        "max_length": {"max_length": 15, "pad_token_id": 0},
        "eos": {"max_new_tokens": 24, "eos_token_id": late, "pad_token_id": 0},
        "eos_list": {"max_new_tokens": 24, "eos_token_id": [2, new[4], late], "pad_token_id": 0},
        "min_new_tokens": {"max_new_tokens": 24, "min_new_tokens": 12, "eos_token_id": [new[2], late], "pad_token_id": 0},
        "min_length": {"max_length": 28, "min_length": 14, "eos_token_id": [new[2], late], "pad_token_id": 0},
        "repetition_penalty": {"max_new_tokens": 24, "repetition_penalty": 1.7, "pad_token_id": 0},
        "greedy_with_sampling_fields": {
            "max_new_tokens": 12, "do_sample": False, "temperature": 0.3, "top_k": 4, "top_p": 0.5, "pad_token_id": 0,
        },
        "neutral": {
            "max_new_tokens": 12, "num_beams": 1, "no_repeat_ngram_size": 0, "typical_p": 1.0, "length_penalty": 2.0,
            "bad_words_ids": None, "pad_token_id": 0, "transformers_version": "5.18.0", "use_cache": True,
        },
    }
    cases = {name: {"file": file, "sequence": sequence(scratch, name, file)} for name, file in files.items()}
(HERE / "golden-config.json").write_text(json.dumps({"prompt": PROMPT, "cases": cases}) + "\n")
for name, case in cases.items():
    print(name, case["sequence"])
