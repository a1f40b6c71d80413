"""Golden guesses of prompt lookup: what transformers' PromptLookupCandidateGenerator adds to random contexts of few
different tokens. Run: python make_lookup.py (torch, transformers). Compared for equality.
"""

import json
from pathlib import Path

import torch
from transformers.generation.candidate_generator import PromptLookupCandidateGenerator

HERE = Path(__file__).parent
torch.manual_seed(20261130)
cases = []
for length in (1, 2, 3, 5, 9, 17, 30, 60):
    for num_tokens, size in ((1, 1), (3, 2), (10, 2), (4, 3), (8, 5)):
        context = torch.randint(0, 2 + length // 4, (1, length))
        generator = PromptLookupCandidateGenerator(
            num_output_tokens=num_tokens, max_matching_ngram_size=size, max_length=1000
        )
        ids, _ = generator.get_candidates(context)
        cases.append({
            "context": context[0].tolist(), "numTokens": num_tokens, "maxMatchingNgramSize": size,
            "guesses": ids[0, length:].tolist(),
        })
(HERE / "golden-lookup.json").write_text(json.dumps(cases, separators=(",", ":")) + "\n")
print(len(cases), sum(1 for case in cases if case["guesses"]))
