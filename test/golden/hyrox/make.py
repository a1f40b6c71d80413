"""Writes golden.json beside this file: values from NumPy and scikit-learn. Run by hand; tests read the JSON only."""
import json
from pathlib import Path

import numpy as np
from sklearn.cluster import KMeans
from sklearn.linear_model import LinearRegression
from sklearn.metrics import silhouette_score
from sklearn.model_selection import train_test_split

points = np.array([[((i * 7919) % 101) / 101 + (i % 3), ((i * 104729) % 97) / 97 + (i % 2)] for i in range(120)])
y = points[:, 0] * 3 - 2 * points[:, 1] + ((np.arange(120) * 31) % 17) / 17
linear = LinearRegression().fit(points, y)
kmeans = []
for k in (2, 3, 5):
    fit = KMeans(k, random_state=42, n_init=1).fit(points)
    score = float(silhouette_score(points, fit.labels_))
    kmeans.append({"k": k, "inertia": float(fit.inertia_), "labels": fit.labels_.tolist(), "silhouette": score})
two = np.random.RandomState(0)
golden = {
    "permutation10": np.random.RandomState(42).permutation(10).tolist(),
    "permutation1000": two.permutation(1000).tolist(),
    "permutation1000again": two.permutation(1000).tolist(),
    "doubles": np.random.RandomState(42).random_sample(5).tolist(),
    "test23": train_test_split(np.arange(23), test_size=0.2, random_state=42)[1].tolist(),
    "kmeans": kmeans,
    "linear": {
        "coefficients": linear.coef_.tolist(),
        "intercept": float(linear.intercept_),
        "r2": float(linear.score(points, y)),
    },
}
Path(__file__).with_name("golden.json").write_text(json.dumps(golden) + "\n")
