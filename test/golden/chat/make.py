"""Golden ids of conversations: transformers' apply_chat_template over data/tokenizers/*, for several published kinds
of template, and what follows the prompt in each.

Run from the repository root with transformers installed:
    python test/golden/chat/make.py
Writes golden.json beside this file: templates, the tokens that each adds to its tokenizer, and for every answer the ids
of the whole conversation and of the prompt alone (add_generation_prompt). Compared for equality.
"""
import json
import shutil
import tempfile
from pathlib import Path

from transformers import AutoTokenizer

HERE = Path(__file__).parent
ROOT = HERE.parent.parent.parent

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
HEADERS = (
    "{{ bos_token }}{% for message in messages %}{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' "
    "+ message['content'] | trim + '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}"
)
ZEPHYR = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>\\n' + message['content'] + eos_token + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}"
)
TURNS = (
    "{{ bos_token }}{% for message in messages %}{% set role = 'model' if message['role'] == 'assistant' else message['role'] %}"
    "{{ '<start_of_turn>' + role + '\\n' + message['content'] | trim + '<end_of_turn>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}"
)
# Ends no turn, and thinks only where an answer is there.
OPEN = "{% for message in messages %}{{ message['role'] + ': ' + message['content'] + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
THINKS = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' }}{% if message['role'] == 'assistant' %}"
    "{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}{{ message['content'] + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
KINDS = {
    "chatml": ("gpt2", CHATML, ["<|im_start|>", "<|im_end|>"]),
    "chatml-mistral": ("mistral", CHATML, ["<|im_start|>", "<|im_end|>"]),
    "headers": ("gpt2", HEADERS, ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]),
    "zephyr": ("mistral", ZEPHYR, []),
    "turns": ("mistral", TURNS, ["<start_of_turn>", "<end_of_turn>"]),
    "own": ("mistral", None, []),
    "thinks": ("gpt2", THINKS, ["<|im_start|>", "<|im_end|>"]),
    "open": ("gpt2", OPEN, []),
}
ANSWERS = ["Good.", "You were fast.\n- ski\n- row", "1", "é 🙂 ñ", "'s", "a b  c"]


def with_tokens(name, tokens, folder):
    """The tokenizer with further special tokens, after its last id."""
    shutil.copytree(ROOT / "data" / "tokenizers" / name, folder)
    file = folder / "tokenizer.json"
    data = json.loads(file.read_text())
    last = max([*data["model"]["vocab"].values(), *(t["id"] for t in data["added_tokens"])])
    for i, content in enumerate(tokens):
        data["added_tokens"].append(
            dict(id=last + 1 + i, content=content, single_word=False, lstrip=False, rstrip=False, normalized=False, special=True)
        )
    file.write_text(json.dumps(data))
    return AutoTokenizer.from_pretrained(folder)


def main():
    out = {}
    with tempfile.TemporaryDirectory() as scratch:
        for kind, (name, template, tokens) in KINDS.items():
            tokenizer = with_tokens(name, tokens, Path(scratch) / kind)
            user = [{"role": "user", "content": "How was it?\n\ntime: 61"}]
            shared = {"tokenize": True, "return_dict": False}
            if template is not None:
                shared["chat_template"] = template
            prompt = tokenizer.apply_chat_template(user, add_generation_prompt=True, **shared)
            rows = [
                {"answer": answer, "ids": tokenizer.apply_chat_template(
                    [*user, {"role": "assistant", "content": answer}], add_generation_prompt=False, **shared)}
                for answer in ANSWERS
            ]
            out[kind] = {"tokenizer": name, "template": template, "tokens": tokens, "prompt": prompt, "rows": rows}
    (HERE / "golden.json").write_text(json.dumps(out, ensure_ascii=False) + "\n")
    for kind, one in out.items():
        kept = sum(row["ids"][: len(one["prompt"])] == one["prompt"] for row in one["rows"])
        print(kind, len(one["prompt"]), "prompt ids; a prefix of", kept, "of", len(one["rows"]))


main()
