"""Makes golden.safetensors: one input and what blockwise.py makes of it. Run: python make.py (numpy, scipy, torch, safetensors)."""

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

import blockwise as bw

HERE = Path(__file__).parent
F = np.float32
rng = np.random.default_rng(3)

# 300 blocks of 64, so that the scales of scales have two blocks, one of them short; then an odd rest.
x = (rng.standard_normal(300 * 64 + 37) * 0.02).astype(F)
x = (x.view(np.uint32) & 0xFFFF0000).view(F)  # as bfloat16 has them
x[0:64] = 0  # a block of zeros
x[64:128] *= F(1000)  # an outlier block
x[128] = F(3)  # one outlier in a block
x[192:256] = F(-0.5)  # all equal
nf4 = bw.nf4_code()
x[256:271] = (nf4[:-1] + nf4[1:]) / F(2)  # exact ties, since 1 is the largest
x[271:320] = 1
fp4 = np.sort(bw.fp4_code()[:8])
x[320:327] = (fp4[:-1] + fp4[1:]) / F(2)
x[327:334] = -x[320:327]
x[334:384] = -1

arrays = {"input": x, "nf4.code": nf4, "fp4.code": bw.fp4_code(), "dynamic.code": bw.dynamic_code()}
for kind in ("nf4", "fp4"):
    for block in (64, 256, 4096):
        codes, absmax = bw.quantize4(x, kind, block)
        arrays[f"{kind}.{block}.packed"] = bw.pack(codes)
        arrays[f"{kind}.{block}.absmax"] = absmax
codes, absmax = bw.quantize4(x, "nf4", 64)
scale_codes, nested_absmax, offset = bw.quantize_scales(absmax)
arrays["nested.absmax"] = scale_codes
arrays["nested.nested_absmax"] = nested_absmax
arrays["nested.offset"] = np.array([offset], dtype=F)
arrays["nested.restored"] = bw.restore(codes, bw.restore_scales(scale_codes, nested_absmax, offset), nf4, 64)[:2048]
arrays["fp4.64.restored"] = bw.round_trip(x, "fp4")[:2048]
for block in (64, 4096):
    arrays[f"int8.{block}.codes"], arrays[f"int8.{block}.absmax"] = bw.quantize_int8(x, block)
arrays["int8.64.restored"] = bw.restore_int8(*bw.quantize_int8(x, 64), 64)[:2048]
save_file(arrays, HERE / "golden.safetensors")
