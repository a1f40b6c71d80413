"""One optimizer step of Hugging Face's GPT-2 per line on stdin, `full` or `lora`; its time in ms on stdout.

The same step as `steps` in gpt2.ts: 124,439,808 random float32 weights, 4 x 192 tokens, no dropout, clipping, AdamW.
"""

import sys
import time

import peft
import torch
from transformers import GPT2Config, GPT2LMHeadModel

SHAPE = (4, 192)


def make(kind):
    torch.manual_seed(0)
    config = GPT2Config(resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0)
    model = GPT2LMHeadModel(config)
    if kind == "lora":
        lora = peft.LoraConfig(r=8, lora_alpha=8, target_modules=["c_attn"], fan_in_fan_out=True)
        model = peft.get_peft_model(model, lora)
    model.train()
    trained = [p for p in model.parameters() if p.requires_grad]
    return model, trained, torch.optim.AdamW(trained, lr=1e-5, weight_decay=0.01)


def step(model, trained, optimizer, ids):
    optimizer.zero_grad(set_to_none=True)
    model(input_ids=ids, labels=ids).loss.backward()
    torch.nn.utils.clip_grad_norm_(trained, 1.0)
    optimizer.step()


def main():
    torch.set_num_threads(int(sys.argv[1]))
    count = SHAPE[0] * SHAPE[1]
    ids = (torch.arange(count) * 7919 % 50257).reshape(SHAPE)
    made = {}
    print("ready", flush=True)
    for line in sys.stdin:
        kind = line.strip()
        if kind not in made:
            made.clear()
            made[kind] = make(kind)
        started = time.perf_counter()
        step(*made[kind], ids)
        print(1000 * (time.perf_counter() - started), flush=True)


main()
