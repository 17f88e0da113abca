#!/usr/bin/env python3
"""Results (bench/peers.py and bench/serve.py --json FILE) as bars, one panel a work, one picture a group.

  usage: bench/plot.py RESULTS.json FOLDER
"""
import json
import sys
from pathlib import Path

import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

COLORS = {"loom": "#1b6ca8", "loom, compute bf16": "#5aa9e6", "loom, compute int8": "#5aa9e6", "torch": "#d1495b", "sentence-transformers": "#d1495b", "llama.cpp": "#7a9e7e",
          "onnxruntime": "#edae49", "FastAPI + transformers": "#8d6a9f"}
GROUPS = {"decoder": ("prefill 512, float32", "prefill 512, bfloat16", "decode, float32", "decode, bfloat16"),
          "quant": ("prefill 512, Q", "decode, Q"), "encoder": ("embed 512 texts", "embed one short text"),
          "server": ("decode, 1 client", "decode, 8", "decode, 32", "embed mixed", "256 tokens", "embed one short text over HTTP")}


def panel(ax, work, rows):
    rows = sorted(rows, key=lambda r: r["who"] != "loom")
    bars = ax.bar(range(len(rows)), [r["value"] for r in rows], color=[COLORS.get(r["who"], "#999999") for r in rows], width=0.7)
    ax.bar_label(bars, fmt="%.4g", fontsize=8)
    ax.set_xticks(range(len(rows)), [r["who"].replace(" + ", "\n+ ").replace(", ", "\n").replace("-", "-\n") for r in rows], fontsize=8)
    better = "lower is better" if rows[0]["unit"] == "ms" else "higher is better"
    ax.set_title(work, fontsize=9)
    ax.set_ylabel(f"{rows[0]['unit']} ({better})", fontsize=8)
    ax.tick_params(axis="y", labelsize=8)
    ax.margins(y=0.12)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)


def main():
    results, folder = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    for name, prefixes in GROUPS.items():
        works = [w for w in dict.fromkeys(r["work"] for r in results["rows"])
                 if w.startswith(prefixes) and not (name == "encoder" and "HTTP" in w) and len([r for r in results["rows"] if r["work"] == w]) > 1]
        if not works:
            continue
        fig, axes = plt.subplots(1, len(works), figsize=(3.4 * len(works), 3.4), squeeze=False)
        for ax, work in zip(axes[0], works):
            panel(ax, work, [r for r in results["rows"] if r["work"] == work])
        dates = sorted({r["date"] for r in results["rows"] if r["work"] in works})
        fig.suptitle(f"{results['machine']}; {', '.join(dates)}", fontsize=8, y=0.02, va="bottom", color="#666666")
        fig.tight_layout(rect=(0, 0.05, 1, 1))
        fig.savefig(folder / f"performance-{name}.png", dpi=80)
        plt.close(fig)


if __name__ == "__main__":
    main()
