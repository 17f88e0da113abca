#!/usr/bin/env python3
"""Writes tests/corpus/dequant/TYPE.bin: packed blocks, then the float32 values that the Python package gguf reads from them.
Some blocks are what its quantizer makes, some are random bytes, some have adversarial scales: infinite, subnormal, zero, negative.

    tools/make-dequant-fixtures.py        (gguf 0.19.0, numpy)
"""
import pathlib

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType as T
from gguf.quants import dequantize, quantize

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests/corpus/dequant"
# where a block keeps its float16 numbers
SCALES = {T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q8_0: [0], T.Q2_K: [80, 82], T.Q3_K: [108], T.Q4_K: [0, 2],
          T.Q5_K: [0, 2], T.Q6_K: [208], T.IQ1_S: [0], T.IQ1_M: [], T.IQ2_XXS: [0], T.IQ2_XS: [0], T.IQ2_S: [0], T.IQ3_XXS: [0],
          T.IQ3_S: [0], T.IQ4_NL: [0], T.IQ4_XS: [0], T.TQ1_0: [52], T.TQ2_0: [64], T.MXFP4: []}
WILD = [5.9e-8, 65504, -6.1e-5, 0.0, -0.0, np.inf, -np.inf]


def main():
    rng = np.random.default_rng(7)
    OUT.mkdir(parents=True, exist_ok=True)
    for kind, at in SCALES.items():
        block, size = GGML_QUANT_SIZES[kind]
        blocks = 32 if block == 32 else 12
        packed = rng.integers(0, 256, (blocks, size), dtype=np.uint8)
        for k in at:
            packed[:, k:k + 2] = rng.normal(0, 1, (blocks, 1)).astype(np.float16).view(np.uint8)
            for i, v in enumerate(WILD):
                packed[i, k:k + 2] = np.array([v if (i + k) % 2 == 0 or len(at) == 1 else 1.0], np.float16).view(np.uint8)
        if kind == T.MXFP4:
            packed[:4, 0] = [0, 1, 2, 254]
        try:
            packed[-4:] = quantize(rng.normal(0, 0.05, (4, block)).astype(np.float32), kind).reshape(4, size)
        except NotImplementedError:
            pass
        with np.errstate(invalid="ignore"):
            values = dequantize(packed, kind).astype("<f4")
        (OUT / f"{kind.name.lower()}.bin").write_bytes(packed.tobytes() + values.tobytes())


if __name__ == "__main__":
    main()
