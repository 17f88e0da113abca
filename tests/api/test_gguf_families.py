"""GGUF files of every family that llama.cpp can write, made here with gguf-py's own writer and names from the tiny models: states equal those of the
safetensors bit for bit. What the converter does to weights (q and k rows permuted, 1 added to norms, q|k|v stacked) is done here from
the format's description."""
import json

import gguf
import numpy as np
import pytest
from safetensors.numpy import load_file

from conftest import MODELS, tensors

A = gguf.MODEL_ARCH
# tiny model -> architecture and what is particular in its file
FILES = {
    "llama-gqa": A.LLAMA, "llama-llama3": A.LLAMA, "mistral-full": A.LLAMA, "qwen2": A.QWEN2, "qwen3": A.QWEN3, "gpt2": A.GPT2,
    "gemma": A.GEMMA, "gemma2": A.GEMMA2, "gemma3-old": A.GEMMA3, "phi3": A.PHI3, "phi3-longrope": A.PHI3, "phi": A.PHI2,
    "gpt_neox": A.GPTNEOX, "gpt_neox-sequential": A.GPTNEOX, "falcon-7b": A.FALCON, "falcon-40b": A.FALCON,
    "gpt_bigcode": A.STARCODER, "bloom": A.BLOOM, "mpt": A.MPT, "mpt-clip": A.MPT, "stablelm": A.STABLELM, "stablelm-parallel": A.STABLELM,
    "starcoder2-plain": A.STARCODER2, "olmo": A.OLMO, "olmo-clip": A.OLMO, "olmo2": A.OLMO2, "cohere": A.COMMAND_R, "cohere-norms": A.COMMAND_R,
    "cohere2": A.COHERE2, "granite": A.GRANITE, "glm": A.CHATGLM, "glm4": A.GLM4, "smollm3": A.SMOLLM3, "exaone4": A.EXAONE4,
    "exaone4-full": A.EXAONE4, "nemotron": A.NEMOTRON, "ernie4_5": A.ERNIE4_5, "hunyuan_v1_dense": A.HUNYUAN_DENSE, "seed_oss": A.SEED_OSS,
    "arcee": A.ARCEE,
}
PERMUTED = {A.LLAMA, A.OLMO, A.GRANITE, A.SMOLLM3, A.ARCEE}
NORM_PLUS_1 = {A.GEMMA, A.GEMMA2, A.GEMMA3, A.NEMOTRON}
REORDERED = {A.GPTNEOX, A.BLOOM, A.FALCON}


def load_wide(name):
    """Weights as float32, whatever they are stored as."""
    out = {}
    for path in sorted((MODELS / name).glob("model*.safetensors")):
        with open(path, "rb") as f:
            header = json.loads(f.read(int.from_bytes(f.read(8), "little")))
            start = f.tell()
            for key, info in header.items():
                if key == "__metadata__":
                    continue
                a, b = info["data_offsets"]
                f.seek(start + a)
                raw = f.read(b - a)
                if info["dtype"] == "BF16":
                    v = (np.frombuffer(raw, np.uint16).astype(np.uint32) << 16).view(np.float32)
                else:
                    v = np.frombuffer(raw, {"F32": np.float32, "F16": np.float16}[info["dtype"]]).astype(np.float32)
                out[key] = v.reshape(info["shape"])
    return out


def first(cfg, *keys, default=None):
    return next((cfg[k] for k in keys if cfg.get(k) is not None), default)


