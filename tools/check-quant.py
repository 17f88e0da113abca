#!/usr/bin/env python3
"""Checks quantized models of real size: states with packed weights against Loom's own float32 run on the dequantized weights (bit for bit), on
every instruction set; against transformers in float32 on what gguf-py (or bitsandbytes' definition) says the weights are; and what compute
int8 costs (relative error a layer, agreement of the first choice).

With FOLDER, a float32 folder of safetensors: what 4bit and 8bit make of it on load, against Loom's float32 run on the dequantized weights (bit for bit)
and transformers in float32 on them; what llm.int8 gives for a layer beside bitsandbytes, a row at a time; and what loom quantize makes of it: each GGUF type
on the numbers that gguf-py reads in the file, nf4 and nf4-double on those that bitsandbytes reads, against Loom's float32 run on them (bit for bit).

  usage: tools/check-quant.py LOOM WORK MODEL.gguf [FOLDER]     (needs torch, transformers, gguf, safetensors, llama_cpp for making the files,
                                                                 bitsandbytes for FOLDER)
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


def error(fast, exact):
    layers = np.sqrt(sum(((a[0] - b[0]) ** 2).sum((1, 2)) for a, b in zip(fast, exact)) / sum((b[0] ** 2).sum((1, 2)) for b in exact))
    top1 = np.mean(np.concatenate([(a[1].reshape(-1, a[1].shape[-1]).argmax(1) == b[1].reshape(-1, b[1].shape[-1]).argmax(1)) for a, b in zip(fast, exact)]))
    return f"error a layer: median {np.median(layers):.4f}, last {layers[-1]:.4f}, top-1 {top1:.3f}"


def dequantized(folder, to, mode):
    """The folder with each matrix of a block as bitsandbytes' code and scales stand for it."""
    import shutil
    import bitsandbytes.functional as F
    from safetensors.torch import load_file as load, save_file as save
    if to.exists():
        shutil.rmtree(to)
    shutil.copytree(folder, to)
    w = load(folder / "model.safetensors")
    for key, v in w.items():
        if not key.endswith("_proj.weight"):
            continue
        if mode == "4bit":  # flat: the CPU kernel of 0.50.2 misplaces the scales of a matrix whose rows are no whole blocks
            q, state = F.quantize_4bit(v.float().reshape(-1), blocksize=64, quant_type="nf4", compress_statistics=False)
            w[key] = F.dequantize_4bit(q, state).reshape(v.shape).contiguous()
        else:
            q, scb, _ = F.int8_vectorwise_quant(v.to(torch.float16))
            w[key] = (q.float() * scb.float()[:, None] * np.float32(0.007874015718698502)).contiguous()
    save(w, to / "model.safetensors", metadata={"format": "pt"})
    return to


def check_llm_int8(loom, folder):
    """mlp_out of mlp_act, each row by itself, by bitsandbytes' own operators."""
    from safetensors.torch import load_file as load
    out, worst, outliers = "/tmp/check-quant.safetensors", 0, 0
    capture = [json.dumps(dict(name=s, site=s, layers="all", positions="all")) for s in ("mlp_act", "mlp_out")]
    r = subprocess.run([loom, "generate", str(folder), "--prompt", TEXTS[2], "--max-tokens", "0", "--out", out, "--quantization", "8bit", "--compute", "llm.int8",
                        "--capture", capture[0], "--capture", capture[1]], capture_output=True, text=True)
    if r.returncode:
        sys.exit(r.stderr)
    t, w, ops = load_file(out), load(folder / "model.safetensors"), torch.ops.bitsandbytes
    for layer in range(len(t["captures.mlp_act"])):
        q, scb, _ = ops.int8_vectorwise_quant(w[f"model.layers.{layer}.mlp.down_proj.weight"].to(torch.float16))
        for x, y in zip(torch.from_numpy(t["captures.mlp_act"][layer]), t["captures.mlp_out"][layer]):
            a, s, columns = ops.int8_vectorwise_quant(x[None].to(torch.float16), threshold=6.0)
            want, _ = ops.int8_mixed_scaled_mm(x[None], a, q, s, scb, columns, None)
            outliers += len(columns)
            worst = max(worst, np.abs(want[0].numpy() - y).max() / np.abs(y).max())
    print(f"llm.int8 beside bitsandbytes, {t['captures.mlp_out'].shape[0]} layers' down_proj a row at a time ({outliers} outliers): {worst:.2e} of a row's largest", flush=True)


