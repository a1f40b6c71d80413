"""Golden values of GGUF's tensor types, test/golden/gguf/golden.json.

    python make_golden.py FOLDER_OF_LIBGGML > golden.json

Needs gguf 0.19 (llama.cpp's gguf-py: quantize and dequantize of q8_0, q4_0 and bf16, dequantize of the K types) and, for
the bytes of the K types, libggml-base.so of llama.cpp (in @node-llama-cpp/linux-x64, bins/linux-x64), by ctypes.
Both are written to bytes in base64; values are float32, little-endian.
"""
import base64, ctypes, glob, json, sys
import numpy as np
from gguf import GGMLQuantizationType as T, quants

ggml = ctypes.CDLL(glob.glob(sys.argv[1] + '/libggml-base*')[0])
ggml.ggml_quantize_chunk.restype = ctypes.c_size_t
ggml.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p] + [ctypes.c_int64] * 3 + [ctypes.c_void_p]

rng = np.random.default_rng(15)
blocks = [rng.normal(0, 0.02, 1536), rng.standard_t(3, 256) * 0.1, np.zeros(256), np.linspace(-1, 1, 256),
          np.abs(rng.normal(0, 1, 256)), rng.normal(0, 1, 256) * np.repeat(10.0 ** np.arange(-4, 4), 32),
          np.concatenate([np.full(32, 1e-30), np.full(32, -3.0), np.full(32, 0.5), np.arange(-16, 16) / 8,
                          rng.normal(0, 1e-9, 128)])]
x = np.concatenate(blocks).astype(np.float32)
text = lambda a: base64.b64encode(np.ascontiguousarray(a).tobytes()).decode()
out = {'values': text(x), 'types': {}}
for name in ('F16', 'BF16', 'Q8_0', 'Q4_0', 'Q4_K', 'Q5_K', 'Q6_K'):
    t = T[name]
    if name.endswith('K'):
        size = x.size // 256 * {'Q4_K': 144, 'Q5_K': 176, 'Q6_K': 210}[name]
        stored = np.zeros(size, np.uint8)
        done = ggml.ggml_quantize_chunk(int(t), x.ctypes.data, stored.ctypes.data, 0, x.size // 256, 256, None)
        assert done == size
        stored = stored.reshape(1, -1)
    else:
        stored = quants.quantize(x.reshape(1, -1), t)
    out['types'][name] = {'bytes': text(stored.view(np.uint8)), 'decoded': text(quants.dequantize(stored, t).astype(np.float32))}
json.dump(out, sys.stdout)
