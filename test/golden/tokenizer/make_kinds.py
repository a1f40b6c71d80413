"""Golden values for the kinds of parts in tokenizer.json: pre-tokenizers, normalizers, decoders, models, added tokens.

Run from the repository root with tokenizers installed:
    python test/golden/tokenizer/make_kinds.py
Writes golden-kinds.json beside this file: `texts`, `models` (each once) and, for each kind, its parts, the ids of each
text, and what they decode to.
"""
import json
from pathlib import Path

from tokenizers import Tokenizer

HERE = Path(__file__).parent
WORDS = "the runner sled push run 12 34 5 don't it's lunges n- -r .. !! (a a) 12: 12. , ,\xa0 d- 's e▁ ▁▁".split() + [" r", "e ", "  ", "1 ", ", "]
LETTERS = list("abcdefghijklmnopqrstuvwxyz0123456789,.-'()! \n\t") + ["▁", "é", "Ġ", "Ċ", "e", "\u0301"]
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
TEXTS = [
    "the sled push", " the  run ", "\tthe\n\nrun\n", "it's 12:34.5, don't", "run-run_run (a) !!!", "a, b... c", "(a)(b)",
    "\ufeffthe\ufeff run", "the\x85run\x85", "\xa0the\xa0run\u3000", "a\u200bb\u200db\u2028c", "²½12³ x²", "١٢ run १२", "Ⅷ 8 VIII",
    "né ne\u0301 NÉ Run", "日本 run", "ß ßß ß", "ß, ß", "👍 👍🏽👩‍🚀", "$+<=>^`|~", "¿the? “run” –", "▁the▁run", " ▁ the", "12345 6 78",
    "the<x>run", "the <x> run", "<x><x>", "a\x85<x>\x85b", "a\ufeff<x>\ufeffb", "the sled<w>s <w> (<w>)", "\r\nthe\r\n", "\x1c\x1fa", "a_b_ c", "x", " ", "",
]


def bpe(**settings):
    """Merges of each word from its left, so that every word is a token."""
    vocabulary = dict.fromkeys(["<unk>", *LETTERS])
    merges = []
    for word in [*WORDS, *(f"▁{word}" for word in WORDS), *(f"Ġ{word}" for word in WORDS)]:
        for end in range(2, len(word) + 1):
            left, right = word[: end - 1], word[end - 1]
            if left in vocabulary and right in vocabulary and word[:end] not in vocabulary:
                merges.append([left, right])
                vocabulary[word[:end]] = None
    if settings.get("byte_fallback"):
        vocabulary.update(dict.fromkeys(BYTES))
    return {
        **dict(type="BPE", dropout=None, unk_token="<unk>", continuing_subword_prefix=None, end_of_word_suffix=None),
        **dict(fuse_unk=False, byte_fallback=False, ignore_merges=False),
        **settings,
        **dict(vocab={token: i for i, token in enumerate(vocabulary)}, merges=merges),
    }


def numbered(tokens):
    return {token: i for i, token in enumerate(dict.fromkeys(["<unk>", *tokens]))}


def unigram():
    pieces = numbered([*(f"▁{word}" for word in WORDS), *LETTERS, *WORDS])
    return dict(type="Unigram", unk_id=0, vocab=[[piece, -1.5 - (i * 7 % 11) / 4] for i, piece in enumerate(pieces)], byte_fallback=False)


MODELS = {
    "unknown": bpe(), "fused": bpe(fuse_unk=True), "bytes": bpe(byte_fallback=True, fuse_unk=True), "silent": bpe(unk_token=None),
    "whole words first": bpe(ignore_merges=True, fuse_unk=True), "unfused bytes": bpe(byte_fallback=True),
    "WordPiece": dict(type="WordPiece", unk_token="<unk>", continuing_subword_prefix="##", max_input_chars_per_word=9, vocab=numbered([*WORDS, *LETTERS, *(f"##{word}" for word in [*WORDS, *LETTERS])])),
    "WordLevel": dict(type="WordLevel", unk_token="<unk>", vocab=numbered(WORDS)),
    "Unigram": unigram(),
}
BYTE_LEVEL = dict(type="ByteLevel", add_prefix_space=False, trim_offsets=True, use_regex=True)
META = dict(type="Metaspace", replacement="▁", prepend_scheme="always", split=True)
SPLIT = dict(type="Split", pattern=dict(Regex=r"\s+|\d"), behavior="Isolated", invert=False)


def sequence(*parts, key="pretokenizers"):
    return {"type": "Sequence", key: list(parts)}


def replace(pattern, content):
    return dict(type="Replace", pattern=pattern, content=content)


def kind(name, model="unknown", normalizer=None, pre=None, decoder=None):
    return dict(name=name, model=model, normalizer=normalizer, pre_tokenizer=pre, decoder=decoder)


def behaviors():
    for behavior in ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]:
        for invert in [False, True]:
            yield kind(f"Split {behavior}{' inverted' if invert else ''}", pre=dict(SPLIT, behavior=behavior, invert=invert))
        yield kind(f"Split {behavior} at a text", pre=dict(SPLIT, behavior=behavior, pattern=dict(String="-")))
        yield kind(f"Punctuation {behavior}", pre=dict(type="Punctuation", behavior=behavior))


