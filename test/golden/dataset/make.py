"""Data files as programs and people leave them, what Hugging Face datasets reads from them, Parquet files by
pyarrow, and numbers of sfc32 by an independent implementation.

Run from anywhere with pyarrow and datasets 5.0 installed: python test/golden/dataset/make.py
Writes records-*.parquet, pages.json, files.json, and random.json beside this file.
"""
import base64
import datetime
import decimal
import gzip
import json
import tempfile
from pathlib import Path

import datasets

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
    for codec in ["snappy", "gzip", "none", "zstd", "lz4", "brotli"]:
        pq.write_table(table, HERE / f"records-{codec}.parquet", compression=codec, row_group_size=2)
    types = pa.table(
        {
            "big": pa.array([2**53 + 1, 1], pa.int64()),
            "unsigned": pa.array([2**63 + 5, 1], pa.uint64()),
            "price": pa.array([decimal.Decimal("1.10"), decimal.Decimal("-0.05")], pa.decimal128(10, 2)),
            "wide": pa.array([decimal.Decimal("12345678901234567890.12"), None], pa.decimal128(30, 2)),
            "naive": pa.array([1704164645678901, -1], pa.timestamp("us")),
            "utc": pa.array([1, None], pa.timestamp("ns", tz="UTC")),
            "day": pa.array([datetime.date(2024, 2, 29), datetime.date(1969, 12, 31)]),
            "clock": pa.array([datetime.time(1, 2, 3, 4), None], pa.time64("us")),
            "raw": pa.array([b"\x00\xff", b"ok"], pa.binary()),
            "map": pa.array([[("k", decimal.Decimal("2.50"))], []], pa.map_(pa.string(), pa.decimal128(5, 2))),
            "nested": pa.array([[[datetime.date(2024, 1, 1)], [None]], None], pa.list_(pa.list_(pa.date32()))),
            "turns": pa.array([[{"role": "user", "at": 1}], []], pa.list_(pa.struct([("role", pa.string()), ("at", pa.timestamp("ms"))]))),
        }
    )
    pq.write_table(types, HERE / "records-types.parquet")


def write_pages():
    """Row groups of several small pages, with a page index and without; lists do not say in version 1 which rows a page has."""
    flat = pa.table(
        {
            "text": [None if i % 7 == 3 else f"text {i} " + "é" * (i % 5) for i in range(60)],
            "word": [["sled", "row", "run"][i % 3] for i in range(60)],
            "n": pa.array([None if i % 11 == 5 else i for i in range(60)], pa.int64()),
        }
    )
    turns = flat.append_column("turns", pa.array([[{"role": "user", "content": f"t{i}"}] * (i % 4) for i in range(60)]))
    kinds = {
        "flat": (flat, {}),
        "version-2": (turns, dict(data_page_version="2.0")),
        "index": (turns, dict(write_page_index=True)),
        "lists": (turns, {}),
    }
    for kind, (table, options) in kinds.items():
        pq.write_table(table, HERE / f"records-pages-{kind}.parquet", row_group_size=40, write_batch_size=5, data_page_size=1, **options)
    (HERE / "pages.json").write_text(json.dumps(turns.to_pylist()) + "\n")


ROWS = [{"input": f"q{i}", "context": f"c{i}", "response": f"a{i}"} for i in range(3)]
LINES = [json.dumps(row) for row in ROWS]
HEADER = "input,context,response"

# Name -> bytes. Where datasets reads a file differently from what its author meant, the test has the right value.
FILES = {
    "header-lf-rows-crlf.csv": f"{HEADER}\nq0,c0,a0\r\nq1,c1,a1\r\n",
    "header-crlf-rows-lf.csv": f"{HEADER}\r\nq0,c0,a0\nq1,c1,a1\n",
    "cr-only.csv": f"{HEADER}\rq0,c0,a0\rq1,c1,a1\r",
    "mixed.csv": f"{HEADER}\r\nq0,c0,a0\nq1,c1,a1\rq2,c2,a2",
    "crlf-quoted.csv": f'{HEADER}\r\nq0,"line1\r\nline2","a0"\r\nq1,c1,a1\r\n',
    "quoted-newline.csv": f'{HEADER}\nq0,"line1\nline2, with comma","say ""hi"""\nq1,c1,a1\n',
    "bom.csv": f"\ufeff{HEADER}\nq0,c0,a0\n",
    "index-col.csv": f",{HEADER}\n0,q0,c0,a0\n1,q1,c1,a1\n",
    "quote-mid.csv": f'{HEADER}\nq0,he ran 5" fast,a0\nq1,c1,a1\n',
    "cr-only.jsonl": "\r".join(LINES) + "\r",
    "mixed.jsonl": f"{LINES[0]}\r\n{LINES[1]}\n{LINES[2]}",
    "crlf-blank.jsonl": f"{LINES[0]}\r\n\r\n{LINES[1]}\r\n  \r\n{LINES[2]}\r\n\r\n",
    "bom.jsonl": "\ufeff" + "\n".join(LINES),
    "u2028.jsonl": json.dumps({"response": "a\u2028b\u2029c\x85d\ufeffe"}, ensure_ascii=False) + "\n",
    "proto.jsonl": '{"input":"q","__proto__":{"response":"x"},"context":"c"}\n{"input":"q","context":"c","response":"ok","constructor":"z"}\n',
    "pretty.json": json.dumps(ROWS, indent=2),
    "field.json": json.dumps({"version": 1, "data": ROWS}),
    "rows.jsonl.gz": gzip.compress("\n".join(LINES).encode(), mtime=0),
    "rows.csv.gz": gzip.compress(f"{HEADER}\r\nq0,c0,a0\r\n".encode(), mtime=0),
    "rows.json.gz": gzip.compress(json.dumps(ROWS).encode(), mtime=0),
    "alpaca.jsonl": '{"instruction":"Name a drill","input":"rowing","output":"Pause."}\n{"instruction":"Name a drill","input":"","output":"Strides."}\n',
}


def write_files():
    datasets.disable_progress_bars()
    expected = {}
    for name, content in FILES.items():
        content = content if isinstance(content, bytes) else content.encode()
        more = {"field": "data"} if name == "field.json" else {}
        kind = "csv" if ".csv" in name else "json"
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / name
            file.write_bytes(content)
            loaded = datasets.load_dataset(kind, data_files=str(file), split="train", cache_dir=f"{folder}/cache", **more)
            records = [{key: value for key, value in row.items() if value is not None} for row in loaded]
        # In base64, so that no editor or git changes the line ends.
        expected[name] = {"base64": base64.b64encode(content).decode(), "records": records}
    (HERE / "files.json").write_text(json.dumps(expected, indent=1) + "\n")


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
    write_pages()
    write_files()
    cases = [{"seeds": seeds, "values": sfc32(json.dumps(seeds, separators=(",", ":")), 8)} for seeds in ([42], [0], ["split", 42], [])]
    (HERE / "random.json").write_text(json.dumps(cases) + "\n")


main()
