"""Golden values of preference training: ten steps of TRL's DPOTrainer and ORPOTrainer on the tiny GPT-2 of ../gpt2.

Run: python make.py (torch, transformers, peft, trl 1.13). Nothing is downloaded; float32, CPU, one thread.
golden.json: the pairs as token ids; per case the log of each step by TRL's names, the evaluation after step 5, and
gradients of steps 1 and 10: whole for the adapter, norm and eight values of each tensor for the whole model.
"""

import json
import os
import tempfile
from pathlib import Path

os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import torch
import transformers
import trl
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast, TrainerCallback
from trl import DPOConfig, DPOTrainer
from trl.experimental.orpo import ORPOConfig, ORPOTrainer

transformers.logging.set_verbosity_error()
torch.set_num_threads(1)
HERE = Path(__file__).parent
GPT2 = HERE.parent / "gpt2"
BETA, STEPS = 0.3, 10
RATES = {True: 1e-3, False: 2e-4}  # of an adapter, of the whole model

words = Tokenizer(models.WordLevel({f"t{i}": i for i in range(97)}, unk_token="t94"))
words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, eos_token="t96", pad_token="t96")

generator = torch.Generator().manual_seed(7)


def draw(least, most):
    count = torch.randint(least, most + 1, (1,), generator=generator).item()
    return " ".join(f"t{i}" for i in torch.randint(0, 94, (count,), generator=generator).tolist())


def pairs(count):
    return [{"prompt": draw(2, 6), "chosen": " " + draw(3, 9), "rejected": " " + draw(3, 9)} for _ in range(count)]


train, evaluation = pairs(4), pairs(3)


def base():
    return AutoModelForCausalLM.from_pretrained(GPT2 / "model", attn_implementation="eager", dtype=torch.float32)


def adapted():
    return peft.PeftModel.from_pretrained(base(), GPT2 / "adapter", is_trainable=True)


class Gradients(TrainerCallback):
    """Gradients before the update of the first and the last step."""

    def __init__(self, whole):
        self.whole, self.found = whole, {}

    def on_pre_optimizer_step(self, args, state, control, model=None, **kwargs):
        step = state.global_step + 1
        if step not in (1, STEPS):
            return
        named = {n.replace(".default.", "."): p.grad.flatten() for n, p in model.named_parameters() if p.grad is not None}
        self.found[str(step)] = {n: digits(g) if self.whole else fingerprint(g) for n, g in named.items()}


def digits(g):
    return [float(f"{x:.8g}") for x in g.tolist()]


def fingerprint(g):
    at = torch.linspace(0, g.numel() - 1, 8).long().tolist()
    return {"norm": g.double().norm().item(), "at": at, "values": digits(g[at])}


def run(model, method, ref_model=None, **options):
    is_adapter = isinstance(model, peft.PeftModel)
    gradients = Gradients(is_adapter)
    config, trainer = (DPOConfig, DPOTrainer) if method == "dpo" else (ORPOConfig, ORPOTrainer)
    more = {"ref_model": ref_model} if ref_model is not None else {}
    with tempfile.TemporaryDirectory() as folder:
        args = config(
            output_dir=folder, max_steps=STEPS, per_device_train_batch_size=4, per_device_eval_batch_size=3,
            learning_rate=RATES[is_adapter], lr_scheduler_type="constant", weight_decay=0.0, max_grad_norm=0.0, beta=BETA,
            logging_steps=1, eval_strategy="steps", eval_steps=5, save_strategy="no", report_to=[], disable_tqdm=True,
            use_cpu=True, bf16=False, gradient_checkpointing=False, seed=1, **options,
        )
        it = trainer(model=model, args=args, train_dataset=Dataset.from_list(train),
                     eval_dataset=Dataset.from_list(evaluation), processing_class=tokenizer,
                     callbacks=[gradients], **more)
        it.remove_callback(transformers.PrinterCallback)
        it.train()
    log = [e for e in it.state.log_history if "loss" in e]
    evals = [e for e in it.state.log_history if "eval_loss" in e]
    wanted = lambda e: {k: v for k, v in e.items() if any(p in k for p in ("loss", "rewards/", "logps/", "log_odds"))}
    return {
        "method": method, "adapter": is_adapter, "learningRate": RATES[is_adapter], "options": options, "log": [wanted(e) for e in log],
        "evaluation": wanted(evals[0]), "gradients": gradients.found,
    }, it


def ids(example):
    encode = lambda text: [int(word[1:]) for word in text.split()]
    return {"promptIds": encode(example["prompt"]), "chosenIds": encode(example["chosen"]) + [96],
            "rejectedIds": encode(example["rejected"]) + [96]}


cases = {}
for loss_type in ("sigmoid", "hinge", "ipo", "robust"):
    options = {"loss_type": loss_type, **({"label_smoothing": 0.1} if loss_type == "robust" else {})}
    cases[f"dpo {loss_type}, adapter"], it = run(adapted(), "dpo", **options)
for got, example in zip(it.train_dataset, train):
    assert {"promptIds": got["prompt_ids"], "chosenIds": got["chosen_ids"], "rejectedIds": got["rejected_ids"]} == ids(example)
cases["dpo sigmoid and sft, adapter"], _ = run(adapted(), "dpo", loss_type=["sigmoid", "sft"], loss_weights=[1.0, 0.4])
cases["dpo sigmoid, adapter, reference without it"], _ = run(adapted(), "dpo", ref_model=base())
cases["dpo sigmoid, whole model"], _ = run(base(), "dpo")
cases["orpo, adapter"], it = run(adapted(), "orpo")
for got, example in zip(it.train_dataset, train):
    pair = ids(example)
    assert got["chosen_input_ids"] == pair["promptIds"] + pair["chosenIds"], (got["chosen_input_ids"], pair)
cases["orpo, whole model"], _ = run(base(), "orpo")

(HERE / "golden.json").write_text(json.dumps({
    "trl": trl.__version__, "beta": BETA,
    "train": [ids(p) for p in train], "evaluation": [ids(p) for p in evaluation], "cases": cases,
}) + "\n")