STRIPS = [(True, True), (True, False), (False, True)]
KINDS = [
    *(kind(f"no parts, {model}", model) for model in MODELS),
    *(kind(f"Whitespace, {model}", model, pre=dict(type="Whitespace")) for model in MODELS),
    *(kind(f"WhitespaceSplit, {model}", model, pre=dict(type="WhitespaceSplit")) for model in MODELS),
    *(kind(f"Digits{' one by one' if one else ''}", pre=dict(type="Digits", individual_digits=one)) for one in (True, False)),
    kind("ByteLevel", "fused", pre=BYTE_LEVEL, decoder=BYTE_LEVEL),
    kind("ByteLevel with a space before", pre=dict(BYTE_LEVEL, add_prefix_space=True), decoder=BYTE_LEVEL),
    kind("ByteLevel without words", pre=dict(BYTE_LEVEL, use_regex=False), decoder=BYTE_LEVEL),
    kind("StarCoder", pre=sequence(dict(type="Digits", individual_digits=True), BYTE_LEVEL), decoder=BYTE_LEVEL),
    *(
        kind(f"Metaspace {scheme}{'' if split else ' unsplit'}, {model}", model, pre=(m := dict(META, prepend_scheme=scheme, split=split)), decoder=m)
        for scheme in ["always", "first", "never"] for split in [True, False] for model in ["unknown", "fused"]
    ),
    kind("Metaspace after WhitespaceSplit", pre=sequence(dict(type="WhitespaceSplit"), META), decoder=META),
    *behaviors(),
    kind("BertPreTokenizer", pre=dict(type="BertPreTokenizer")),
    kind("CharDelimiterSplit", pre=dict(type="CharDelimiterSplit", delimiter="-")),
    kind("UnicodeScripts", pre=dict(type="UnicodeScripts")),
    kind("FixedLength", pre=dict(type="FixedLength", length=3)),
    *(kind(f"Strip {left} {right}", normalizer=dict(type="Strip", strip_left=left, strip_right=right)) for left, right in STRIPS),
    *(kind(form, normalizer=dict(type=form)) for form in ["NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Nmt"]),
    kind("StripAccents of NFD", normalizer=sequence(dict(type="NFD"), dict(type="StripAccents"), key="normalizers")),
    kind("Prepend", "bytes", normalizer=sequence(dict(type="Prepend", prepend="▁"), replace(dict(String=" "), "▁"), key="normalizers")),
    kind("ByteLevel as a normalizer", normalizer=dict(type="ByteLevel"), decoder=BYTE_LEVEL),
    kind("Replace by a pattern", normalizer=replace(dict(Regex=r"\s+"), " ")),
    *(
        kind(f"BertNormalizer {flags}", normalizer=dict(type="BertNormalizer", clean_text="c" in flags, handle_chinese_chars="h" in flags, strip_accents="s" in flags, lowercase="l" in flags))
        for flags in ["chsl", "c", "h", "s", "l"]
    ),
    kind("bytes", "bytes", decoder=sequence(dict(type="ByteFallback"), dict(type="Fuse"), key="decoders")),
    *(
        kind(f"Strip of decoded text {start} {stop}", decoder=sequence(dict(type="Fuse"), dict(type="Strip", content=" ", start=start, stop=stop), key="decoders"))
        for start, stop in [(1, 0), (2, 0)]
    ),
    kind("Replace in decoded text", decoder=sequence(replace(dict(String="a"), "bb"), dict(type="Fuse"), key="decoders")),
    kind("BPEDecoder", "unknown", decoder=dict(type="BPEDecoder", suffix="e")),
    kind("WordPiece in decoded text", decoder=dict(type="WordPiece", prefix="r", cleanup=True)),
]


def tokenizer_of(entry):
    model = MODELS[entry["model"]]
    tokens = [("<x>", False, True, True), ("<w>", True, False, False)]
    first = len(model["vocab"])
    added = [
        dict(id=first + i, content=text, single_word=single, lstrip=left, rstrip=right, normalized=False, special=False)
        for i, (text, single, left, right) in enumerate(tokens)
    ]
    parts = {key: entry[key] for key in ("normalizer", "pre_tokenizer", "decoder")}
    return dict(version="1.0", truncation=None, padding=None, added_tokens=added, post_processor=None, model=model, **parts)


def main():
    out = []
    for entry in KINDS:
        tokenizer = Tokenizer.from_str(json.dumps(tokenizer_of(entry)))
        ids = [tokenizer.encode(text).ids for text in TEXTS]
        out.append(dict(entry, added=tokenizer_of(entry)["added_tokens"], ids=ids, decoded=[tokenizer.decode(row) for row in ids]))
    golden = dict(texts=TEXTS, models=MODELS, kinds=out)
    (HERE / "golden-kinds.json").write_text(json.dumps(golden) + "\n")
    print(len(out), "kinds,", len(TEXTS), "texts")


main()
