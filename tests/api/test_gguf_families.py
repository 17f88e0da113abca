"""GGUF files of every family that llama.cpp can write, made here with gguf-py's own writer and names from the tiny models: states equal those of the
safetensors bit for bit. What the converter does to weights (q and k rows permuted, 1 added to norms, q|k|v stacked) is done here from
the format's description."""
import json
import re
import shutil

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
    "arcee": A.ARCEE, "mixtral": A.LLAMA, "qwen2-moe": A.QWEN2MOE, "qwen3-moe": A.QWEN3MOE, "olmoe": A.OLMOE, "granitemoe": A.GRANITE_MOE,
    "granitemoe-shared": A.GRANITE_MOE, "phimoe": A.PHIMOE, "glm4-moe": A.GLM4_MOE, "gpt-oss": A.GPT_OSS,
    "lfm2": A.LFM2, "mamba": A.MAMBA, "minimax_m2": A.MINIMAXM2, "olmo3": A.OLMO2, "hunyuan_v1_moe": A.HUNYUAN_MOE,
    "exaone_moe": A.EXAONE_MOE, "lfm2_moe": A.LFM2MOE, "mamba2": A.MAMBA2, "dots1": A.DOTS1, "deepseek-v2": A.DEEPSEEK2,
    "glm4_moe_lite": A.DEEPSEEK2, "falcon-11b": A.FALCON,
}
# what no GGUF can say is made otherwise in the folder that the file is compared with
CHANGED = {"dots1": dict(sliding_window=None, layer_types=["full_attention"] * 3),
           "deepseek-v2": dict(rope_scaling=dict(factor=4.0, mscale=0.707, mscale_all_dim=0.707, original_max_position_embeddings=64, rope_type="yarn")),
           "qwen2-moe": dict(mlp_only_layers=[], num_hidden_layers=1, layer_types=["full_attention"]), "phimoe": dict(router_jitter_noise=0.01),
           "gpt-oss": dict(swiglu_limit=7.0)}
