"""Golden ids and labels of conversations: TRL's SFT path over templates of the forms that models have.

Run from the repository root with transformers and trl 1.13 installed:
    python test/golden/conversations/make.py
Writes golden.json beside this file: the templates (ours, in templates/), the special tokens that each adds to a tokenizer of
data/tokenizers, and for every conversation the ids and the mask of the assistant's tokens (`return_assistant_tokens_mask`), as
`SFTTrainer` with `assistant_only_loss` gets them; for the records with a prompt and a completion the ids and the length of
the prompt. Compared for equality. Or, for TRL's own training templates, which stay where they are installed:
    python test/golden/conversations/make.py OUT.json
    TUNEBOOK_CONVERSATIONS=OUT.json node .build/test/run.js dataset/conversations
"""
import json
import shutil
import sys
import tempfile
from pathlib import Path

import transformers
import trl
from transformers import AutoTokenizer

transformers.logging.set_verbosity_error()
HERE = Path(__file__).parent
ROOT = HERE.parent.parent.parent
THEIRS = len(sys.argv) > 1
TEMPLATES = Path(trl.__file__).parent / "chat_templates" if THEIRS else HERE / "templates"
OUT = Path(sys.argv[1]) if THEIRS else HERE / "golden.json"

GEMMA4 = ["<|turn>", "<turn|>", "<|tool>", "<tool|>", "<|tool_call>", "<tool_call|>", "<|tool_response>", "<tool_response|>", '<|"|>', "<|channel>", "<channel|>"]
CHATML = ["<|im_start|>", "<|im_end|>", "<think>", "</think>"]
# (tokenizer, our template, TRL's, special tokens)
KINDS = {
    "qwen3": ("gpt2", "thinking", "qwen3_training", CHATML),
    "qwen2.5": ("gpt2", "plain", "qwen2_5_training", CHATML),
    "gemma3": ("mistral", "alternating", "gemma3_training", ["<start_of_turn>", "<end_of_turn>"]),
    "llama3": ("gpt2", "headers", "llama3_training", ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]),
    # Its role tokens are no tokens here, so letters of the text and of the template merge, as on a tokenizer of another model.
    "phi3": ("gpt2", "letters", "phi3_training", []),
}
if THEIRS:  # all the others that TRL has; most role tokens are text to this tokenizer
    named = {theirs for _, _, theirs, _ in KINDS.values()}
    for file in sorted(TEMPLATES.glob("*_training.jinja")):
        if file.stem not in named:
            KINDS[file.stem] = ("gpt2", None, file.stem, CHATML + GEMMA4)
# Not marked: ids alone, and the prompt of the last answer.
PLAIN = {"qwen3 as published": ("gpt2", "forgetting", "qwen3", CHATML)}


def user(content):
    return {"role": "user", "content": content}


def answer(content, **more):
    return {"role": "assistant", "content": content, **more}


def system(content):
    return {"role": "system", "content": content}


def call(name, **arguments):
    return {"type": "function", "function": {"name": name, "arguments": arguments}}


TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "split_time",
            "description": "The time of a station.",
            "parameters": {
                "type": "object",
                "properties": {"station": {"type": "string"}},
                "required": ["station"],
            },
        },
    }
]
CHATS = {
    "one": [user("How was it?"), answer("Good.")],
    "multi": [
        system("Be short."),
        user(" Hi \n"),
        answer("Hello  "),
        user("How was it?\n\n"),
        answer("\n\nGood.\n- a\n- b"),
    ],
    "three": [user("a"), answer("b"), user("c"), answer("d"), user("e"), answer("f 🙂 é")],
    "think": [
        user("a"),
        answer("<think>\nhm\n</think>\n\nb"),
        user("c"),
        answer("<think>\nso\n</think>\n\nd"),
    ],
    "code": [user("code?"), answer("```js\nlet x = 1;\n```\n")],
    "space": [user("x"), answer("  lead"), user("y"), answer("z   ")],
    "long": [user("w " * 50), answer("r " * 60), user("z"), answer("é" * 20)],
    "ends with the user": [user("a"), answer("b"), user("c")],
    "tools": [
        user("How was the row?"),
        answer("", tool_calls=[call("split_time", station="row")]),
        {"role": "tool", "content": "4:31"},
        answer("4:31, your best."),
    ],
}


def tokenizer_of(name, tokens, folder):
    """The tokenizer with further special tokens, after its last id."""
    shutil.copytree(ROOT / "data" / "tokenizers" / name, folder)
    file = folder / "tokenizer.json"
    data = json.loads(file.read_text())
    last = max([*data["model"]["vocab"].values(), *(token["id"] for token in data["added_tokens"])])
    for i, content in enumerate(tokens):
        flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
        data["added_tokens"].append({"id": last + 1 + i, "content": content, **flags})
    file.write_text(json.dumps(data))
    return AutoTokenizer.from_pretrained(folder)


golden = {"versions": {"trl": trl.__version__, "transformers": transformers.__version__}, "tools": TOOLS, "chats": CHATS, "kinds": {}}
for kind, (name, ours, theirs, tokens) in {**KINDS, **PLAIN}.items():
    text = (TEMPLATES / f"{theirs if THEIRS else ours}.jinja").read_text()
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = tokenizer_of(name, tokens, Path(folder) / "tokenizer")
        for chat, messages in CHATS.items():
            options = {"chat_template": text, "tokenize": True, "return_dict": True}
            if chat == "tools":
                options["tools"] = TOOLS
            try:
                given = tokenizer.apply_chat_template(
                    messages, return_assistant_tokens_mask=kind in KINDS, **options
                )
            except Exception as error:  # the template refuses it
                rows[chat] = {"refused": str(error)[:80]}
                continue
            rows[chat] = {"ids": list(given["input_ids"])}
            if kind in KINDS:
                rows[chat]["mask"] = "".join(map(str, given["assistant_masks"]))
            if messages[-1]["role"] == "assistant":
                prompt = tokenizer.apply_chat_template(messages[:-1], add_generation_prompt=True, **options)
                rows[chat]["prompt"] = list(prompt["input_ids"])
    golden["kinds"][kind] = {"tokenizer": name, "tokens": tokens, "template": text, "rows": rows}

OUT.write_text(json.dumps(golden, ensure_ascii=False, indent=1) + "\n")
print({kind: [k for k, r in one["rows"].items() if "refused" in r] for kind, one in golden["kinds"].items()})
