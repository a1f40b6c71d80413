"""The callback hooks of transformers' Trainer, in the order of a small run: python make_hooks.py > hooks.json

11 examples, 2 x 2 a step (3 steps an epoch), 2 epochs; logs every 2 steps, evaluates 4 examples every 3, saves every 3.
"""
import json
import logging
import os
import tempfile

os.environ["CUDA_VISIBLE_DEVICES"] = ""
import torch
import transformers
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainerCallback, TrainingArguments

transformers.logging.set_verbosity_error()
logging.disable(logging.CRITICAL)

HOOKS = sorted(name for name in dir(TrainerCallback) if name.startswith("on_"))
calls = []


def recorder(name):
    def hook(self, args, state, control, **kwargs):
        # The summary that ends a run's log has no loss.
        is_summary = name == "on_log" and "train_runtime" in kwargs["logs"]
        calls.append(["on_log summary" if is_summary else name, state.global_step])

    return hook


Recorder = type("Recorder", (TrainerCallback,), {name: recorder(name) for name in HOOKS})


class Data(torch.utils.data.Dataset):
    def __init__(self, size):
        self.size = size

    def __len__(self):
        return self.size

    def __getitem__(self, i):
        ids = torch.arange(6) + i
        return {"input_ids": ids, "labels": ids}


with tempfile.TemporaryDirectory() as folder:
    trainer = Trainer(
        model=GPT2LMHeadModel(GPT2Config(vocab_size=53, n_positions=32, n_embd=8, n_layer=1, n_head=1)),
        args=TrainingArguments(
            output_dir=folder, num_train_epochs=2, per_device_train_batch_size=2, gradient_accumulation_steps=2,
            logging_steps=2, eval_strategy="steps", eval_steps=3, per_device_eval_batch_size=2, save_strategy="steps",
            save_steps=3, report_to=[], disable_tqdm=True, use_cpu=True,
        ),
        train_dataset=Data(11), eval_dataset=Data(4), callbacks=[Recorder()],
    )
    trainer.pop_callback(transformers.PrinterCallback)
    trainer.train()
    training = len(calls)
    trainer.predict(Data(2))

print(json.dumps({
    "transformers": transformers.__version__,
    "hooks": HOOKS,
    "training": calls[:training],
    "predict": [name for name, _ in calls[training:]],
}))
