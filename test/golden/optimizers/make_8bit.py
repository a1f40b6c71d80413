"""Makes the golden values of AdamW with 8-bit block-wise moments over 20 steps.

Run: python make_8bit.py (numpy, torch). Written from the definition in Dettmers et al. 2022 (arXiv:2110.02861) and
the constants that bitsandbytes documents: a signed dynamic map for the first moment, an unsigned one for the second,
blocks of 256 values, moments of parameters of fewer than 4096 values in float32. Codes are found by looking at all
256. Moments are float32, everything between them float64. The weights and gradients come from a formula of integers
that the test repeats, so only results are stored.
"""

import base64
import json
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).parent
STEPS, BLOCK, SMALLEST = 20, 256, 4096
SHAPES = {"matrix": (70, 61), "vector": (5,)}  # 4270 values: 16 whole blocks and one of 174
DECAYED = {"matrix"}
OPTIONS = dict(lr=1e-2, betas=[0.9, 0.999], eps=1e-8, weightDecay=0.1)
SAMPLE = 37


def dynamic_map(signed):
    codes = [0.0, 1.0]
    for decade in range(7):
        edges = np.linspace(0.1, 1.0, 2 ** (decade if signed else decade + 1) + 1)
        middles = 10.0 ** (decade - 6) * (edges[:-1] + edges[1:]) / 2
        codes += [*middles, *(-middles if signed else [])]
        # The same from PyTorch's float32 linspace, as bitsandbytes has it.
        edges32 = torch.linspace(0.1, 1, len(edges), dtype=torch.float32)
        middles32 = ((edges32[:-1] + edges32[1:]) / 2 * 10.0 ** (decade - 6)).numpy()
        assert np.allclose(middles32, middles, rtol=3e-7, atol=0), decade
    return np.sort(np.array(codes, dtype=np.float32))


def formula(size, step, offset):
    """Numbers in [-0.5, 0.5), exact in float64, whose size changes from block to block and from step to step."""
    i = np.arange(size, dtype=np.int64)
    unit = ((i * 7919 + step * 104729 + offset * 31) % 2003) / 2003 - 0.5
    return unit * 2.0 ** -((i // 97 + 3 * step) % 7)


class Moment:
    def __init__(self, size, signed):
        self.map = dynamic_map(signed) if size >= SMALLEST else None
        self.values = np.zeros(size, np.float32)  # restored from the codes where there are any
        self.codes, self.scales = np.zeros(size, np.uint8), np.zeros(-(-size // BLOCK), np.float32)

    def set(self, values):
        self.values = values.astype(np.float32)
        if self.map is None:
            return
        for block in range(len(self.scales)):
            part = slice(block * BLOCK, (block + 1) * BLOCK)
            scale = np.abs(self.values[part]).max()
            quotients = (self.values[part] / scale).astype(np.float32)
            distance = np.abs(quotients[:, None].astype(np.float64) - self.map[None, :].astype(np.float64))
            self.codes[part], self.scales[block] = distance.argmin(1), scale
            self.values[part] = (self.map[self.codes[part]].astype(np.float64) * np.float64(scale)).astype(np.float32)


parameters = {name: formula(int(np.prod(shape)), 0, 5).astype(np.float32) for name, shape in SHAPES.items()}
moments = {name: (Moment(p.size, True), Moment(p.size, False)) for name, p in parameters.items()}
beta1, beta2 = OPTIONS["betas"]
after = []
for step in range(1, STEPS + 1):
    for name, p in parameters.items():
        gradient = formula(p.size, step, 0).astype(np.float32).astype(np.float64)
        first, second = moments[name]
        m = (beta1 * first.values.astype(np.float64) + (1 - beta1) * gradient).astype(np.float32)
        v = (beta2 * second.values.astype(np.float64) + (1 - beta2) * gradient * gradient).astype(np.float32)
        m_hat, v_hat = m.astype(np.float64) / (1 - beta1**step), v.astype(np.float64) / (1 - beta2**step)
        decay = OPTIONS["lr"] * OPTIONS["weightDecay"] if name in DECAYED else 0
        parameters[name] = (p.astype(np.float64) * (1 - decay) - OPTIONS["lr"] * m_hat / (np.sqrt(v_hat) + OPTIONS["eps"])).astype(np.float32)
        first.set(m)
        second.set(v)
    after.append({"matrix": [float(f"{x:.9g}") for x in parameters["matrix"][::SAMPLE]],
                  "vector": [float(f"{x:.9g}") for x in parameters["vector"]]})

first, second = moments["matrix"]
golden = {
    "tolerance": "parameters within 1e-6 absolute plus 1e-5 relative; codes equal; scales within 1e-6 relative",
    "shapes": SHAPES, "options": OPTIONS, "sample": SAMPLE,
    "maps": {"signed": [float(x) for x in dynamic_map(True)], "unsigned": [float(x) for x in dynamic_map(False)]},
    "after": after,
    "codes": {"exp_avg": base64.b64encode(first.codes.tobytes()).decode(),
              "exp_avg_sq": base64.b64encode(second.codes.tobytes()).decode()},
    "scales": {"exp_avg": [float(x) for x in first.scales], "exp_avg_sq": [float(x) for x in second.scales]},
}
(HERE / "golden-8bit.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")
