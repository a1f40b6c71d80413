"""Makes the golden values of optimizers and learning-rate schedules over 20 steps.

Run: python make.py (torch, transformers). A matrix [4, 3] (with weight decay) and a vector [5] (without) get the same
20 random gradients from every optimizer; golden.json has the gradients and the parameters after each step.
AdamW and SGD are PyTorch's, Adafactor and the schedules those of transformers. Lion, which neither has, is computed
here in float64 from its paper (arXiv:2302.06675, algorithm 2).
"""

import json
from pathlib import Path

import numpy as np
import torch
import transformers
from transformers import get_scheduler
from transformers.optimization import Adafactor

HERE = Path(__file__).parent
STEPS = 20
torch.manual_seed(11)
MATRIX, VECTOR = torch.randn(4, 3), torch.randn(5)
# Sizes that differ by orders of magnitude between steps, so that moments and clipping matter.
SCALES = 10 ** (torch.rand(STEPS) * 3 - 2)
GRADIENTS = [(torch.randn(4, 3) * s, torch.randn(5) * s) for s in SCALES]


def numbers(tensor):
    """Float32 values in the fewest digits that give the same float32 again."""
    return [float(np.format_float_scientific(np.float32(v))) for v in tensor.detach().flatten().tolist()]


def run(make, weight_decay):
    matrix, vector = MATRIX.clone().requires_grad_(), VECTOR.clone().requires_grad_()
    optimizer = make([
        {"params": [matrix], "weight_decay": weight_decay},
        {"params": [vector], "weight_decay": 0.0},
    ])
    after = []
    for gm, gv in GRADIENTS:
        matrix.grad, vector.grad = gm.clone(), gv.clone()
        optimizer.step()
        after.append({"matrix": numbers(matrix), "vector": numbers(vector)})
    return after


class Lion:
    def __init__(self, groups, lr, betas):
        self.groups, self.lr, self.betas = groups, lr, betas
        self.momentum = {}

    def step(self):
        beta1, beta2 = self.betas
        with torch.no_grad():
            for group in self.groups:
                for p in group["params"]:
                    x, g = p.double(), p.grad.double()
                    m = self.momentum.get(p, torch.zeros_like(x))
                    update = torch.sign(beta1 * m + (1 - beta1) * g)
                    p.copy_(x - self.lr * (update + group["weight_decay"] * x))
                    self.momentum[p] = beta2 * m + (1 - beta2) * g


OPTIMIZERS = [
    ("adamw", dict(lr=1e-2, betas=[0.9, 0.999], eps=1e-8, weightDecay=0.1),
     lambda g, o: torch.optim.AdamW(g, lr=o["lr"], betas=o["betas"], eps=o["eps"])),
    ("adamw", dict(lr=1e-3, betas=[0.8, 0.95], eps=1e-4, weightDecay=0.0),
     lambda g, o: torch.optim.AdamW(g, lr=o["lr"], betas=o["betas"], eps=o["eps"])),
    ("sgd", dict(lr=1e-2, momentum=0.0, weightDecay=0.0),
     lambda g, o: torch.optim.SGD(g, lr=o["lr"], momentum=o["momentum"])),
    ("sgd", dict(lr=1e-2, momentum=0.9, weightDecay=0.05),
     lambda g, o: torch.optim.SGD(g, lr=o["lr"], momentum=o["momentum"])),
    ("sgd", dict(lr=1e-2, momentum=0.9, nesterov=True, weightDecay=0.05),
     lambda g, o: torch.optim.SGD(g, lr=o["lr"], momentum=o["momentum"], nesterov=True)),
    ("adafactor", dict(lr=1e-2, eps=[1e-30, 1e-3], clipThreshold=1.0, decayRate=-0.8, beta1=None, scaleParameter=False,
                       relativeStep=False, weightDecay=0.1),
     lambda g, o: Adafactor(g, lr=o["lr"], scale_parameter=False, relative_step=False)),
    ("adafactor", dict(lr=None, eps=[1e-30, 1e-3], clipThreshold=1.0, decayRate=-0.8, beta1=0.9, scaleParameter=True,
                       relativeStep=True, warmupInit=True, weightDecay=0.0),
     lambda g, o: Adafactor(g, beta1=0.9, scale_parameter=True, relative_step=True, warmup_init=True)),
    ("lion", dict(lr=1e-3, betas=[0.9, 0.99], weightDecay=0.1), lambda g, o: Lion(g, o["lr"], o["betas"])),
]

SCHEDULES = [
    ("constant", {}), ("constant_with_warmup", {}), ("linear", {}), ("cosine", {}), ("polynomial", {}),
    ("polynomial", {"lr_end": 1e-5, "power": 2.0}), ("cosine_with_restarts", {}), ("cosine_with_restarts", {"num_cycles": 3}),
    ("inverse_sqrt", {}), ("inverse_sqrt", {"timescale": 7}), ("cosine_with_min_lr", {"min_lr_rate": 0.1}),
]


def schedule(name, warmup, kwargs):
    """The learning rate that each step uses, before it is taken; two steps past the planned end as well."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2e-4)
    scheduler = get_scheduler(name, optimizer, num_warmup_steps=warmup, num_training_steps=STEPS,
                              scheduler_specific_kwargs=dict(kwargs))
    rates = []
    for _ in range(STEPS + 2):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


golden = {
    "madeWith": {"torch": torch.__version__, "transformers": transformers.__version__},
    "tolerance": "parameters within 1e-6 absolute plus 1e-5 relative (float32); rates within 1e-12",
    "initial": {"matrix": numbers(MATRIX), "vector": numbers(VECTOR)},
    "shapes": {"matrix": [4, 3], "vector": [5]},
    "gradients": [{"matrix": numbers(m), "vector": numbers(v)} for m, v in GRADIENTS],
    "optimizers": [
        {"name": name, "options": options, "after": run(lambda g: make(g, options), options["weightDecay"])}
        for name, options, make in OPTIMIZERS
    ],
    "schedules": [
        {"name": name, "learningRate": 2e-4, "warmupSteps": warmup, "trainingSteps": STEPS, "options": kwargs,
         "rates": schedule(name, warmup, kwargs)}
        for name, kwargs in SCHEDULES for warmup in (0, 4)
        if not (name == "constant" and warmup) and not (name == "constant_with_warmup" and not warmup)
    ],
}
(HERE / "golden.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")
