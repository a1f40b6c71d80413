"""Optimizer steps of Hugging Face's GPT-2, beside those of `steps` in gpt2.ts: 4 x 192 tokens, no dropout, clipping, AdamW.

Arguments: threads, a folder with the model's weights, a folder with LoRA's. Each line on stdin is `full` or `lora` and how
many tokens at the end of each row have a label; the first step of another line is made with fresh weights. The answer is
its time in ms and its loss. `product` answers the GFLOP/s of the best of some float32 products of 768 x 768 matrices.
"""

import sys
import time

import peft
import torch
from transformers import GPT2LMHeadModel, logging

SHAPE = (4, 192)


def make(kind, folder, adapter):
    model = GPT2LMHeadModel.from_pretrained(folder, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0)
    if kind == "lora":
        model = peft.PeftModel.from_pretrained(model, adapter, is_trainable=True)
    model.train()
    trained = [p for p in model.parameters() if p.requires_grad]
    return model, trained, torch.optim.AdamW(trained, lr=1e-5, weight_decay=0.01)


def step(model, trained, optimizer, ids, labels):
    optimizer.zero_grad(set_to_none=True)
    loss = model(input_ids=ids, labels=labels).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(trained, 1.0)
    optimizer.step()
    return loss


def best_product(size=768, products=30):
    a = torch.sin(torch.arange(size * size, dtype=torch.float32)).reshape(size, size)
    best = float("inf")
    for _ in range(products):
        started = time.perf_counter()
        torch.mm(a, a)
        best = min(best, time.perf_counter() - started)
    return 2 * size**3 / best / 1e9


def main():
    threads, folder, adapter = sys.argv[1:]
    torch.set_num_threads(int(threads))
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    count = SHAPE[0] * SHAPE[1]
    ids = (torch.arange(count) * 7919 % 50257).reshape(SHAPE)
    made, used = None, None
    print("ready", flush=True)
    for line in sys.stdin:
        if line.strip() == "product":
            print(best_product(), flush=True)
            continue
        kind, labelled = line.split()
        if line != made:
            used = None
            made, used = line, make(kind, folder, adapter)
        labels = ids.clone()
        labels[:, : SHAPE[1] - int(labelled)] = -100
        started = time.perf_counter()
        loss = step(*used, ids, labels)
        print(1000 * (time.perf_counter() - started), loss.item(), flush=True)


main()
