"""Golden values where the JavaScript libraries do otherwise than Hugging Face: clean-up of spaces, added tokens that are
whole words, byte fallback, and Python's strip in chat templates.

Run from the repository root with tokenizers and transformers installed:
    python test/golden/tokenizer/make_library_fixes.py
Writes byte-level/ and byte-fallback/ (two small trained tokenizers) and golden-library-fixes.json beside this file.
"""
import json
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import AutoTokenizer

HERE = Path(__file__).parent
CORPUS = [
    "The runner finished in 01:23:45. She wasn't tired, was she? No , not at all !",
    "I 've seen it 's done , they 're here .", "sled push and sled pull, wall balls and lunges",
] * 20
WORDS = [  # flags: single_word, lstrip, rstrip
    ("sled", True, False, False), ("<pad>", False, False, False), ("<mask>", False, True, False),
    ("[x]", True, True, True), ("nés", True, False, False),
]
TEXTS = [
    "sled", "a sled", "sleds", "bobsled", "bob sled push", "sled-push", "sled_push", "sledésled", "sled sled", "sledsled",
    "<pad>sled", "sled<pad>sleds", "né nés né", "a[x]b", "a [x] b", "[x][x]", "  <mask> x", "sled\u0301", "1sled", "(sled)",
    "The run , was it fast ? No !", "I 've n't it 's .", "x\ufeffy \ufeff", "é🙂", "", " ",
]


def with_words(tokenizer, words=WORDS):
    tokenizer.add_special_tokens([AddedToken("<s>", special=True), AddedToken("</s>", special=True)])
    tokenizer.add_tokens([
        AddedToken(text, single_word=single, lstrip=left, rstrip=right, normalized=False) for text, single, left, right in words
    ])
    return tokenizer


def byte_level():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet, show_progress=False))
    # Rust reads an added token's letters as bytes where all of them could be: no word with such a letter here.
    return with_words(tokenizer, WORDS[:-1])


def byte_fallback():
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    special = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256))]
    tokenizer.train_from_iterator(
        [text.replace(" ", "▁") for text in CORPUS], trainers.BpeTrainer(vocab_size=340, special_tokens=special, show_progress=False)
    )
    data = json.loads(tokenizer.to_str())
    data["added_tokens"] = [token for token in data["added_tokens"] if token["content"] == "<unk>"]
    return with_words(Tokenizer.from_str(json.dumps(data)))


def save(name, tokenizer, **config):
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    settings = dict(tokenizer_class="PreTrainedTokenizerFast", bos_token="<s>", eos_token="</s>", **config)
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")
    return AutoTokenizer.from_pretrained(folder)


def ids_of(loaded):
    vocabulary = loaded.get_vocab()
    byte = {value: vocabulary.get(f"<0x{value:02X}>") for value in range(256)}
    runs = [
        [0xEF, 0xBB, 0xBF], [0xEF, 0xBB], [0xE2, 0x82], [0xC3, 0xA9], [0xC3, 0xA9, 0xFF], [0x41, 0xC3], [0xF0, 0x9F, 0x99, 0x82],
        [0xEF, 0xBB, 0xBF, 0x41],
    ]
    return [[byte[value] for value in run] for run in runs] if byte[0] is not None else []


def cases(loaded):
    rows = [dict(text=text, ids=loaded(text, add_special_tokens=False)["input_ids"]) for text in TEXTS]
    for row in rows:
        row["decoded"] = loaded.decode(row["ids"])
    decoded = [dict(ids=ids, text=loaded.decode(ids)) for ids in [*ids_of(loaded), *([*ids, 300] for ids in ids_of(loaded))]]
    return dict(rows=rows, decoded=decoded)


SPACES = "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2003\u2028\u2029\u202f\u205f\u3000"
STRIP_CONTENTS = [
    "\n  x  \n", "    return x\n", "xxaxx", "", "\n\n", "</think>\n\n  b", "<think>\nhm\n</think>\n\n    indented\n", f"{SPACES}a{SPACES}",
    "\ufeffa\ufeff", "é🙂 é", "-+-a-+-", "\u200ba\u200b",
]
STRIP_TEMPLATES = [
    "{% for m in messages %}[{{ m.content.strip() }}][{{ m.content.lstrip() }}][{{ m.content.rstrip() }}]{% endfor %}",
    "{% for m in messages %}[{{ m.content.strip('\\n') }}][{{ m.content.lstrip('\\n') }}][{{ m['content'].rstrip('\\n') }}]{% endfor %}",
    "{% for m in messages %}[{{ m.content.strip('x-+é') }}][{{ m.content | trim }}][{{ m.content | trim('-+') }}][{{ m.content | trim(chars='x') }}]{% endfor %}",
    "{% for m in messages %}[{{ m.content.split('</think>')[-1].lstrip('\\n') }}][{{ (m.content + 'x').rstrip('x').strip('\\n').lstrip() }}]{% endfor %}",
    "{% for m in messages %}{% set c = m.content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') if '</think>' in m.content else '' %}[{{ c }}]{% endfor %}",
    "{% macro show(t, n=2) %}{{ t.strip('\\n') * 1 if false else t.strip('\\n') }}{% endmacro %}{% for m in messages %}{% if m.content.strip() %}{{ show(m.content) }}{% else %}-{% endif %}{% endfor %}",
    "{{ true | trim }}|{{ 3 | trim }}",
]


def main():
    level = save("byte-level", byte_level(), clean_up_tokenization_spaces=True)
    fallback = save("byte-fallback", byte_fallback())
    messages = [dict(role="user", content=content) for content in STRIP_CONTENTS]
    strips = [
        dict(template=template, text=level.apply_chat_template(messages, chat_template=template, tokenize=False))
        for template in STRIP_TEMPLATES
    ]
    golden = {"byte-level": cases(level), "byte-fallback": cases(fallback), "messages": messages, "strips": strips}
    (HERE / "golden-library-fixes.json").write_text(json.dumps(golden) + "\n")
    for name in ("byte-level", "byte-fallback"):
        print(name, len(golden[name]["rows"]), "texts,", len(golden[name]["decoded"]), "runs of bytes")
    print(strips[-1]["text"], strips[4]["text"][:80])


main()
