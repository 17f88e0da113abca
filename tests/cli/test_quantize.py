"""loom quantize, and matrices quantized on load: what they are is told in numpy, by the formats' definitions."""
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from conftest import MODELS

NF4 = np.array([-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
                -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
                0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0], np.float32)


def nf4(w):
    """The float32 numbers of w's NF4 codes, blocks of 64 of the flat matrix; a last short block divides."""
    out, flat = [], w.reshape(-1)
    middle = (NF4[:-1] + NF4[1:]) / np.float32(2)
    for i in range(0, flat.size, 64):
        b = flat[i:i + 64]
        top = np.abs(b).max()
        safe = max(top, np.float32(1e-38))
        v = b * (np.float32(1) / safe) if b.size == 64 else b / safe
        out.append(NF4[(v[:, None] > middle).sum(1)] * top)
    return np.concatenate(out).reshape(w.shape).astype(np.float32)


def int8(w):
    h = w.astype(np.float16).astype(np.float32)
    top = np.abs(h).max(1, keepdims=True)
    return (np.rint(h * (np.float32(1) / top * np.float32(127))) * top) * np.float32(0.007874015718698502)


def run(loom_bin, *args):
    return subprocess.run([loom_bin, *map(str, args)], capture_output=True, text=True, timeout=120)


def states(loom_bin, tmp_path, model, *flags):
    out = tmp_path / "states.safetensors"
    r = run(loom_bin, "generate", model, "--prompt", "hello there", "--max-tokens", "0", "--out", out, "--capture",
            '{"name": "h", "layers": "all", "positions": "all"}', *flags)
    assert r.returncode == 0, r.stderr
    return load_file(out)["captures.h"]


@pytest.mark.parametrize("mode,make", [("4bit", nf4), ("8bit", int8)])
@pytest.mark.parametrize("name", ["qwen3-moe-stacked", "qwen3-moe", "gpt-oss"])
def test_experts_are_quantized_on_load(loom_bin, tmp_path, name, mode, make):
    """The states are those of float32 files with the numbers that the codes stand for; stacked experts are a matrix each."""
    folder, wide = MODELS / name, tmp_path / name
    shutil.copytree(folder, wide)
    weights = load_file(folder / "model.safetensors")
    for key, w in weights.items():
        if re.search(r"experts\.(gate_up_proj|down_proj)$", key):
            turned = name == "gpt-oss"
            planes = [make(np.ascontiguousarray(p.T if turned else p, np.float32)) for p in w]
            weights[key] = np.ascontiguousarray(np.stack([p.T if turned else p for p in planes]))
        elif w.ndim == 2 and re.search(r"\.(self_attn|mlp)\..*_proj\.weight$", key):
            weights[key] = make(w.astype(np.float32))
    save_file({k: w.astype(np.float32) for k, w in weights.items()}, wide / "model.safetensors")
    got = states(loom_bin, tmp_path, folder, "--quantization", mode)
    assert np.array_equal(got, states(loom_bin, tmp_path, wide))
    assert not np.array_equal(got, states(loom_bin, tmp_path, folder))
