"""Golden token ids from Hugging Face tokenizers (Rust) on data/tokenizers/*/tokenizer.json.

Run from the repository root with tokenizers, transformers and jinja2 installed:
    python test/golden/tokenizer/make.py
Writes golden.json beside this file: texts, and for each tokenizer the ids with and without special tokens,
the decoded text, and one rendered chat. The texts are fixed or drawn from a seeded generator.
"""
import json
import random
from pathlib import Path

import tokenizers
import transformers

HERE = Path(__file__).parent
ROOT = HERE.parent.parent.parent

TEXTS = [
    "",
    " ",
    "\n",
    "  \n\t  \n",
    "Hello world",
    " Hello  world ",
    "I'll say it's what they've done, we're sure I'd. I'M SHOUTING, THEY'LL.",
    "You performed slower than expected by more than 3 minutes.",
    "You outperformed the model’s prediction significantly — great job!",
    "gender: 0, age: 16-24, total_time: 3407, predicted: 3010, residual: -397, cluster: 4",
    "### Instruction:\nx\n\n### Input:\ny\n\n### Context:\nz\n\n### Response:\n",
    "El corredor mejoró su tiempo en ¡veintitrés minutos! ¿Cuánto pesa el trineo? Ñandú, pingüino, acción.",
    "Se tarda 1:02:33 en completar la prueba; mañana será más rápido.",
    "😀 🏃‍♀️💨 👩🏽‍🚀 🇪🇸 ❤️ ½ ²",
    "日本語のテキスト、中文文本，한국어 العربية עברית हिन्दी ไทย",
    "for (let i = 0; i < n; i++) {\n\treturn x[i] !== null && `${y}` ? 0x1F : 1e-5;\n}\r\n",
    "def f(x):\n    return {'a': x ** 2}  # comment\n\n\n    pass",
    "a" * 300,
    "1234567890 3.14159 1,000,000 ٣٤٥ Ⅷ",
    "\ufffd\ufffdA",
    "tab\tnul\x00bell\x07del\x7f",
    "no\u00a0break\u2003em\u3000ideographic\u2028line\u0085next",
    "zero\u200bwidth \ufeffbom\ufeff \u180emongol",
    "e\u0301 vs \u00e9, \u1e9b\u0323, ﬁ",
    "before <|endoftext|> after",
    "<|endoftext|><|endoftext|>",
    "<s>[INST] question [/INST] answer</s> <unk>",
    "< s> </ s> <|endoftext| >",
    "▁already▁marked ▁",
    "<0x41><0xFF>",
    "\U0001F600\U00010348\U000E0041",
]


def drawn(count):
    """Strings that mix scripts, spaces and symbols, from a seeded generator."""
    rng = random.Random(42)
    ranges = [(0x20, 0x7E)] * 6 + [(0xA1, 0x24F), (0x370, 0x3FF), (0x400, 0x4FF), (0x4E00, 0x4F00), (0x1F600, 0x1F64F)]
    spaces = [" ", "  ", "\n", "\t", " \n", "'s", "'ll"]
    texts = []
    for _ in range(count):
        parts = []
        for _ in range(rng.randint(1, 24)):
            if rng.random() < 0.3:
                parts.append(rng.choice(spaces))
            low, high = rng.choice(ranges)
            parts.append("".join(chr(rng.randint(low, high)) for _ in range(rng.randint(1, 5))))
        texts.append("".join(parts))
    return texts


CHAT = [
    {"role": "user", "content": "How fast was I?"},
    {"role": "assistant", "content": "You were fast."},
    {"role": "user", "content": "¿Seguro? 😀"},
]


def main():
    texts = TEXTS + drawn(100)
    golden = {"tokenizers": tokenizers.__version__, "transformers": transformers.__version__, "texts": texts}
    for name in ["gpt2", "mistral"]:
        tokenizer = tokenizers.Tokenizer.from_file(str(ROOT / "data" / "tokenizers" / name / "tokenizer.json"))
        plain = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
        golden[name] = {
            "ids": plain,
            "idsWithSpecial": [tokenizer.encode(text).ids for text in texts],
            "decoded": [tokenizer.decode(ids, skip_special_tokens=False) for ids in plain],
            "decodedSkipped": [tokenizer.decode(ids, skip_special_tokens=True) for ids in plain],
        }
    fast = transformers.AutoTokenizer.from_pretrained(ROOT / "data" / "tokenizers" / "mistral")
    system = [{"role": "system", "content": "Be brief."}] + CHAT
    golden["chat"] = [
        {
            "messages": messages,
            "text": fast.apply_chat_template(messages, tokenize=False),
            "ids": list(fast.apply_chat_template(messages, tokenize=True, return_dict=False)),
        }
        for messages in (CHAT, CHAT[:1], system)
    ]
    (HERE / "golden.json").write_text(json.dumps(golden, ensure_ascii=True) + "\n")
    print(len(texts), "texts")


main()
