"""Golden prompts: transformers' apply_chat_template with the chat templates that tunebook saves, over data/tokenizers/*.

Run from the repository root with transformers installed, after cases.ts has written cases.json:
    python test/golden/prompt/make.py
Writes golden.json beside this file: the text and the ids of each conversation. Compared for equality.
"""
import json
from pathlib import Path

from transformers import AutoTokenizer

HERE = Path(__file__).parent
ROOT = HERE.parent.parent.parent

golden = []
for case in json.loads((HERE / "cases.json").read_text()):
    tokenizer = AutoTokenizer.from_pretrained(ROOT / "data" / "tokenizers" / case["tokenizer"])
    tokenizer.chat_template = case["jinja"]
    rows = []
    for turns in case["conversations"]:
        text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        ids = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=False)
        rows.append({"text": text, "ids": ids})
    golden.append({"name": case["name"], "rows": rows})
(HERE / "golden.json").write_text(json.dumps(golden, ensure_ascii=False, indent=1) + "\n")
