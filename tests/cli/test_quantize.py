"""loom quantize, and matrices quantized on load: what they are is told in numpy, by the formats' definitions."""
import json
import re
import shutil
import subprocess

import gguf
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from conftest import MODELS
from gguf import GGMLQuantizationType as Q

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


def floats(path):
    """All tensors in float32; numpy has no bfloat16."""
    raw = path.read_bytes()
    n = int.from_bytes(raw[:8], "little")
    out = {}
    for name, t in json.loads(raw[8:8 + n]).items():
        if name != "__metadata__":
            data = raw[8 + n:][slice(*t["data_offsets"])]
            v = (np.frombuffer(data, np.uint16).astype(np.uint32) << 16).view(np.float32) if t["dtype"] == "BF16" else np.frombuffer(
                data, {"F32": np.float32, "F16": np.float16}[t["dtype"]]).astype(np.float32)
            out[name] = v.reshape(t["shape"])
    return out


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
    weights = floats(folder / "model.safetensors")
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


def wide_gguf(path):
    """A llama of odd sizes: rows of 256 and of 96 (no whole block of 256), a vocabulary of 300."""
    rng, d, f, v = np.random.default_rng(3), 256, 96, 300
    g = gguf.GGUFWriter(path, "llama")
    g.add_block_count(1)
    g.add_context_length(64)
    g.add_embedding_length(d)
    g.add_feed_forward_length(f)
    g.add_head_count(4)
    g.add_layer_norm_rms_eps(1e-5)
    g.add_rope_dimension_count(64)
    g.add_tokenizer_model("gpt2")
    g.add_tokenizer_pre("gpt-2")
    letters = [*"abcdefghijklmnopqrstuvwxyz\u0120", "ab"]
    g.add_token_list(letters + [f"<{i}>" for i in range(len(letters), v)])
    g.add_token_types([gguf.TokenType.NORMAL] * v)
    g.add_token_merges(["a b"])
    b = "blk.0."
    shapes = {"token_embd": (v, d), "output": (v, d), "output_norm": (d,), b + "attn_norm": (d,), b + "ffn_norm": (d,), b + "attn_q": (d, d), b + "attn_k": (d, d),
              b + "attn_v": (d, d), b + "attn_output": (d, d), b + "ffn_gate": (f, d), b + "ffn_up": (f, d), b + "ffn_down": (d, f)}
    out = {n + ".weight": (rng.standard_normal(s) * 0.1 + (len(s) == 1)).astype(np.float32) for n, s in shapes.items()}
    out[b + "attn_q.weight"][0] = 0  # blocks of zeros
    out[b + "attn_k.weight"][0] = 0.25
    for n, w in out.items():
        g.add_tensor(n, w)
    g.write_header_to_file()
    g.write_kv_data_to_file()
    g.write_tensors_to_file()
    g.close()
    return out


# type -> of rows of 96, of the tables, and the most that a matrix may be off (root mean square, of its own)
MADE = {"q8_0": (Q.Q8_0, Q.Q8_0, 0.006), "q6_k": (Q.Q8_0, Q.Q6_K, 0.022), "q5_k": (Q.Q5_1, Q.Q6_K, 0.045), "q4_k": (Q.Q5_0, Q.Q6_K, 0.085),
        "q5_1": (Q.Q5_1, Q.Q6_K, 0.045), "q5_0": (Q.Q5_0, Q.Q6_K, 0.05), "q4_1": (Q.Q4_1, Q.Q6_K, 0.09), "q4_0": (Q.Q4_0, Q.Q6_K, 0.1)}