def on_load(loom, work, folder):
    from transformers import AutoModelForCausalLM, AutoTokenizer
    for mode in ("4bit", "8bit"):
        packed = states(loom, folder, "--quantization", mode, logits=True)
        wide = dequantized(folder, work / f"dequantized-{mode}", mode)
        same = all(np.array_equal(a[0], b[0]) for a, b in zip(packed, states(loom, wide)))
        isas = all(np.array_equal(a[0], b[0]) for isa in ("ref", "avx2") for a, b in zip(packed, states(loom, folder, "--quantization", mode, isa=isa)))
        m = AutoModelForCausalLM.from_pretrained(wide, dtype=torch.float32).eval()
        tok, worst = AutoTokenizer.from_pretrained(wide), 0
        for text, (h, _) in zip(TEXTS, packed):
            with torch.no_grad():
                ref = torch.cat(m(tok(text, return_tensors="pt").input_ids, output_hidden_states=True).hidden_states).numpy()
            worst = max(worst, (np.abs(ref - h).max((1, 2)) / np.abs(ref).max((1, 2))).max())
        print(f"{mode} on load: packed == float32 run on the dequantized: {same}; ref == avx2 == best: {isas}; transformers float32 on them: {worst:.2e}", flush=True)
        for compute in ("int8", "llm.int8")[:1 + (mode == "8bit")]:
            print(f"{mode} on load, compute {compute}: " + error(states(loom, folder, "--quantization", mode, "--compute", compute, logits=True), packed), flush=True)
    check_llm_int8(loom, folder)


def gguf_numbers(file, wide, to):
    """wide, a float32 GGUF of the same model, with what gguf-py says that the tensors of file are."""
    import shutil
    import gguf
    shutil.copy(wide, to)
    values = {t.name: gguf.dequantize(t.data, t.tensor_type) for t in gguf.GGUFReader(file).tensors}
    for t in gguf.GGUFReader(to, "r+").tensors:
        t.data[:] = values[t.name].reshape(t.data.shape)
    return to


def bnb_numbers(folder, packed, to):
    """The float folder with what bitsandbytes says that the packed one's matrices are."""
    import shutil
    import bitsandbytes.functional as F
    from safetensors.torch import load_file as load, save_file as save
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(folder, to)
    w, p = load(folder / "model.safetensors"), load(packed / "model.safetensors")
    for key, v in w.items():
        state = {k: t for k, t in p.items() if k.startswith(key + ".")}
        if state:
            q = F.QuantState.from_dict(state, device=torch.device("cpu"))
            q.shape = torch.Size([v.numel()])  # flat, as above
            w[key] = F.dequantize_4bit(p[key], q).float().reshape(v.shape).contiguous()
    save(w, to / "model.safetensors", metadata={"format": "pt"})
    return to


def same_states(loom, a, b):
    return all(np.array_equal(x[0], y[0]) for x, y in zip(states(loom, a), states(loom, b)))


def written(loom, work, folder):
    """What loom quantize writes, by the numbers that other packages read in it."""
    wide = work / "wide.gguf"
    for kind in ("f32", "q8_0", "q6_k", "q5_k", "q4_k", "q5_1", "q5_0", "q4_1", "q4_0"):
        out = work / f"written-{kind}.gguf" if kind != "f32" else wide
        out.unlink(missing_ok=True)
        subprocess.run([loom, "quantize", str(folder), str(out), "--type", kind], check=True)
        same = same_states(loom, out, folder if kind == "f32" else gguf_numbers(out, wide, work / "numbers.gguf"))
        print(f"loom quantize --type {kind}: runs as {'the folder does' if kind == 'f32' else 'gguf-py reads it'}: {same}", flush=True)
    for kind in ("nf4", "nf4-double"):
        import shutil
        shutil.rmtree(work / kind, ignore_errors=True)
        subprocess.run([loom, "quantize", str(folder), str(work / kind), "--type", kind], check=True)
        print(f"loom quantize --type {kind}: runs as bitsandbytes reads it: {same_states(loom, work / kind, bnb_numbers(folder, work / kind, work / 'numbers'))}", flush=True)


def main():
    loom, work, source = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    work.mkdir(parents=True, exist_ok=True)
    if len(sys.argv) > 4:
        on_load(loom, work, pathlib.Path(sys.argv[4]))
        written(loom, work, pathlib.Path(sys.argv[4]))
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
        line = f"{name}: packed == dequantized float32: {same}; ref == avx2 == best: {isas}; int8 {error(fast, packed)}"
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
