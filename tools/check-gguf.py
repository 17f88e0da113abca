#!/usr/bin/env python3
"""Beside llama.cpp: check-gguf.py LOOM WORK [MODEL ...]: each folder (default: those of tests/models) is made a float32 GGUF file by `loom quantize`,
llama.cpp (llama-cpp-python) loads it, and its greedy tokens, or the vectors of its encoder, are compared with what Loom gives for the folder itself.
One line a model; those that can't be written are told with Loom's reason. A model runs in a process of its own, since ggml aborts on what it can't do."""
import json
import pathlib
import subprocess
import sys

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent


def greedy(path, ids, n):
    """n tokens after ids, everything in float32; and the smallest gap between the best two logits."""
    import llama_cpp
    from llama_cpp import Llama
    model = Llama(str(path), n_ctx=256, n_batch=256, n_threads=1, type_k=llama_cpp.GGML_TYPE_F32, type_v=llama_cpp.GGML_TYPE_F32, verbose=True)
    model.eval(ids)
    out, gap = [], float("inf")
    while True:
        logits = np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(model.ctx, -1), (model.n_vocab(),))
        order = np.sort(logits)
        out.append(int(logits.argmax()))
        gap = min(gap, float(order[-1] - order[-2]))
        if len(out) == n:
            return dict(tokens=out, gap=gap)
        model.eval(out[-1:])


def rows(path, ids):
    """The rows of an encoder's tokens."""
    import llama_cpp
    from llama_cpp import Llama
    model = Llama(str(path), n_ctx=256, n_threads=1, embedding=True, pooling_type=llama_cpp.LLAMA_POOLING_TYPE_NONE, verbose=True)
    batch = llama_cpp.llama_batch_init(len(ids), 0, 1)
    batch.n_tokens = len(ids)
    for i, t in enumerate(ids):
        batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.logits[i] = t, i, 1, 1
        batch.seq_id[i][0] = 0
    assert llama_cpp.llama_encode(model.ctx, batch) == 0 or llama_cpp.llama_decode(model.ctx, batch) == 0
    get = [np.ctypeslib.as_array(llama_cpp.llama_get_embeddings_ith(model.ctx, i), (model.n_embd(),)).tolist() for i in range(len(ids))]
    return dict(rows=get)


def expected(loom, folder, ids):
    """What the folder itself gives: greedy tokens and, of tiny models, the last layer's rows as transformers computed them."""
    r = subprocess.run([loom, "generate", str(folder), "--prompt-ids", json.dumps(ids), "-n", "12", "--temperature", "0", "--no-hidden-states"],
                       capture_output=True, text=True)
    return json.loads(r.stdout)["token_ids"] if r.returncode == 0 else r.stderr.strip()


def check(loom, work, folder):
    path, file = work / f"{folder.name}.gguf", folder / "expected.safetensors"
    path.unlink(missing_ok=True)
    r = subprocess.run([loom, "quantize", str(folder), str(path), "--type", "f32"], capture_output=True, text=True)
    if r.returncode:
        return "not written: " + r.stderr.strip().removeprefix("loom: ")
    encoder = b"attention.causal" in path.read_bytes()[:1 << 22]
    ids = [5, 17, 60, 99, 33, 120, 7, 81, 44]
    if encoder:
        from safetensors.numpy import load_file
        tiny = load_file(file)
        ids, want = tiny["ids.1"].reshape(-1).tolist(), tiny["hidden.1"][-1]
    else:
        want = expected(loom, folder, ids)
    r = subprocess.run([sys.executable, __file__, "--one", str(path), "rows" if encoder else "greedy", json.dumps(ids)], capture_output=True, text=True)
    if r.returncode:
        lines = [line for line in r.stderr.strip().split("\n") if "error loading model" in line or "GGML_ASSERT" in line or "Error" in line]
        return "llama.cpp fails: " + (lines or ["?"])[0][:160]
    got = json.loads(r.stdout.strip().split("\n")[-1])
    if encoder:
        off = np.abs(np.array(got["rows"]) - want).max() / np.abs(want).max()
        return f"rows differ by {off:.1e} of the largest" if off > 1e-3 else f"ok, rows within {off:.1e}"
    n = len(want)
    if got["tokens"][:n] != want:
        return f"tokens differ (the best two logits are {got['gap']:.1e} apart): {got['tokens'][:n]}, expected {want}"
    return f"ok, {n} tokens"


def main():
    loom, work = sys.argv[1], pathlib.Path(sys.argv[2])
    work.mkdir(parents=True, exist_ok=True)
    folders = [pathlib.Path(p) for p in sys.argv[3:]] or sorted(p for p in (ROOT / "tests/models").iterdir() if p.is_dir())
    for folder in folders:
        print(f"{folder.name}: {check(loom, work, folder)}", flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "--one":
        print(json.dumps(greedy(sys.argv[2], json.loads(sys.argv[4]), 12) if sys.argv[3] == "greedy" else rows(sys.argv[2], json.loads(sys.argv[4]))))
        sys.exit(0)
    main()
