#!/usr/bin/env python3
"""Writes tests/corpus/dequant/bnb.bin: float32 numbers and what bitsandbytes makes of them: NF4 in blocks of 64, int8 by rows.

float32 w[8, 100] | uint8 nf4[400] (as it packs them) | float32 absmax[13] | int8 q[8, 100] | float32 scb[8] | float32 map[256] (nested)

    tools/make-bnb-fixture.py        (bitsandbytes 0.50.2, torch)
"""
import pathlib

import bitsandbytes.functional as F
import torch

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests/corpus/dequant/bnb.bin"


def main():
    torch.manual_seed(3)
    w = torch.randn(8, 100) * torch.exp(torch.randn(8, 1))
    w[2] = 0
    w[3, ::2] = 0
    w[4] = 1e-30
    q, state = F.quantize_4bit(w, blocksize=64, quant_type="nf4", compress_statistics=False)
    q8, scb, _ = F.int8_vectorwise_quant(w.to(torch.float16))
    parts = [w, q.reshape(-1), state.absmax, q8, scb.float(), F.create_dynamic_map().float()]
    OUT.write_bytes(b"".join(p.contiguous().cpu().numpy().tobytes() for p in parts))
    print([tuple(p.shape) for p in parts])


if __name__ == "__main__":
    main()