@pytest.mark.parametrize("kind", MADE)
def test_gguf_out_of_gguf(loom_bin, tmp_path, kind):
    """gguf-py reads it; the simple types are its own bytes, the others near; and Loom runs it as the numbers it stands for."""
    weights, (short, table, most) = wide_gguf(tmp_path / "wide.gguf"), MADE[kind]
    r = run(loom_bin, "quantize", tmp_path / "wide.gguf", tmp_path / "out.gguf", "--type", kind)
    assert r.returncode == 0, r.stderr
    reader = gguf.GGUFReader(tmp_path / "out.gguf")
    assert {t.name for t in reader.tensors} == set(weights)
    for t in reader.tensors:
        w = weights[t.name]
        want = Q.F32 if w.ndim == 1 else table if t.name in ("token_embd.weight", "output.weight") else short if w.shape[1] == 96 else Q[kind.upper()]
        assert t.tensor_type == want, t.name
        got = gguf.dequantize(t.data, t.tensor_type).reshape(w.shape)
        if want in (Q.F32, Q.Q8_0, Q.Q4_0, Q.Q5_0, Q.Q4_1, Q.Q5_1):
            assert np.array_equal(got, w if want == Q.F32 else gguf.dequantize(gguf.quantize(w, want), want)), t.name
        error = np.sqrt(((got - w) ** 2).mean() / (w ** 2).mean())
        assert error <= max(most, 0.022), (t.name, error)
        assert not got[0].any() if t.name == "blk.0.attn_q.weight" else np.isfinite(got).all()
    states_of = [states(loom_bin, tmp_path, tmp_path / "out.gguf", *flags) for flags in ((), ("--dtype", "float32"))]
    assert np.array_equal(*states_of)
    again = run(loom_bin, "quantize", tmp_path / "wide.gguf", tmp_path / "out.gguf", "--type", kind)
    assert again.returncode == 1 and "File exists" in again.stderr


@pytest.mark.parametrize("kind,mode,make", [("nf4", "4bit", nf4), ("int8", "8bit", int8)])
def test_a_folder_for_bitsandbytes(loom_bin, tmp_path, kind, mode, make):
    """Codes and scales stand for what numpy says; opened again it is what loading with that quantization makes."""
    folder = MODELS / "llama-gqa"
    r = run(loom_bin, "quantize", folder, tmp_path / "out", "--type", kind)
    assert r.returncode == 0, r.stderr
    weights, out = load_file(folder / "model.safetensors"), load_file(tmp_path / "out" / "model.safetensors")
    config = json.loads((tmp_path / "out" / "config.json").read_text())["quantization_config"]
    assert config["quant_method"] == "bitsandbytes" and config["load_in_4bit"] == (kind == "nf4")
    assert (tmp_path / "out" / "tokenizer.json").exists()
    n = 0
    for key, w in weights.items():
        if not re.search(r"_proj\.weight$", key):
            assert np.array_equal(out[key], w)
            continue
        n += 1
        stem, got = key[:-len(".weight")], out[key]
        if kind == "int8":
            assert out[stem + ".weight_format"] == 0
            value = got.astype(np.float32) * out[stem + ".SCB"][:, None] * np.float32(0.007874015718698502)
        else:
            state = json.loads(bytes(out[key + ".quant_state.bitsandbytes__nf4"]))
            assert state["shape"] == list(w.shape) and state["blocksize"] == 64 and np.array_equal(out[key + ".quant_map"], NF4)
            codes = np.stack([got >> 4, got & 15], -1).reshape(-1)[:w.size]
            value = (NF4[codes] * np.repeat(out[key + ".absmax"], 64)[:w.size]).reshape(w.shape)
        assert np.array_equal(value, make(w.astype(np.float32)))
    assert n >= 14
    assert np.array_equal(states(loom_bin, tmp_path, tmp_path / "out"), states(loom_bin, tmp_path, folder, "--quantization", mode))


