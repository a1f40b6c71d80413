"""Blockwise quantization in numpy, from its published definition: QLoRA (arXiv:2305.14314, section 3 and appendix E)
for NF4 and double quantization, "8-bit Optimizers via Block-wise Quantization" (arXiv:2110.02861) for the dynamic
8-bit type, bitsandbytes' documentation for code books, nibble order and block sizes. All arithmetic is float32.

Nothing here is fast: every value is compared with every midpoint between neighbouring codes.
"""

import numpy as np
import torch
from scipy.stats import norm

F = np.float32


def nf4_code():
    """The published values; they are quantiles of the normal distribution scaled to [-1, 1] (QLoRA, appendix E)."""
    published = np.array([
        -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
        -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
        0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0], dtype=F)
    negative = norm.ppf(np.linspace(0.9677083, 0.5, 8)[:-1])
    positive = norm.ppf(np.linspace(0.9677083, 0.5, 9)[:-1])
    derived = np.sort(np.concatenate([-negative, [0.0], positive])) / positive.max()
    assert np.abs(derived - published).max() < 1e-6
    return published


def fp4_code():
    """Sign, two bits of exponent, one of fraction, in bitsandbytes' own order; scaled so that 12 is 1."""
    magnitudes = np.array([0, 0.0625, 8, 12, 4, 6, 2, 3], dtype=F) / F(12)
    return np.concatenate([magnitudes, -magnitudes])


def dynamic_code():
    """Signed 8-bit dynamic type: for each power of ten from 1e-6 to 1, twice as many evenly spaced values as before."""
    values = [0.0, 1.0]
    for i in range(7):
        # In PyTorch, whose rounding is part of the definition: numpy's differs in the last bit of 28 values.
        bounds = torch.linspace(0.1, 1, 2**i + 1, dtype=torch.float32)
        means = 10 ** (i - 6) * ((bounds[:-1] + bounds[1:]) / 2)
        values += means.tolist() + (-means).tolist()
    return np.sort(np.array(values, dtype=F))


def blocks_of(x, block):
    return [x[i:i + block] for i in range(0, len(x), block)]


def scale(x, block):
    """Largest magnitude of each block, and every value times the float32 reciprocal of its block's."""
    absmax = np.array([np.abs(b).max() for b in blocks_of(x, block)], dtype=F)
    reciprocal = np.array([F(1) / m if m > 0 else F(0) for m in absmax], dtype=F)
    scaled = x * np.repeat(reciprocal, block)[: len(x)]
    return absmax, np.clip(scaled, F(-1), F(1))


def nearest(scaled, code):
    """Index into an ascending code; a value at the middle of two codes takes the lower."""
    middle = ((code[:-1] + code[1:]) / F(2)).astype(F)
    return (scaled[:, None] > middle[None, :]).sum(1).astype(np.uint8)


def nearest_fp4(scaled):
    """By magnitude, ties to the smaller; the sign bit is set for every value below zero, also where it becomes -0."""
    magnitudes = fp4_code()[:8]
    order = np.argsort(magnitudes)
    return order[nearest(np.abs(scaled), magnitudes[order])].astype(np.uint8) + np.where(scaled < 0, 8, 0).astype(np.uint8)


def pack(codes):
    """Two codes to a byte, the first in the high nibble."""
    codes = np.concatenate([codes, np.zeros(len(codes) % 2, np.uint8)])
    return codes[::2] << 4 | codes[1::2]


def quantize4(x, kind, block):
    absmax, scaled = scale(x, block)
    codes = nearest(scaled, nf4_code()) if kind == "nf4" else nearest_fp4(scaled)
    return codes, absmax


def restore(codes, absmax, code, block):
    return (code[codes] * np.repeat(absmax, block)[: len(codes)]).astype(F)


def quantize_scales(absmax):
    """Double quantization: the mean is taken off, the rest is quantized to the dynamic type in blocks of 256."""
    offset = F(absmax.astype(np.float64).mean())
    nested_absmax, scaled = scale(absmax - offset, 256)
    return nearest(scaled, dynamic_code()), nested_absmax, offset


def restore_scales(codes, nested_absmax, offset):
    return restore(codes, nested_absmax, dynamic_code(), 256) + offset


def quantize_int8(x, block):
    """Absolute maximum to 127; halves go to the even neighbour."""
    absmax = np.array([np.abs(b).max() for b in blocks_of(x, block)], dtype=F)
    factor = np.array([F(127) / m if m > 0 else F(0) for m in absmax], dtype=F)
    return np.rint(x * np.repeat(factor, block)[: len(x)]).astype(np.int8), absmax


def restore_int8(codes, absmax, block):
    return (codes.astype(F) * np.repeat((absmax / F(127)).astype(F), block)[: len(codes)]).astype(F)


def round_trip(x, kind="nf4", block=64, double=False):
    """What a matrix becomes by being quantized and restored."""
    codes, absmax = quantize4(x.ravel(), kind, block)
    if double:
        absmax = restore_scales(*quantize_scales(absmax))
    return restore(codes, absmax, nf4_code() if kind == "nf4" else fp4_code(), block).reshape(x.shape)