PERMUTED = {A.LLAMA, A.OLMO, A.GRANITE, A.GRANITE_MOE, A.SMOLLM3, A.ARCEE}
SIGMOID = {A.DOTS1, A.EXAONE_MOE, A.LFM2MOE, A.MINIMAXM2, A.GLM4_MOE}
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
    if cfg.get("block_auto_adjust_ff_dim"):  # LFM2's, as the file has it
        n, step = int(cfg["block_ffn_dim_multiplier"] * int(2 * cfg["intermediate_size"] / 3)), cfg["block_multiple_of"]
        cfg = cfg | dict(intermediate_size=-(-n // step) * step)
    if "num_heads" in cfg and "n_groups" in cfg:  # Mamba 2
        head = kv = 1
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
    if name.endswith("A_log"):
        return -np.exp(w.astype(np.float64))
    if name.endswith(("conv1d.weight", "conv.conv.weight")):
        return w[:, 0]
    if arch in REORDERED and "query_key_value" in name:
        return stack_qkv(w, s)
    return w


EXPERT = re.compile(r"(model\.layers\.(\d+)\..*)\.experts\.(\d+)\.(\w+)\.weight")
PLACES = {"w1": "gate", "w2": "down", "w3": "up", "gate_proj": "gate", "down_proj": "down", "up_proj": "up"}


def stacked(arch, weights, n_layer):
    """Experts as GGUF has them: one tensor of all gates, of all ups, of all downs; the rest of the weights as it is."""
    rest, experts = {}, {}
    for key, w in weights.items():
        one, block = EXPERT.fullmatch(key), re.search(r"layers\.(\d+)\.", key)
        if block and int(block[1]) >= n_layer:
            continue
        name = f"blk.{block[1]}.ffn_%s_exps.%s" if block else ""
        if one:
            experts.setdefault(name % (PLACES[one[4]], "weight"), {})[int(one[3])] = w
        elif "experts.gate_up_proj" in key and arch == A.GPT_OSS:  # gate and up alternate, and are stored the other way round
            for i, part in enumerate(("gate", "up")):
                rest[name % (part, "bias" if "bias" in key else "weight")] = w[..., i::2].swapaxes(1, 2) if w.ndim == 3 else w[..., i::2]
        elif ".experts.down_proj" in key:
            turned = arch == A.GPT_OSS and w.ndim == 3
            rest[name % ("down", "bias" if "bias" in key else "weight")] = w.swapaxes(1, 2) if turned else w
        elif "experts.gate_up_proj" in key or "block_sparse_moe.input_linear" in key:
            for i, part in enumerate(("gate", "up")):
                rest[name % (part, "weight")] = w[:, i * w.shape[1] // 2:(i + 1) * w.shape[1] // 2]
        elif "block_sparse_moe.output_linear" in key:
            rest[name % ("down", "weight")] = w
        elif "shared_mlp.input_linear" in key:
            for i, part in enumerate(("gate", "up")):
                rest[f"blk.{block[1]}.ffn_{part}_shexp.weight"] = w[i * len(w) // 2:(i + 1) * len(w) // 2]
        else:
            rest[key] = w
    return rest | {name: np.stack([parts[e] for e in sorted(parts)]) for name, parts in experts.items()}


def mixture(g, cfg):
    if g.arch == "minimax-m2":
        g.add_expert_feed_forward_length(cfg["intermediate_size"])
    if cfg.get("moe_topk"):  # Hunyuan's: as wide as the others
        g.add_expert_used_count(cfg["moe_topk"][0])
        g.add_expert_shared_feed_forward_length(cfg["intermediate_size"])
        g.add_expert_feed_forward_length(cfg["intermediate_size"])
        cfg = cfg | dict(moe_intermediate_size=None)
    for key, add in (("num_local_experts", g.add_expert_count), ("num_experts", g.add_expert_count), ("n_routed_experts", g.add_expert_count),
                     ("num_experts_per_tok", g.add_expert_used_count), ("moe_intermediate_size", g.add_expert_feed_forward_length),
                     ("shared_expert_intermediate_size", g.add_expert_shared_feed_forward_length),
                     ("shared_intermediate_size", g.add_expert_shared_feed_forward_length), ("n_shared_experts", g.add_expert_shared_count),
                     ("num_shared_experts", g.add_expert_shared_count), ("num_dense_layers", g.add_leading_dense_block_count),
                     ("norm_topk_prob", g.add_expert_weights_norm), ("routed_scaling_factor", g.add_expert_weights_scale),
                     ("n_group", g.add_expert_group_count), ("topk_group", g.add_expert_group_used_count),
                     ("first_k_dense_replace", g.add_leading_dense_block_count)):
        if cfg.get(key) is not None:
            add(cfg[key])


def features(g, cfg, s, arch):
    rope = cfg.get("rope_parameters") or cfg.get("rope_scaling") or {}
    rope = rope.get("full_attention", rope)
    part = first(rope, "partial_rotary_factor", default=cfg.get("rotary_pct", 1.0))
    theta = first(rope, "rope_theta", default=first(cfg, "rope_theta", "rotary_emb_base", default=10000.0))
    if rope.get("alpha"):
        theta *= rope["alpha"] ** (s["d"] / (s["d"] - 2))
    g.add_rope_dimension_count(cfg.get("qk_rope_head_dim") or int(s["d"] * part))
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
    if arch == A.MODERN_BERT:
        g.add_sliding_window(cfg["local_attention"])
        g.add_key_value(f"{g.arch}.rope.freq_base_swa", cfg["rope_parameters"]["sliding_attention"]["rope_theta"], gguf.GGUFValueType.FLOAT32)
    if arch in SIGMOID or (arch == A.DEEPSEEK2 and "mlp_layer_types" in cfg):
        g.add_expert_gating_func(gguf.ExpertGatingFuncType.SIGMOID)
    if arch in (A.OLMO2, A.EXAONE_MOE) and "sliding_attention" in cfg.get("layer_types", []):
        g.add_sliding_window_pattern([kind == "sliding_attention" for kind in cfg["layer_types"]])
    if arch == A.DEEPSEEK2:
        g.add_kv_lora_rank(cfg["kv_lora_rank"])
        if cfg.get("q_lora_rank"):
            g.add_q_lora_rank(cfg["q_lora_rank"])
        if rope.get("mscale_all_dim"):
            g.add_rope_scaling_yarn_log_mul(0.1 * rope["mscale_all_dim"])
        if "mlp_layer_types" in cfg:
            g.add_leading_dense_block_count(cfg["mlp_layer_types"].count("dense"))
    local = first(cfg, "rope_local_base_freq")
    if local:
        g.add_key_value(f"{g.arch}.rope.freq_base_swa", local, gguf.GGUFValueType.FLOAT32)
        g.add_sliding_window_pattern(cfg["sliding_window_pattern"])
    if rope.get("rope_type") == "linear":
        g.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        g.add_rope_scaling_factor(rope["factor"])
    if rope.get("rope_type") == "yarn":
        g.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        g.add_rope_scaling_factor(rope["factor"])
        g.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
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
    tokens = ([chr(b) if b in keep else chr(next(extra)) for b in range(256)] + [f"<{i}>" for i in range(256, n)])[:n]
    tokens[n - 1] = tokens[32] * 2  # an empty list of merges has no type, so there is one
    g.add_tokenizer_model("gpt2")
    g.add_tokenizer_pre("gpt-2")
    g.add_token_list(tokens)
    g.add_token_types([gguf.TokenType.NORMAL if i < 256 or i == n - 1 else gguf.TokenType.CONTROL for i in range(n)])
    g.add_token_merges([f"{tokens[32]} {tokens[32]}"])


def basics(g, cfg, s, arch):
    g.add_block_count(s["layer"] + s.get("extra", 0))
    if s.get("extra"):
        g.add_nextn_predict_layers(s["extra"])
    g.add_context_length(s["ctx"])
    g.add_embedding_length(s["embd"])
    scan = arch in (A.MAMBA, A.MAMBA2)
    g.add_feed_forward_length(0 if scan else s["ffn"])
    g.add_head_count(0 if scan else s["head"])
    kinds = cfg.get("layer_types") or []
    g.add_head_count_kv([s["kv"] * (kind != "conv") for kind in kinds] + [s["kv"]] * s.get("extra", 0) if "conv" in kinds else 0 if scan else 1 if arch == A.DEEPSEEK2 else s["kv"])
    if arch == A.MAMBA:
        g.add_ssm_conv_kernel(cfg["conv_kernel"])
        g.add_ssm_inner_size(cfg["intermediate_size"])
        g.add_ssm_state_size(cfg["state_size"])
        g.add_ssm_time_step_rank(cfg["time_step_rank"])
    if arch == A.MAMBA2:
        g.add_ssm_conv_kernel(cfg["conv_kernel"])
        g.add_ssm_inner_size(cfg["num_heads"] * cfg["head_dim"])
        g.add_ssm_state_size(cfg["state_size"])
        g.add_ssm_time_step_rank(cfg["num_heads"])
        g.add_ssm_group_count(cfg["n_groups"])
    if arch in (A.LFM2, A.LFM2MOE):
        g.add_shortconv_l_cache(cfg["conv_L_cache"])
    if arch == A.DEEPSEEK2 and s.get("whole"):  # as older files had it
        g.add_key_length(cfg["qk_nope_head_dim"] + cfg["qk_rope_head_dim"])
        g.add_value_length(cfg["v_head_dim"])
    elif arch == A.DEEPSEEK2:
        g.add_key_length(cfg["kv_lora_rank"] + cfg["qk_rope_head_dim"])
        g.add_value_length(cfg["kv_lora_rank"])
        g.add_key_length_mla(cfg["qk_nope_head_dim"] + cfg["qk_rope_head_dim"])
        g.add_value_length_mla(cfg["v_head_dim"])
    else:
        g.add_key_length(s["d"])
        g.add_value_length(s["d"])
    eps = first(cfg, "rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon", "norm_eps", "norm_epsilon", default=1e-5)
    g.add_layer_norm_rms_eps(eps)
    g.add_layer_norm_eps(eps)
    features(g, cfg, s, arch)
    mixture(g, cfg)
    tokenizer(g, cfg["vocab_size"])


def finish(g):
    g.write_header_to_file()
    g.write_kv_data_to_file()
    g.write_tensors_to_file()
    g.close()


def write(path, name, arch, more=None, whole=False, extra=0, **options):
    cfg = json.loads((MODELS / name / "config.json").read_text()) | CHANGED.get(name, {})
    s, weights = sizes(cfg) | dict(whole=whole, extra=extra), load_wide(name)
    g = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[arch], **options)
    basics(g, cfg, s, arch)
    names = gguf.get_tensor_name_map(arch, s["layer"])
    heads = {}
    for key, w in stacked(arch, weights, s["layer"]).items():
        if key.startswith("blk."):
            g.add_tensor(key, np.ascontiguousarray(w, np.float32))
            continue
        if ".norms." in key:  # StableLM: one tensor a head
            stem, head = key[:-len(".weight")].rsplit(".norms.", 1)
            heads.setdefault(stem, {})[int(head)] = w
            continue
        if key.startswith("pooler."):  # no part of a GGUF
            continue
        if key.endswith("kv_b_proj.weight") and not s.get("whole"):  # a matrix a head, that of the keys turned
            b = f"blk.{re.search(r'layers.([0-9]+)', key)[1]}."
            w = w.reshape(s["head"], cfg["qk_nope_head_dim"] + cfg["v_head_dim"], -1)
            g.add_tensor(b + "attn_k_b.weight", np.ascontiguousarray(w[:, :cfg["qk_nope_head_dim"]].swapaxes(1, 2)))
            g.add_tensor(b + "attn_v_b.weight", np.ascontiguousarray(w[:, cfg["qk_nope_head_dim"]:]))
            continue
        key = key.replace("expert_bias", "expert_bias.bias").replace("mixer.dt_bias", "mixer.dt_proj.bias")
        key = key.replace("e_score_correction_bias", "e_score_correction.bias")
        key += ".weight" if key.endswith("sinks") else ""
        new = names.get_name(key, try_suffixes=(".weight", ".bias"))
        new = new or names.get_name(key.removeprefix("model."), try_suffixes=(".weight", ".bias"))
        new = new or names.get_name(key.removeprefix("transformer."), try_suffixes=(".weight", ".bias"))  # as BLOOM's converter does
        assert new, f"gguf-py has no name for {key}"
        g.add_tensor(new, np.ascontiguousarray(converted(arch, key, w, s), np.float32))
    if more:
        more(g)
    for stem, parts in heads.items():
        g.add_tensor(names.get_name(stem + ".weight", try_suffixes=(".weight",)), np.stack([parts[h] for h in sorted(parts)]))
    finish(g)


@pytest.mark.parametrize("name", FILES)
def test_states_equal_those_of_the_safetensors(post, tiny, tmp_path, name):
    path, folder = tmp_path / f"{name}.gguf", tiny(name)
    write(path, name, FILES[name])
    if name in CHANGED:
        folder = str(tmp_path / name)
        shutil.copytree(tiny(name), folder)
        config = tmp_path / name / "config.json"
        config.write_text(json.dumps(json.loads(config.read_text()) | CHANGED[name]))
    expected = load_file(MODELS / name / "expected.safetensors")
    ids = max(([int(x) for x in t.reshape(-1)] for k, t in expected.items() if k.startswith("ids.")), key=len)
    got = []
    for model in (str(path), folder):
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


def test_latent_attention_of_older_files(post, tiny, tmp_path):
    """Keys and values from one matrix, and the lengths of heads as they are."""
    write(tmp_path / "old.gguf", "glm4_moe_lite", A.DEEPSEEK2, whole=True)
    assert np.array_equal(states(post, str(tmp_path / "old.gguf"), [5, 6, 7, 9, 11]), states(post, tiny("glm4_moe_lite"), [5, 6, 7, 9, 11]))


def test_layers_that_guess_further_tokens_are_left_out(post, tiny, tmp_path):
    write(tmp_path / "m.gguf", "lfm2_moe", A.LFM2MOE, extra=1)
    assert np.array_equal(states(post, str(tmp_path / "m.gguf"), [5, 6, 7, 9, 11]), states(post, tiny("lfm2_moe"), [5, 6, 7, 9, 11]))


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


def test_experts_in_mxfp4_are_those_of_the_checkpoint(post, tmp_path):
    folder = MODELS.parent / "quant" / "mxfp4"
    weights, cfg = load_file(folder / "model.safetensors"), json.loads((folder / "config.json").read_text())
    dtype = gguf.GGMLQuantizationType.MXFP4
    g, s = gguf.GGUFWriter(tmp_path / "oss.gguf", "gpt-oss"), sizes(cfg)
    names = gguf.get_tensor_name_map(A.GPT_OSS, s["layer"])
    basics(g, cfg, s, A.GPT_OSS)
    for key, w in weights.items():
        block = re.search(r"layers\.(\d+)\.", key)
        if key.endswith("_blocks"):  # ggml's blocks: the exponent, then elements 0-15 in the low nibbles, 16-31 in the high ones
            codes = np.stack([w & 15, w >> 4], -1).reshape(*w.shape[:3], 32)
            e = weights[key.replace("_blocks", "_scales")]
            data = np.concatenate([e[..., None], codes[..., :16] | codes[..., 16:] << 4], -1).reshape(*w.shape[:2], -1)
            for part in ((("gate", data[:, 0::2]), ("up", data[:, 1::2])) if "gate_up" in key else (("down", data),)):
                g.add_tensor(f"blk.{block[1]}.ffn_{part[0]}_exps.weight", np.ascontiguousarray(part[1]), raw_dtype=dtype)
        elif key.endswith("_bias"):
            for part in ((("gate", w[:, 0::2]), ("up", w[:, 1::2])) if "gate_up" in key else (("down", w),)):
                g.add_tensor(f"blk.{block[1]}.ffn_{part[0]}_exps.bias", np.ascontiguousarray(part[1], np.float32))
        elif not key.endswith("_scales"):
            new = names.get_name(key + (".weight" if key.endswith("sinks") else ""), try_suffixes=(".weight", ".bias"))
            g.add_tensor(new, w.astype(np.float32))
    finish(g)
    want = states(post, str(folder), [5, 6, 7, 9, 11])
    assert np.array_equal(states(post, str(tmp_path / "oss.gguf"), [5, 6, 7, 9, 11]), want)


def test_experts_in_blocks(post, tmp_path):
    """Experts as Q8_0 and Q4_0: the states of the float32 numbers that the blocks stand for."""
    for dtype in (gguf.GGMLQuantizationType.Q8_0, gguf.GGMLQuantizationType.Q4_0):
        got = []
        for wide in (False, True):
            path = tmp_path / f"{dtype.name}-{wide}.gguf"
            rng = np.random.default_rng(5)
            cfg = dict(hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, moe_intermediate_size=32, vocab_size=300,
                       num_experts=4, num_experts_per_tok=2)
            g, s = gguf.GGUFWriter(path, "qwen3moe"), sizes(cfg)
            basics(g, cfg, s, A.QWEN3MOE)
            shapes = {"token_embd": (300, 64), "output": (300, 64), "output_norm": (64,)}
            for i in range(2):
                b = f"blk.{i}."
                shapes |= {b + "attn_q": (64, 64), b + "attn_k": (64, 64), b + "attn_v": (64, 64), b + "attn_output": (64, 64), b + "attn_norm": (64,),
                           b + "ffn_norm": (64,), b + "attn_q_norm": (32,), b + "attn_k_norm": (32,), b + "ffn_gate_inp": (4, 64),
                           b + "ffn_gate_exps": (4, 32, 64), b + "ffn_up_exps": (4, 32, 64), b + "ffn_down_exps": (4, 64, 32)}
            for name, shape in shapes.items():
                w = (rng.standard_normal(shape) * 0.2 + (len(shape) == 1)).astype(np.float32)
                if "exps" in name:
                    q = gguf.quantize(w, dtype)
                    g.add_tensor(name + ".weight", gguf.dequantize(q, dtype) if wide else q, raw_dtype=None if wide else dtype)
                else:
                    g.add_tensor(name + ".weight", w)
            finish(g)
            got.append(states(post, str(path), [5, 6, 7, 9, 11]))
        assert np.array_equal(*got)


@pytest.mark.parametrize("name,arch", [("bert", A.BERT), ("nomic_bert-own", A.NOMIC_BERT), ("modernbert", A.MODERN_BERT)])
def test_encoders(post, tiny, tmp_path, name, arch):
    path = tmp_path / f"{name}.gguf"
    write(path, name, arch)
    got = []
    for model in (str(path), tiny(name)):
        r = post("/embed", model=model, text="hello there", pooling="mean", normalize=False, capture=dict(name="h", site="hidden", layers="all", positions="all"))
        assert r.status_code == 200, r.text
        got.append(r.json())
    assert got[0]["captures"]["h"]["data"] == got[1]["captures"]["h"]["data"] and got[0]["embedding"] == got[1]["embedding"]


@pytest.mark.parametrize("number,pooling", [(0, "none"), (1, "mean"), (2, "cls"), (3, "last_token"), (None, "mean")])
def test_pooling_is_as_the_file_says(post, tiny, tmp_path, number, pooling):
    path = tmp_path / "bert.gguf"
    write(path, "bert", A.BERT, lambda g: number is not None and g.add_pooling_type(gguf.PoolingType(number)))
    got = post("/embed", model=str(path), text="hello there", normalize=False)
    want = post("/embed", model=tiny("bert"), text="hello there", normalize=False, pooling=pooling)
    assert got.status_code == want.status_code == 200 and got.json()["embedding"] == want.json()["embedding"]
    asked = post("/embed", model=str(path), text="hello there", normalize=False, pooling="max")
    assert asked.json()["embedding"] == post("/embed", model=tiny("bert"), text="hello there", normalize=False, pooling="max").json()["embedding"]


def test_rank_reads_the_head_in_the_file(post, tiny, tmp_path):
    """tanh(cls x) and the output layer, of the first row."""
    rng, n = np.random.default_rng(8), json.loads((MODELS / "bert/config.json").read_text())["hidden_size"]
    head = {"cls.weight": (n, n), "cls.bias": (n,), "cls.output.weight": (1, n), "cls.output.bias": (1,)}
    head = {k: (rng.standard_normal(s) * 0.3).astype(np.float32) for k, s in head.items()}

    def more(g):
        g.add_pooling_type(gguf.PoolingType.RANK)
        for key, w in head.items():
            g.add_tensor(key, w)
    write(tmp_path / "rank.gguf", "bert", A.BERT, more)
    r = post("/rerank", model=str(tmp_path / "rank.gguf"), query="hello", texts=["there", "you two"], raw_scores=True)
    assert r.status_code == 200, r.text
    got = {i["index"]: i["score"] for i in r.json()["results"]}
    for i, text in enumerate(("there", "you two")):  # this tokenizer puts nothing between the two
        x = np.array(post("/embed", model=tiny("bert"), text="hello" + text, pooling="cls", normalize=False).json()["embedding"])
        want = head["cls.output.weight"] @ np.tanh(head["cls.weight"] @ x + head["cls.bias"]) + head["cls.output.bias"]
        assert abs(got[i] - want[0]) <= 1e-4 * max(1, abs(want[0]))
    write(tmp_path / "none.gguf", "bert", A.BERT, lambda g: g.add_pooling_type(gguf.PoolingType.RANK))
    r = post("/rerank", model=str(tmp_path / "none.gguf"), query="hello", texts=["there"])
    assert r.status_code == 422 and "cls.output.weight" in r.text
