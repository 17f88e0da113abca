#!/usr/bin/env python3
"""Writes src/quant/iq_tables.c: the grids that ggml's IQ1, IQ2 and IQ3 blocks index, read from the Python package gguf.

    tools/make-iq-tables.py > src/quant/iq_tables.c        (gguf 0.19.0, numpy)
"""
import numpy as np
from gguf import quants as Q

HEAD = """/* iq_tables.c: the grids of ggml's IQ1, IQ2 and IQ3 block types, as facts of the format. Made by tools/make-iq-tables.py.
 * An entry holds eight levels of two bits (IQ1, IQ2) or four of three bits (IQ3), the first lowest; gguf_grids.c says what a level is. */
#include "iq_tables.h"
"""


def table(name, cls, bits):
    cls.init_grid()
    grid = cls.grid.reshape(cls.grid_shape)
    levels = {float(v): i for i, v in enumerate(cls.grid_map)}
    words = [sum(levels[float(v)] << bits * i for i, v in enumerate(row)) for row in grid]
    print(f"\nconst uint16_t loom_grid_{name}[{len(words)}] = {{")
    for i in range(0, len(words), 16):
        print("\t" + " ".join(f"0x{w:04x}," for w in words[i:i + 16]))
    print("};")


def main():
    print(HEAD, end="")
    for name, cls, bits in (("iq2_xxs", Q.IQ2_XXS, 2), ("iq2_xs", Q.IQ2_XS, 2), ("iq2_s", Q.IQ2_S, 2), ("iq3_xxs", Q.IQ3_XXS, 3),
                            ("iq3_s", Q.IQ3_S, 3), ("iq1", Q.IQ1_S, 2)):
        table(name, cls, bits)
    signs = np.frombuffer(Q.IQ2_XXS.ksigns, dtype=np.uint8)
    parity = [i | (bin(i).count("1") & 1) << 7 for i in range(128)]
    assert parity == list(signs)  # seven signs, the eighth makes their number even: no table needed


if __name__ == "__main__":
    main()
