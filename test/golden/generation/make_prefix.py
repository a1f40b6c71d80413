"""Golden values of prefix_allowed_tokens_fn: tokens of transformers' generate() on test/golden/gpt2/model, and what is
left of random logits. Run: python make_prefix.py (torch, transformers). Greedy, so tokens are compared for equality;
each choice leads by more than 0.01 logits. Probabilities are float32, so come within 1e-6.
The function is `allowed` below: it looks at the row and at the last token alone, so padding does not matter.
"""

import json
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, LogitsProcessorList, PrefixConstrainedLogitsProcessor
from transformers import RepetitionPenaltyLogitsProcessor, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

HERE = Path(__file__).parent
VOCABULARY, PAD = 97, 96
LENGTHS = (5, 9, 3)


class Near(Exception):
    """Two tokens are too close to be told apart by another implementation."""


def allowed(row, ids):
    return [t for t in range(VOCABULARY) if t % 7 == (int(ids[-1]) + row) % 7]


def generated(model, prompts, **options):
    longest = max(map(len, prompts))
    ids = torch.tensor([[PAD] * (longest - len(p)) + p for p in prompts])
    mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts])
    out = model.generate(
        ids, attention_mask=mask, max_new_tokens=16, do_sample=False, pad_token_id=PAD,
        return_dict_in_generate=True, output_scores=True, prefix_allowed_tokens_fn=allowed, **options,
    )
    rows = out.sequences[:, longest:].tolist()
    for step, scores in enumerate(out.scores):
        for row, (best, second) in zip(rows, scores.topk(2).values.tolist()):
            if options["eos_token_id"] not in row[:step] and best - second < 0.01:
                raise Near
    return rows


def left(logits, before, options):
    chain = LogitsProcessorList()
    if "repetitionPenalty" in options:
        chain.append(RepetitionPenaltyLogitsProcessor(options["repetitionPenalty"]))
    chain.append(PrefixConstrainedLogitsProcessor(allowed, num_beams=1))
    chain.append(TemperatureLogitsWarper(options.get("temperature", 1.0)))
    if "topK" in options:
        chain.append(TopKLogitsWarper(options["topK"]))
    if "topP" in options:
        chain.append(TopPLogitsWarper(options["topP"]))
    return chain(before, logits.clone()).softmax(-1)[0]


def tokens(model, prompts):
    free = generated(model, prompts, eos_token_id=None)
    eos = free[1][6]
    return {
        "prompts": prompts, "padTokenId": PAD, "greedy": free,
        "repetitionPenalty": {
            "penalty": 1.3, "newTokens": generated(model, prompts, eos_token_id=None, repetition_penalty=1.3),
        },
        "eos": {"eosTokenId": eos, "newTokens": generated(model, prompts, eos_token_id=eos)},
    }


model = AutoModelForCausalLM.from_pretrained(HERE.parent / "gpt2" / "model", attn_implementation="eager").eval()
torch.manual_seed(20261129)
while True:
    try:
        golden = tokens(model, [torch.randint(0, PAD, (n,)).tolist() for n in LENGTHS])
        break
    except Near:
        continue
cases = []
for options in ({}, {"repetitionPenalty": 1.7}, {"temperature": 0.6, "topK": 4}, {"topK": 50}, {"topP": 0.7}):
    logits, before = torch.randn(1, VOCABULARY) * 2, torch.randint(0, VOCABULARY, (1, 12))
    probabilities = left(logits, before, options)
    kept = probabilities.nonzero().flatten()
    cases.append({
        "options": options, "logits": logits[0].tolist(), "before": before[0].tolist(),
        "tokens": kept.tolist(), "probabilities": probabilities[kept].tolist(),
    })
golden["cases"] = cases
(HERE / "golden-prefix.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")
print(golden["greedy"], golden["eos"])
