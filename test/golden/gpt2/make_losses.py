"""Makes the golden values of label smoothing and NEFTune. Run after make.py: python make_losses.py (torch, transformers).

Label smoothing: the loss of transformers' LabelSmoother on the golden batch, and gradients of it: all of two
parameters, and for every parameter the norm. NEFTune: the largest value and the standard deviation of the noise that
transformers' hook adds to embeddings of [batch, 17, 32], over 400 draws.
"""

import json
from pathlib import Path

import torch
from transformers import GPT2LMHeadModel
from transformers.integrations.neftune import neftune_post_forward_hook
from transformers.trainer_pt_utils import LabelSmoother

HERE = Path(__file__).parent
torch.manual_seed(7)
torch.set_num_threads(1)
golden = json.loads((HERE / "golden.json").read_text())
model = GPT2LMHeadModel.from_pretrained(HERE / "model", attn_implementation="eager").eval()
inputs = {key: torch.tensor(golden[name]) for key, name in
          [("input_ids", "inputIds"), ("attention_mask", "attentionMask")]}
labels = torch.tensor(golden["labels"])

smoothing = []
for epsilon in (0.1, 0.5):
    model.zero_grad()
    loss = LabelSmoother(epsilon=epsilon)(model(**inputs), labels, shift_labels=True)
    loss.backward()
    gradients = {name.removeprefix("transformer."): p.grad for name, p in model.named_parameters()}
    smoothing.append({
        "epsilon": epsilon, "loss": loss.item(),
        "norms": {name: g.norm().item() for name, g in gradients.items()},
        "gradients": {name: [float(f"{x:.9g}") for x in gradients[name].flatten().tolist()]
                      for name in ("ln_f.weight", "wte.weight")},
    })


class Module:
    training, neftune_noise_alpha = True, 5.0


zeros = torch.zeros(2, 17, 32)
draws = torch.cat([neftune_post_forward_hook(Module, None, zeros).flatten() for _ in range(400)])
golden_losses = {
    "tolerance": "loss within 1e-5; gradients within 1e-4 of the parameter's largest, norms within 1e-4 relative",
    "smoothing": smoothing,
    "neftune": {"alpha": 5.0, "tokens": 17, "width": 32, "largest": draws.abs().max().item(), "std": draws.std().item(),
                "mean": draws.mean().item()},
}
(HERE / "golden-losses.json").write_text(json.dumps(golden_losses, separators=(",", ":")) + "\n")
