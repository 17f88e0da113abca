#!/usr/bin/env python3
"""Checks quantized models of real size: states with packed weights against Loom's own float32 run on the dequantized weights (bit for bit), on
every instruction set; against transformers in float32 on what gguf-py (or bitsandbytes' definition) says the weights are; and what compute
int8 costs (relative error a layer, agreement of the first choice).

  usage: tools/check-quant.py LOOM WORK MODEL.gguf      (needs torch, transformers, gguf, safetensors, llama_cpp for making the files)
"""
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import torch
from safetensors.numpy import load_file

TEXTS = ["The capital of France is Paris, and the capital of Italy is Rome.", "def fib(n):\n    return n if n < 2 else fib(n - 1) + fib(n - 2)\n",
         "In 1905 Albert Einstein published four papers that changed physics; the second explained Brownian motion."]


def states(loom, model, *flags, isa=None, logits=False):
    out = []
    capture = [{"name": "h", "site": "hidden", "layers": "all", "positions": "all"}]
    if logits:
        capture.append({"name": "l", "site": "logits", "positions": "all"})
    for text in TEXTS:
        cmd = [loom, "generate", str(model), "--prompt", text, "--max-tokens", "0", "--out", "/tmp/check-quant.safetensors", "--threads", "2", *flags]
        for c in capture:
            cmd += ["--capture", json.dumps(c)]
        env = dict(os.environ, **({"LOOM_CPU": isa} if isa else {}))
        r = subprocess.run(cmd, capture_output=True, text=True, env=env)
        if r.returncode:
            sys.exit(f"{model}: {r.stderr.strip()}")
        t = load_file("/tmp/check-quant.safetensors")
        out.append((t["captures.h"], t.get("captures.l")))
    return out


try:
    import llama_cpp
    SILENT = llama_cpp.llama_log_callback(lambda level, text, data: None)
except ImportError:
    pass


def llama_quantize(source, to, number):
    p = llama_cpp.llama_model_quantize_default_params()
    p.ftype, p.allow_requantize, p.nthread = number, True, 2
    llama_cpp.llama_log_set(SILENT, None)
    assert llama_cpp.llama_model_quantize(str(source).encode(), str(to).encode(), p) == 0


def main():
    loom, work, source = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    work.mkdir(parents=True, exist_ok=True)
    files = {"Q4_1": source}
    for name, number in (("Q8_0", 7), ("Q4_K_M", 15), ("Q6_K", 18), ("Q2_K", 10), ("IQ4_XS", 30)):
        files[name] = work / f"{name}.gguf"
        if not files[name].exists():
            llama_quantize(source, files[name], number)
    from transformers import AutoModelForCausalLM, AutoTokenizer
    for name, file in files.items():
        packed = states(loom, file, logits=True)
        dense = states(loom, file, "--dtype", "float32")
        same = all(np.array_equal(a[0], b[0]) for a, b in zip(packed, dense))
        isas = all(np.array_equal(a[0], b[0]) for isa in ("ref", "avx2") for a, b in zip(packed, states(loom, file, isa=isa)))
        fast = states(loom, file, "--compute", "int8", logits=True)
        layers = np.sqrt(sum(((a[0] - b[0]) ** 2).sum((1, 2)) for a, b in zip(fast, packed)) / sum((b[0] ** 2).sum((1, 2)) for b in packed))
        top1 = np.mean(np.concatenate([(a[1].reshape(-1, a[1].shape[-1]).argmax(1) == b[1].reshape(-1, b[1].shape[-1]).argmax(1)) for a, b in zip(fast, packed)]))
        line = f"{name}: packed == dequantized float32: {same}; ref == avx2 == best: {isas}; int8 error a layer: median {np.median(layers):.4f}, last {layers[-1]:.4f}, top-1 {top1:.3f}"
        try:
            m = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32).eval()
            tok = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
            worst = 0
            for text, (h, _) in zip(TEXTS, packed):
                with torch.no_grad():
                    o = m(tok(text, return_tensors="pt", add_special_tokens=True).input_ids, output_hidden_states=True)
                ref = torch.cat(o.hidden_states).numpy()
                if ref.shape == h.shape:
                    worst = max(worst, (np.abs(ref - h).max((1, 2)) / np.abs(ref).max((1, 2))).max())
                else:
                    worst = f"shapes {ref.shape} {h.shape}"
                    break
            line += f"; transformers float32: {worst if isinstance(worst, str) else format(worst, '.2e')}"
        except Exception as e:  # transformers reads fewer types
            line += f"; transformers: {str(e)[:60]}"
        print(line, flush=True)


if __name__ == "__main__":
    main()
