"""Golden masks of what an assistant wrote: transformers' apply_chat_template with return_assistant_tokens_mask, over the
tokenizers beside this file and those in data/tokenizers, for templates that enclose answers in {% generation %}.

Run from the repository root with transformers installed:
    python test/golden/tokenizer/make_masks.py
Writes golden-masks.json beside this file: the templates, the conversations, the post-processor that replaces a tokenizer's
own, and for each case ids and mask. Compared for equality.
"""
import json
import shutil
import tempfile
from pathlib import Path

from transformers import AutoTokenizer

HERE = Path(__file__).parent
ROOT = HERE.parent.parent.parent

LOOP = "{% for m in messages %}"
TEMPLATES = {
    "answers with their end": LOOP + "{{ '<|' + m.role + '|>\\n' }}{% if m.role == 'assistant' %}{% generation %}{{ m.content + '</s>' }}"
    "{% endgeneration %}{{ '\\n' }}{% else %}{{ m.content + '</s>\\n' }}{% endif %}{% endfor %}",
    "tags that take white space": "  " + LOOP + "\n{{ m.role }}:\n  {%- if m.role == 'assistant' -%}\n [ {%- generation -%}  {{ m.content }}  {%- endgeneration -%}  ]\n"
    "  {%- else %}\n  {{ m.content }}\n  {%- endif %}\n{% endfor %}",
    "lines of their own": LOOP + "\n{{ m.role }}\n{% if m.role == 'assistant' %}\n    {% generation %}\n{{ m.content }}\n    {% endgeneration %}\n{% else %}\n"
    "{{ m.content }}\n{% endif %}\n{% endfor %}",
    "a scope of its own": "{% set who = 'none' %}{% set ns = namespace(n=0) %}" + LOOP + "{% generation %}{% set who = m.role %}{% set ns.n = ns.n + 1 %}"
    "{{ who }}: {{ m.content }}{% endgeneration %}|{{ who }}{{ ns.n }}{{ loop.index }}\n{% endfor %}",
    "blanks at both ends": LOOP + "{{ m.role }}{% if m.role == 'assistant' %}{% generation %} {{ m.content }} {% endgeneration %}{% else %} {{ m.content }} {% endif %}{% endfor %}",
    "the whole of it": "{% generation %}" + LOOP + "{{ m.content }}{% endfor %}{% endgeneration %}",
    "tools too": LOOP + "{% if m.role != 'user' %}{% generation %}{% if loop.last %}{{ m.content | trim }}{% else %}{{ m.content | upper }}{% endif %}{% endgeneration %}"
    "{% else %}{{ m.content }}{% endif %}{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}",
    "none of them": LOOP + "{{ m.content }}{% if m.role == 'nobody' %}{% generation %}{{ m.content }}{% endgeneration %}{% endif %}{% endfor %}",
    "pieces of an answer": LOOP + "{% if m.role == 'assistant' %}{% for part in m.content.split(' ') %}{% generation %}{{ part }}{% endgeneration %}, {% endfor %}"
    "{% else %}{{ m.content }} {% endif %}{% endfor %}",
}
ANSWERS = [
    "Good.", "You were fast.\n- ski\n- row", "1", "é 🙂 ñ", "🙂", "例え 走る", " a b  c ", "\n\nx\n", "sled push and sleds", "I 've <mask> it", "\ta\u00a0b", "</s>", "x</s>",
]


def conversations():
    for answer in ANSWERS:
        yield [dict(role="user", content="How was it?"), dict(role="assistant", content=answer)]
    yield [dict(role="system", content="Be brief. 🙂")] + [
        dict(role=role, content=text)
        for question, answer in [("One?", "Yes, one."), (" Two ", "Né, 2"), ("É?", "end")]
        for role, text in (("user", question), ("assistant", answer))
    ]
    yield [dict(role="user", content="no answer")]


TRIMMED = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
IN_SEQUENCE = {"type": "Sequence", "processors": [{"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}]}
TOKENIZERS = {
    "byte-level": (HERE / "byte-level", None),
    "byte-fallback": (HERE / "byte-fallback", None),
    "gpt2": (ROOT / "data" / "tokenizers" / "gpt2", None),
    "gpt2, offsets trimmed": (ROOT / "data" / "tokenizers" / "gpt2", TRIMMED),
    "byte-level, offsets trimmed": (HERE / "byte-level", IN_SEQUENCE),
    "mistral": (ROOT / "data" / "tokenizers" / "mistral", None),
}


def load(folder, post_processor):
    if post_processor is None:
        return AutoTokenizer.from_pretrained(folder)
    with tempfile.TemporaryDirectory() as copy:
        shutil.copytree(folder, copy, dirs_exist_ok=True)
        file = Path(copy) / "tokenizer.json"
        data = json.loads(file.read_text())
        data["post_processor"] = post_processor
        file.write_text(json.dumps(data))
        return AutoTokenizer.from_pretrained(copy)


def main():
    chats = list(conversations())
    cases = []
    for name, (folder, post_processor) in TOKENIZERS.items():
        tokenizer = load(folder, post_processor)
        for template_name, template in TEMPLATES.items():
            for index, messages in enumerate(chats):
                try:
                    out = tokenizer.apply_chat_template(
                        messages, chat_template=template, return_dict=True, return_assistant_tokens_mask=True, add_generation_prompt=index % 2 == 1
                    )
                except OverflowError:  # nothing generated at the very start of a text
                    continue
                mask = "".join(map(str, out["assistant_masks"]))
                cases.append(dict(tokenizer=name, template=template_name, chat=index, ids=out["input_ids"], mask=mask))
    golden = dict(
        templates=TEMPLATES, chats=chats, cases=cases,
        postProcessors={name: post_processor for name, (_, post_processor) in TOKENIZERS.items() if post_processor is not None},
    )
    (HERE / "golden-masks.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")
    print(len(cases), "masks,", sum("1" in case["mask"] for case in cases), "with a token that the assistant wrote")


main()
