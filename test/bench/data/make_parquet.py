"""A Parquet file, or a folder of them, for `npm run bench -- stream --folder OUT`: records { text } of 1,000 letters that do
not compress, in row groups of 128 MB, as pyarrow writes them.
Run: python make_parquet.py OUT GIGABYTES [--shards N] [--page-index] (pyarrow, numpy). With --shards OUT is a folder;
--page-index says where each page is, as `datasets` writes files for the hub.
"""

import argparse
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

LETTERS, GROUP = 1000, 128_000
ALPHABET = np.frombuffer(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .", np.uint8)
asked = argparse.ArgumentParser()
asked.add_argument("out", type=Path)
asked.add_argument("gigabytes", type=float)
asked.add_argument("--shards", type=int)
asked.add_argument("--page-index", action="store_true")
asked = asked.parse_args()

schema = pa.schema([("text", pa.string())])
pool = ALPHABET[np.random.default_rng(7).integers(0, len(ALPHABET), GROUP * LETTERS + LETTERS)]
offsets = pa.py_buffer(np.arange(GROUP + 1, dtype=np.int32) * LETTERS)
groups = round(asked.gigabytes * 1e9 / (GROUP * LETTERS))
files = [asked.out] if asked.shards is None else [asked.out / f"part-{i:03}.parquet" for i in range(asked.shards)]
files[0].parent.mkdir(parents=True, exist_ok=True)
for number, file in enumerate(files):
    with pq.ParquetWriter(file, schema, compression="snappy", write_page_index=asked.page_index) as writer:
        for group in range(number, groups, len(files)):
            # Other records in each group, from the same letters.
            letters = pa.py_buffer(pool[group : group + GROUP * LETTERS].tobytes())
            texts = pa.StringArray.from_buffers(GROUP, offsets, letters)
            writer.write_table(pa.table([texts], schema=schema), row_group_size=GROUP)
print(sum(file.stat().st_size for file in files), "bytes,", groups * GROUP, "records,", len(files), "files")