def test_a_folder_with_double_statistics(loom_bin, tmp_path):
    """The scales' codes are the nearest to them by our own rule (mean in float64), and the model opens with the bits of that on load."""
    folder = MODELS / "llama-gqa"
    r = run(loom_bin, "quantize", folder, tmp_path / "out", "--type", "nf4-double")
    assert r.returncode == 0, r.stderr
    weights, out = load_file(folder / "model.safetensors"), load_file(tmp_path / "out" / "model.safetensors")
    assert json.loads((tmp_path / "out" / "config.json").read_text())["quantization_config"]["bnb_4bit_use_double_quant"] is True
    for key in [k for k in weights if k.endswith("_proj.weight")]:
        flat = weights[key].astype(np.float32).reshape(-1)
        top = np.array([np.abs(flat[i:i + 64]).max() for i in range(0, flat.size, 64)], np.float32)
        state = json.loads(bytes(out[key + ".quant_state.bitsandbytes__nf4"]))
        offset, codes, map_ = np.float32(state["nested_offset"]), out[key + ".absmax"], out[key + ".nested_quant_map"]
        outer = np.repeat(out[key + ".nested_absmax"], 256)[:top.size]
        assert codes.dtype == np.uint8 and state["nested_blocksize"] == 256 and offset == np.float32(top.astype(np.float64).mean())
        assert np.array_equal(outer, np.repeat([np.abs(top[i:i + 256] - offset).max() for i in range(0, top.size, 256)], 256)[:top.size])
        distance = np.abs(map_[None, :] - ((top - offset) / outer)[:, None])
        assert np.array_equal(distance[np.arange(top.size), codes], distance.min(1))
        packed = np.stack([out[key] >> 4, out[key] & 15], -1).reshape(-1)[:flat.size]
        scale = np.repeat(map_[codes] * outer + offset, 64)[:flat.size]
        weights[key] = (NF4[packed] * scale).reshape(weights[key].shape)
    shutil.copytree(folder, tmp_path / "wide")
    save_file(weights, tmp_path / "wide" / "model.safetensors")
    got = [states(loom_bin, tmp_path, *of) for of in ((tmp_path / "out",), (folder, "--quantization", "4bit-double"), (tmp_path / "wide",))]
    assert np.array_equal(got[0], got[1]) and np.array_equal(got[0], got[2])


@pytest.mark.parametrize("args,status,says", [
    (["llama-gqa", "o", "--type", "q9_z"], 2, "is none of"), (["llama-gqa", "o"], 2, "usage"),
    (["nobody", "o", "--type", "nf4"], 1, "no such model"),
])
def test_wrong_usage_of_quantize(loom_bin, tmp_path, args, status, says):
    model = MODELS / args[0] if (MODELS / args[0]).exists() else args[0]
    r = run(loom_bin, "quantize", model, tmp_path / args[1], *args[2:])
    assert r.returncode == status and says in r.stderr


def test_a_gguf_file_becomes_no_folder(loom_bin, tmp_path):
    wide_gguf(tmp_path / "wide.gguf")
    r = run(loom_bin, "quantize", tmp_path / "wide.gguf", tmp_path / "o", "--type", "nf4")
    assert r.returncode == 2 and "is a GGUF file" in r.stderr


def test_a_number_that_fits_no_block_is_named(loom_bin, tmp_path):
    weights = wide_gguf(tmp_path / "wide.gguf")
    data, w = bytearray((tmp_path / "wide.gguf").read_bytes()), weights["blk.0.attn_v.weight"]
    at = data.find(w.tobytes())
    data[at + 40:at + 44] = np.float32(np.inf).tobytes()
    (tmp_path / "wide.gguf").write_bytes(data)
    r = run(loom_bin, "quantize", tmp_path / "wide.gguf", tmp_path / "out.gguf", "--type", "q4_k")
    assert r.returncode == 1 and "blk.0.attn_v.weight, rows 0..255: a number that is not finite, or too large for q4_k" in r.stderr
    assert not (tmp_path / "out.gguf").exists()


def test_what_is_quantized_already_is_not_quantized_again(loom_bin, tmp_path):
    r = run(loom_bin, "quantize", MODELS.parent / "quant" / "gptq4", tmp_path / "o", "--type", "nf4")
    assert r.returncode == 1 and "contradicts the model's files: they are gptq" in r.stderr
