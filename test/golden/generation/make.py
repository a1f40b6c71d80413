"""Golden values of logits processing: what transformers' processors leave of random logits, in its own order.
Run: python make.py (torch, transformers). Each case holds the options, the logits, the tokens that came before, and
of the result the tokens that can still be drawn with their probabilities (float32, so come within 1e-6).
"""

import json
from pathlib import Path

import torch
import transformers
from transformers import (
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

torch.manual_seed(20260202)
VOCABULARY = 120

CASES = [
    dict(),
    dict(temperature=0.7),
    dict(topK=5),
    dict(topK=1),
    dict(topP=0.9),
    dict(topP=0.3, temperature=1.8),
    dict(topP=0.01),
    dict(repetitionPenalty=1.7),
    dict(repetitionPenalty=0.6, topK=12),
    dict(repetitionPenalty=1.3, temperature=0.6, topK=20, topP=0.8),
    dict(repetitionPenalty=1.2, temperature=2.5, topK=50, topP=0.95),
]


def processors(options):
    chain = LogitsProcessorList()
    if "repetitionPenalty" in options:
        chain.append(RepetitionPenaltyLogitsProcessor(options["repetitionPenalty"]))
    if "temperature" in options:
        chain.append(TemperatureLogitsWarper(options["temperature"]))
    if "topK" in options:
        chain.append(TopKLogitsWarper(options["topK"]))
    if "topP" in options:
        chain.append(TopPLogitsWarper(options["topP"]))
    return chain


cases = []
for options in CASES:
    for spread in (0.5, 3.0):
        logits = torch.randn(1, VOCABULARY) * spread
        before = torch.randint(0, VOCABULARY, (1, 12))
        before[0, 1] = before[0, 0]  # a repeated token is penalized once
        probabilities = processors(options)(before, logits.clone()).softmax(-1)[0]
        kept = probabilities.nonzero().flatten()
        cases.append({
            "options": options, "logits": logits[0].tolist(), "before": before[0].tolist(),
            "tokens": kept.tolist(), "probabilities": probabilities[kept].tolist(),
        })

golden = {"madeWith": {m.__name__: m.__version__ for m in (torch, transformers)}, "cases": cases}
Path(__file__).with_name("golden.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")
