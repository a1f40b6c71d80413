"""Golden figures of rankings: nDCG by scikit-learn, the others from their definitions. Run: python make_metrics.py
(scikit-learn, numpy). Documents are d0 to d19; gains are 2^grade - 1, which scikit-learn takes as relevance.
Compared within 1e-12."""
import json
from pathlib import Path

import numpy as np
from sklearn.metrics import ndcg_score

rng = np.random.default_rng(11)
DOCUMENTS, KS = 20, [1, 3, 5, 10]
queries = []
for i in range(25):
    grades = rng.choice([0, 0, 0, 1, 2, 3], DOCUMENTS) if i else np.eye(DOCUMENTS, dtype=int)[4] * 2
    order = rng.permutation(DOCUMENTS)
    scores = np.empty(DOCUMENTS)
    scores[order] = -np.arange(DOCUMENTS)
    relevant = grades[order] >= 1
    metrics = {}
    for k in KS:
        found = relevant[:k]
        metrics[f"accuracy@{k}"] = float(found.any())
        metrics[f"recall@{k}"] = float(found.sum() / relevant.sum())
        metrics[f"mrr@{k}"] = float(1 / (1 + np.argmax(found))) if found.any() else 0.0
        metrics[f"ndcg@{k}"] = float(ndcg_score([2.0**grades - 1], [scores], k=k))
    labels = {f"d{d}": int(g) for d, g in enumerate(grades) if g or d % 5 == 0}
    queries.append(dict(query=f"q{i}", labels=labels, order=[f"d{d}" for d in order], metrics=metrics))
means = {name: float(np.mean([q["metrics"][name] for q in queries])) for name in queries[0]["metrics"]}
(Path(__file__).parent / "golden-metrics.json").write_text(json.dumps(dict(queries=queries, means=means)) + "\n")
print(means)
