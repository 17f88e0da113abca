#!/usr/bin/env python3
"""Writes tests/corpus/dequant/TYPE.bin: packed blocks, then the float32 values that the Python package gguf reads from them.

    tools/make-dequant-fixtures.py        (gguf 0.19.0, numpy)
"""
import pathlib

import numpy as np
from gguf import GGMLQuantizationType as T
from gguf.quants import dequantize, quantize

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests/corpus/dequant"
BYTES = {T.Q4_0: 18, T.Q4_1: 20, T.Q5_0: 22, T.Q5_1: 24, T.Q8_0: 34}


def main():
    rng = np.random.default_rng(7)
    OUT.mkdir(parents=True, exist_ok=True)
    for kind, size in BYTES.items():
        real = quantize(rng.normal(0, 0.05, (8, 32)).astype(np.float32), kind).reshape(8, size)
        wild = rng.integers(0, 256, (24, size), dtype=np.uint8)
        scales = 2 if kind in (T.Q4_1, T.Q5_1) else 1
        # any scale that is finite, subnormal ones and negative ones too
        wild[:, :2 * scales] = rng.normal(0, 1, (24, scales)).astype(np.float16).view(np.uint8)
        wild[0, :2] = np.array([5.9e-8], np.float16).view(np.uint8)
        wild[1, :2] = np.array([65504], np.float16).view(np.uint8)
        packed = np.concatenate([real, wild])
        values = dequantize(packed, kind).astype("<f4")
        (OUT / f"{kind.name.lower()}.bin").write_bytes(packed.tobytes() + values.tobytes())


if __name__ == "__main__":
    main()
