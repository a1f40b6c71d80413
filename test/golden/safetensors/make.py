"""Makes a safetensors file of many dtypes with the reference library, and what PyTorch makes of float32 values in
16 bits. Run: python make.py (torch, safetensors)."""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

HERE = Path(__file__).parent
rng = np.random.default_rng(7)

# Any bit pattern, then values in the range of weights, then what borders on subnormal, tie, overflow and NaN.
bits = rng.integers(0, 2**32, 3000, dtype=np.uint64).astype(np.uint32)
usual = (rng.standard_normal(2000) * 10.0 ** rng.integers(-9, 6, 2000)).astype(np.float32).view(np.uint32)
edges = np.array(
    [0, 2**-24, 2**-25, 2**-25 * (1 + 2**-23), 3 * 2**-25, 2**-14, 2**-14 - 2**-25, 1 + 2**-11, 1 + 3 * 2**-11, 65504, 65519.996,
     65520, 65536, 3.4028235e38, np.inf, np.nan, 1 + 2**-8, 1 + 3 * 2**-8, 2**-126, 2**-149, 2**-133, 3 * 2**-134],
    dtype=np.float32).view(np.uint32)
source = torch.from_numpy(np.concatenate([bits, usual, edges, edges | np.uint32(1 << 31)]).view(np.float32).copy())
# A NaN may carry any payload and sign; libraries differ, so only one is kept.
source[source.isnan()] = float("nan")

save_file(
    {
        "source": source,
        "as_f16": source.half(),
        "as_bf16": source.bfloat16(),
        "f64": torch.tensor([[1.5, -2.25], [1e-3, 1e10]], dtype=torch.float64),
        "i64": torch.tensor([1, -2, 2**40]),
        "u8": torch.arange(7, dtype=torch.uint8),
        "bool": torch.tensor([True, False]),
        "scalar": torch.tensor(3.5),
        "empty": torch.zeros(0, 4),
    },
    HERE / "dtypes.safetensors",
    metadata={"format": "pt", "note": "two \"words\" \u00fc"},
)
