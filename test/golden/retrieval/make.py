"""Golden neighbours and scales from scikit-learn. Run: python make.py (scikit-learn, numpy).
Rows are made by a formula that the test repeats; indices are compared for equality, distances within 1e-5 (float32)."""
import json
from pathlib import Path

import numpy as np
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

ROWS, COLUMNS = 300, 6
rows = np.array([[((i * 7919 + j * 104729 + i * j * 31) % 1009) / 7 for j in range(COLUMNS)] for i in range(ROWS)])
scaler = StandardScaler().fit(rows)
scaled = scaler.transform(rows)
points = [0, 57, 299]
distances, indices = NearestNeighbors(n_neighbors=8, algorithm="brute").fit(scaled).kneighbors(scaled[points])
out = dict(mean=scaler.mean_.tolist(), scale=scaler.scale_.tolist(), points=points, indices=indices.tolist(), distances=distances.tolist())
(Path(__file__).parent / "golden.json").write_text(json.dumps(out) + "\n")
print(indices)
