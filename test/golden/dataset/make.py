"""Parquet files by pyarrow, and numbers of sfc32 by an independent implementation.

Run from anywhere with pyarrow installed: python test/golden/dataset/make.py
Writes records-{snappy,gzip,none}.parquet and random.json beside this file.
"""
import datetime
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).parent
MASK = 0xFFFFFFFF


def write_parquet():
    table = pa.table(
        {
            "question": ["How fast?", "¿Qué tal? 😀", None, "four", "five"],
            "answer": ["Fast.", "Bien.", "three", "", "fifth"],
            "seconds": pa.array([3407, 2**60, None, -1, 0], pa.int64()),
            "share": pa.array([0.5, -1.25, None, 0.0, 1e-3], pa.float64()),
            "ok": [True, False, None, True, False],
            "day": pa.array([datetime.datetime(2024, 5, 17, 12, 30)] * 5, pa.timestamp("ms")),
            "tags": [["a", "b"], [], None, ["c"], ["d"]],
        }
    )
    for codec in ["snappy", "gzip", "none"]:
        pq.write_table(table, HERE / f"records-{codec}.parquet", compression=codec, row_group_size=2)


def fnv1a(text, offset):
    value = offset
    for unit in text:
        value = ((value ^ ord(unit)) * 0x01000193) & MASK
    return value


def sfc32(text, count):
    """Doty-Humphrey's sfc32 (PractRand), seeded with three FNV-1a hashes of the text, 12 rounds discarded."""
    a, b, c, counter = fnv1a(text, 0x811C9DC5), fnv1a(text, 0x9E3779B9), fnv1a(text, 0x85EBCA6B), 1
    out = []
    for _ in range(count + 12):
        result = (a + b + counter) & MASK
        counter = (counter + 1) & MASK
        a = b ^ (b >> 9)
        b = (c + (c << 3)) & MASK
        c = (((c << 21) | (c >> 11)) & MASK) + result & MASK
        out.append(result)
    return out[12:]


def main():
    write_parquet()
    cases = [{"seeds": seeds, "values": sfc32(json.dumps(seeds, separators=(",", ":")), 8)} for seeds in ([42], [0], ["split", 42], [])]
    (HERE / "random.json").write_text(json.dumps(cases) + "\n")


main()
