#!/usr/bin/env python3
"""What compute "bf16" costs in accuracy: hidden states and logits of a model in both modes, over a few texts.

  usage: tools/compare-compute.py LOOM_BIN MODEL [TEXTFILE]
For each layer: the largest difference of any element over the layer's largest magnitude, and the median over rows of |difference| / |row| (both
lengths). Then how often the most likely next token is the same. Needs numpy and safetensors.
"""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

TEXTS = ["The theory of numbers has a long history. In the third century, Diophantus wrote down problems whose solutions were to be whole numbers, and",
         "def fibonacci(n):\n    a, b = 0, 1\n    for _ in range(n):\n        a, b = b, a + b\n    return a\n\nprint(fibonacci(10))\n",
         "Paris ist die Hauptstadt Frankreichs, und die Stadt liegt an der Seine. Wer sie besucht, der",
         "Question: If a train travels 60 miles in an hour and a half, what is its average speed? Answer: The train's average speed is"]


def capture(loom, model, text, compute, spec):
    with tempfile.TemporaryDirectory() as d:
        out = Path(d) / "s.safetensors"
        cmd = [loom, "generate", model, "--prompt", text, "-n", "0", "--no-hidden-states", "--capture", json.dumps(spec), "--out", str(out), "--device",
               "cpu", "--compute", compute]
        subprocess.run(cmd, check=True, capture_output=True, text=True)
        return load_file(out)["captures." + spec["site"]]


def states(loom, model, text, compute):
    hidden = capture(loom, model, text, compute, dict(site="hidden", layers="all", positions="all"))
    logits = capture(loom, model, text, compute, dict(site="logits", positions="all"))
    return hidden, logits.reshape(-1, logits.shape[-1])


def main():
    loom, model = sys.argv[1:3]
    texts = [x for x in Path(sys.argv[3]).read_text().split("\n") if x] if len(sys.argv) > 3 else TEXTS
    worst, rows, same, total, sure, sure_total, shift = [], [], 0, 0, 0, 0, []
    for text in texts:
        (h0, z0), (h1, z1) = states(loom, model, text, "float32"), states(loom, model, text, "bf16")
        worst.append(np.abs(h1 - h0).max(axis=(1, 2)) / np.abs(h0).max(axis=(1, 2)))
        rows.append(np.linalg.norm(h1 - h0, axis=2) / np.linalg.norm(h0, axis=2))
        a, b = z0.argmax(1), z1.argmax(1)
        p = np.exp(z0 - z0.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        clear = p.max(1) > 0.5
        same, total, sure, sure_total = same + int((a == b).sum()), total + len(a), sure + int((a == b)[clear].sum()), sure_total + int(clear.sum())
        shift.append(np.abs(z1 - z0).max(1))
    rows, worst = np.concatenate(rows, axis=1), np.max(worst, axis=0)
    for i in range(rows.shape[0]):
        print(f"hidden {i:3d}: largest difference {worst[i]:.2e} of the layer's largest magnitude; rows differ by {np.median(rows[i]):.2e} (median), "
              f"{rows[i].max():.2e} (worst) of their length")
    print(f"most likely next token the same: {same} of {total} ({100 * same / total:.1f} %); where it has more than half the probability: {sure} of {sure_total}")
    print(f"largest change of a logit at a position: median {np.median(np.concatenate(shift)):.3f}")


if __name__ == "__main__":
    main()