def sizes(cfg):
    head = first(cfg, "num_attention_heads", "n_head", "n_heads")
    kv = first(cfg, "num_key_value_heads", "num_kv_heads", default=head)
    if cfg.get("multi_query") and not cfg.get("new_decoder_architecture"):
        kv = 1
    embd = first(cfg, "hidden_size", "n_embd", "d_model")
    return dict(layer=first(cfg, "num_hidden_layers", "n_layer", "n_layers"), embd=embd, head=head, kv=kv,
                d=first(cfg, "head_dim", default=embd // head), ffn=first(cfg, "intermediate_size", "n_inner", "ffn_hidden_size", default=4 * embd),
                ctx=first(cfg, "max_position_embeddings", "n_positions", "max_seq_len", "seq_length", default=2048))


def permute(w, heads):
    return w.reshape(heads, 2, w.shape[0] // heads // 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)


def stack_qkv(w, s):
    group = s["head"] // s["kv"]
    parts = w.reshape(s["kv"], group + 2, s["d"], *w.shape[1:])
    return np.concatenate([p.reshape(-1, *w.shape[1:]) for p in (parts[:, :group], parts[:, group], parts[:, group + 1])])


def converted(arch, name, w, s):
    if arch == A.GPT2 and name.endswith(".weight") and any(n in name for n in ("c_attn", "c_proj", "c_fc")):
        return w.T
    if arch in PERMUTED and "q_proj" in name:
        return permute(w, s["head"])
    if arch in PERMUTED and "k_proj" in name:
        return permute(w, s["kv"])
    if arch in NORM_PLUS_1 and name.endswith("norm.weight"):
        return w + np.float32(1)
    if arch in REORDERED and "query_key_value" in name:
        return stack_qkv(w, s)
    return w


def features(g, cfg, s, arch):
    rope = cfg.get("rope_parameters") or cfg.get("rope_scaling") or {}
    rope = rope.get("full_attention", rope)
    part = first(rope, "partial_rotary_factor", default=cfg.get("rotary_pct", 1.0))
    theta = first(rope, "rope_theta", default=first(cfg, "rope_theta", "rotary_emb_base", default=10000.0))
    if rope.get("alpha"):
        theta *= rope["alpha"] ** (s["d"] / (s["d"] - 2))
    g.add_rope_dimension_count(int(s["d"] * part))
    g.add_rope_freq_base(theta)
    for key, add in (("attn_logit_softcapping", g.add_attn_logit_softcapping), ("final_logit_softcapping", g.add_final_logit_softcapping),
                     ("sliding_window", g.add_sliding_window), ("logit_scale", g.add_logit_scale), ("logits_scaling", g.add_logit_scale),
                     ("embedding_multiplier", g.add_embedding_scale), ("residual_multiplier", g.add_residual_scale),
                     ("attention_multiplier", g.add_attention_scale), ("use_parallel_residual", g.add_parallel_residual),
                     ("clip_qkv", g.add_clamp_kqv)):
        value = first(cfg, key, default=(cfg.get("attn_config") or {}).get(key))
        if value is not None:
            add(value)
    scale = (cfg.get("attn_config") or {}).get("softmax_scale")
    if scale:
        g.add_attention_scale(scale)
    local = first(cfg, "rope_local_base_freq")
    if local:
        g.add_key_value(f"{g.arch}.rope.freq_base_swa", local, gguf.GGUFValueType.FLOAT32)
        g.add_sliding_window_pattern(cfg["sliding_window_pattern"])
    if rope.get("rope_type") == "linear":
        g.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        g.add_rope_scaling_factor(rope["factor"])
    if rope.get("rope_type") == "longrope":
        g.add_rope_scaling_orig_ctx_len(cfg["original_max_position_embeddings"])
        g.add_rope_scaling_type(gguf.RopeScalingType.LONGROPE)
        g.add_tensor("rope_factors_long.weight", np.array(rope["long_factor"], np.float32))
        g.add_tensor("rope_factors_short.weight", np.array(rope["short_factor"], np.float32))
    if rope.get("rope_type") == "llama3":
        base, dim, old = theta, s["d"], rope["original_max_position_embeddings"]
        freqs = 1.0 / (base ** (np.arange(0, dim, 2, dtype=np.float32) / np.float32(dim)))
        lo, hi, factors = old / rope["low_freq_factor"], old / rope["high_freq_factor"], []
        for f in freqs:
            wave = 2 * np.pi / f
            smooth = (old / wave - rope["low_freq_factor"]) / (rope["high_freq_factor"] - rope["low_freq_factor"])
            factors.append(1 if wave < hi else rope["factor"] if wave > lo else 1 / ((1 - smooth) / rope["factor"] + smooth))
        g.add_tensor("rope_freqs.weight", np.array(factors, np.float32))


def tokenizer(g, n):
    keep = [*range(33, 127), *range(161, 173), *range(174, 256)]
    extra = iter(range(256, 600))
    tokens = [chr(b) if b in keep else chr(next(extra)) for b in range(256)] + [f"<{i}>" for i in range(256, n)]
    tokens[n - 1] = tokens[32] * 2  # an empty list of merges has no type, so there is one
    g.add_tokenizer_model("gpt2")
    g.add_tokenizer_pre("gpt-2")
    g.add_token_list(tokens)
    g.add_token_types([gguf.TokenType.NORMAL] * 256 + [gguf.TokenType.CONTROL] * (n - 257) + [gguf.TokenType.NORMAL])
    g.add_token_merges([f"{tokens[32]} {tokens[32]}"])


def write(path, name, arch, **options):
    cfg = json.loads((MODELS / name / "config.json").read_text())
    s, weights = sizes(cfg), load_wide(name)
    g = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[arch], **options)
    g.add_block_count(s["layer"])
    g.add_context_length(s["ctx"])
    g.add_embedding_length(s["embd"])
    g.add_feed_forward_length(s["ffn"])
    g.add_head_count(s["head"])
    g.add_head_count_kv(s["kv"])
    g.add_key_length(s["d"])
    g.add_value_length(s["d"])
    eps = first(cfg, "rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon", "norm_eps", "norm_epsilon", default=1e-5)
    g.add_layer_norm_rms_eps(eps)
    g.add_layer_norm_eps(eps)
    features(g, cfg, s, arch)
    tokenizer(g, cfg["vocab_size"])
    names = gguf.get_tensor_name_map(arch, s["layer"])
    heads = {}
    for key, w in weights.items():
        if ".norms." in key:  # StableLM: one tensor a head
            stem, head = key[:-len(".weight")].rsplit(".norms.", 1)
            heads.setdefault(stem, {})[int(head)] = w
            continue
        new = names.get_name(key, try_suffixes=(".weight", ".bias"))
        new = new or names.get_name(key.removeprefix("transformer."), try_suffixes=(".weight", ".bias"))  # as BLOOM's converter does
        assert new, f"gguf-py has no name for {key}"
        g.add_tensor(new, np.ascontiguousarray(converted(arch, key, w, s), np.float32))
    for stem, parts in heads.items():
        g.add_tensor(names.get_name(stem + ".weight", try_suffixes=(".weight",)), np.stack([parts[h] for h in sorted(parts)]))
    g.write_header_to_file()
    g.write_kv_data_to_file()
    g.write_tensors_to_file()
    g.close()


@pytest.mark.parametrize("name", FILES)
def test_states_equal_those_of_the_safetensors(post, tiny, tmp_path, name):
    path = tmp_path / f"{name}.gguf"
    write(path, name, FILES[name])
    ids = [int(x) for x in load_file(MODELS / name / "expected.safetensors")["ids.1"].reshape(-1)]
    got = []
    for model in (str(path), tiny(name)):
        r = post("/generate", model=model, prompt=ids, max_tokens=0, return_hidden_states=False, hidden_state_format="safetensors",
                 capture=dict(name="h", layers="all", positions="all"))
        got.append(tensors(r)["captures.h"])
    if name == "llama-llama3":  # the factors are divided by here, and multiplied with there
        assert np.abs(got[0] - got[1]).max() <= 2e-5 * np.abs(got[1]).max()
    else:
        assert np.array_equal(got[0], got[1])


def states(post, model, ids):
    r = post("/generate", model=model, prompt=ids, max_tokens=0, return_hidden_states=False, hidden_state_format="safetensors",
             capture=dict(name="h", layers="all", positions="all"))
    return tensors(r)["captures.h"]


def test_a_model_in_several_files(post, tiny, tmp_path):
    folder = tmp_path / "split"
    folder.mkdir()
    write(folder / "llama.gguf", "llama-gqa", A.LLAMA, split_max_tensors=7)
    parts = sorted(p.name for p in folder.iterdir())
    assert len(parts) > 2 and parts[0].startswith("llama-00001-of-")
    want = states(post, tiny("llama-gqa"), [5, 6, 7])
    assert np.array_equal(states(post, str(folder), [5, 6, 7]), want)
    assert np.array_equal(states(post, str(folder / parts[0]), [5, 6, 7]), want)
    r = post("/generate", model=str(folder / parts[1]), prompt=[5], max_tokens=0)
    assert r.status_code == 422 and "name the first" in r.text
    (folder / parts[-1]).unlink()
    other = tmp_path / "other"
    folder.rename(other)
    r = post("/generate", model=str(other), prompt=[5], max_tokens=0)
    assert r.status_code == 422 and f"part {len(parts)} of {len(parts)} is not there" in r.text
