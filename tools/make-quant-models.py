#!/usr/bin/env python3
"""Makes tests/quant: a tiny seeded Llama in every quantized form that checkpoints come in, and what transformers computes in float32 on
the weights that the form stands for (the packers here are written from shared/reference/quantization.md, not taken from the tools). made-*: float files, and the states of what
bitsandbytes makes of them (needs bitsandbytes).

  usage: tools/make-quant-models.py [OUT=tests/quant] [NAME ...]     (needs torch, transformers, safetensors, numpy)
"""
import json
import pathlib
import sys

import numpy as np
import torch
from safetensors.numpy import save_file
from transformers import LlamaConfig, LlamaForCausalLM

H, FFN, VOCAB, LAYERS = 64, 96, 64, 2
NF4 = np.array([-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
                -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
                0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0], np.float32)
FP4 = np.array([0, 1 / 16, 8, 12, 4, 6, 2, 3, 0, -1 / 16, -8, -12, -4, -6, -2, -3], np.float32) / np.float32(12)
FP4[8] = 0
E2M1 = np.array([0, .5, 1, 1.5, 2, 3, 4, 6, -0.0, -.5, -1, -1.5, -2, -3, -4, -6], np.float32)


TOKENIZER = dict(version="1.0", truncation=None, padding=None, added_tokens=[], normalizer=None, pre_tokenizer=None, post_processor=None, decoder=None,
                 model=dict(type="BPE", dropout=None, unk_token=None, continuing_subword_prefix=None, end_of_word_suffix=None, fuse_unk=False,
                            byte_fallback=False, vocab={chr(48 + i): i for i in range(VOCAB)}, merges=[]))


def f16(x):
    return x.astype(np.float16)


def stream(codes, bits, axis):
    """Codes → 32-bit words along an axis, lowest bit first, values straddling words."""
    codes = np.moveaxis(codes.astype(np.uint64), axis, -1)
    n = codes.shape[-1]
    words = np.zeros(codes.shape[:-1] + ((n * bits + 31) // 32 + 1,), np.uint64)
    for i in range(n):
        w, at = divmod(i * bits, 32)
        v = codes[..., i] << np.uint64(at)
        words[..., w] |= v & np.uint64(0xffffffff)
        words[..., w + 1] |= v >> np.uint64(32)
    words = words[..., :-1].astype(np.uint32).view(np.int32)
    return np.ascontiguousarray(np.moveaxis(words, -1, axis))


def grouped(w, bits, index, groups, sym=False):
    """Codes [N,K], scales [N,G] float16, zeros [N,G] of rounding to nearest with the group's smallest and largest."""
    n, top = w.shape[0], (1 << bits) - 1
    scale, zero = np.zeros((n, groups), np.float16), np.zeros((n, groups), np.int64)
    q = np.zeros(w.shape, np.int64)
    for g in range(groups):
        k = index == g
        lo, hi = np.minimum(w[:, k].min(1), 0), np.maximum(w[:, k].max(1), 0)
        if sym:
            hi = np.maximum(-lo, hi)
            lo = -hi
        s = f16((hi - lo) / top + 1e-5)
        z = np.full(n, 1 << (bits - 1)) if sym else np.clip(np.rint(-lo / s.astype(np.float32)), 0, top).astype(np.int64)
        scale[:, g], zero[:, g] = s, z
        q[:, k] = np.clip(np.rint(w[:, k] / s.astype(np.float32)[:, None]) + z[:, None], 0, top)
    return q, scale, zero


def gptq(bits, group, sym=False, desc_act=False, v2=False, no_index=False):
    def pack(name, w, rng):
        n, k = w.shape
        size = k if group < 0 else group
        groups = -(-k // size)
        index = np.arange(k) // size
        if desc_act:
            index = rng.permutation(index)
        q, s, z = grouped(w, bits, index, groups, sym)
        if not sym:
            z[:5] = 0  # a group without negative weights
            q[:5] = np.clip(np.rint(np.abs(w[:5]) / s.astype(np.float32)[:5][:, index]), 0, (1 << bits) - 1)
        words = stream(z.T, bits, 1)
        if not v2:
            if bits == 3:
                words = stream((z.T - 1) % 8, 3, 1)
            else:
                ones = {2: 0x55555555, 4: 0x11111111, 8: 0x01010101}[bits]
                words = (words.view(np.uint32) - np.uint32(ones)).view(np.int32)
        out = {"qweight": stream(q.T, bits, 0), "qzeros": words, "scales": np.ascontiguousarray(s.T)}
        if not no_index:
            out["g_idx"] = index.astype(np.int32)
        return out, s.astype(np.float32)[:, index] * (q - z[:, index]).astype(np.float32)
    cfg = dict(quant_method="gptq", bits=bits, group_size=group, sym=sym, desc_act=desc_act)
    if v2:
        cfg["checkpoint_format"] = "gptq_v2"
    return pack, cfg


def awq(version, group):
    def pack(name, w, rng):
        n, k = w.shape
        index = np.arange(k) // group
        q, s, z = grouped(w, 4, index, k // group)
        value = s.astype(np.float32)[:, index] * (q - z[:, index]).astype(np.float32)
        order = [0, 2, 4, 6, 1, 3, 5, 7]
        if version == "gemm":
            def words(x):
                return stream(x.reshape(x.shape[0], -1, 8)[:, :, order].reshape(x.shape), 4, 1)
            return {"qweight": words(q.T), "qzeros": words(z.T), "scales": np.ascontiguousarray(s.T)}, value
        base = -(-(k // group) // 8)
        mult = {32: 4, 64: 2}.get(group, 1)
        width = -(-base // mult) * mult
        s2, z2 = np.zeros((n, width * 8), np.float16), np.zeros((n, width * 8), np.int64)
        s2[:, :s.shape[1]], z2[:, :s.shape[1]] = s, z
        if version == "gemv":
            return {"qweight": stream(q, 4, 1), "qzeros": stream(z2, 4, 1), "scales": s2}, value
        p = q.reshape(n, k // 32, 4, 4, 2).transpose(0, 1, 3, 2, 4).reshape(n, k // 32, 4, 4, 2).transpose(0, 1, 2, 4, 3).reshape(n, k)
        p = p.reshape(n // 4, 4, k // 64, 64).transpose(0, 2, 1, 3).reshape(n // 4, k // 64, 64, 4)
        h = (p[..., 0] | p[..., 1] << 4 | p[..., 2] << 8 | p[..., 3] << 12).reshape(n // 4, k).astype(np.uint16).view(np.int16)
        zs = f16(-(s2.astype(np.float32) * z2))
        value = q.astype(np.float32) * s.astype(np.float32)[:, index] + zs.astype(np.float32)[:, index]
        return {"qweight": h, "qzeros": np.ascontiguousarray(zs.T), "scales": np.ascontiguousarray(s2.T)}, value
    return pack, dict(quant_method="awq", bits=4, group_size=group, zero_point=True, version=version)


def bnb4(kind, nested, storage=np.uint8, block=64):
    table = NF4 if kind == "nf4" else FP4

    def pack(name, w, rng):
        flat = w.reshape(-1)
        blocks = -(-flat.size // block)
        padded = np.concatenate([flat, np.zeros(blocks * block - flat.size, np.float32)]).reshape(blocks, block)
        absmax = np.abs(padded).max(1).astype(np.float32)
        q = np.abs(padded[:, :, None] / np.maximum(absmax, 1e-38)[:, None, None] - table).argmin(2).reshape(-1)[:flat.size]
        data = (q[0::2] << 4 | q[1::2]).astype(np.uint8)
        state = dict(quant_type=kind, blocksize=block, dtype="bfloat16", shape=list(w.shape))
        out = {}
        if nested:
            offset = float(np.float32(absmax.mean()))
            x = absmax - np.float32(offset)
            code = np.sort(np.concatenate([np.linspace(-1, 1, 255), [0.0013]])).astype(np.float32)
            outer = np.array([np.abs(x[i:i + 256]).max() for i in range(0, blocks, 256)], np.float32)
            a8 = np.abs(x[:, None] / np.repeat(outer, 256)[:blocks, None] - code).argmin(1).astype(np.uint8)
            absmax = (code[a8] * np.repeat(outer, 256)[:blocks]).astype(np.float32) + np.float32(offset)
            state.update(nested_blocksize=256, nested_dtype="float32", nested_offset=offset)
            out.update({"weight.absmax": a8, "weight.nested_absmax": outer, "weight.nested_quant_map": code})
        else:
            out["weight.absmax"] = absmax
        out["weight.quant_map"] = table
        out[f"weight.quant_state.bitsandbytes__{kind}"] = np.frombuffer(json.dumps(state).encode(), np.uint8)
        out["weight"] = data.view(storage).reshape(-1, 1)
        return out, (table[q] * np.repeat(absmax, block)[:flat.size]).reshape(w.shape)
    return pack, dict(quant_method="bitsandbytes", load_in_4bit=True, load_in_8bit=False, bnb_4bit_quant_type=kind, bnb_4bit_use_double_quant=nested)


def bnb8():
    def pack(name, w, rng):
        w = f16(w).astype(np.float32)
        s = np.abs(w).max(1)
        q = np.rint(w * (np.float32(127) / s)[:, None]).astype(np.int8)
        value = q.astype(np.float32) * s[:, None] * np.float32(0.007874015718698502)
        return {"weight": q, "SCB": s, "weight_format": np.array(0, np.uint8)}, value
    return pack, dict(quant_method="bitsandbytes", load_in_8bit=True, load_in_4bit=False)


def ct_packed(bits, group, sym):
    def pack(name, w, rng):
        n, k = w.shape
        size = k if group < 0 else group
        index = np.arange(k) // size
        groups = -(-k // size)
        q, s, z = grouped(w, bits, index, groups, sym)  # unsigned = signed + 2^(bits-1)
        out = {"weight_packed": stream(q, bits, 1), "weight_scale": s, "weight_shape": np.array([n, k], np.int64)}
        if not sym:
            out["weight_zero_point"] = stream(z, bits, 0)
        return out, s.astype(np.float32)[:, index] * (q - z[:, index]).astype(np.float32)
    weights = dict(num_bits=bits, type="int", symmetric=sym, strategy="channel" if group < 0 else "group", group_size=None if group < 0 else group)
    return pack, dict(quant_method="compressed-tensors", format="pack-quantized", quantization_status="compressed", ignore=["lm_head"],
                      config_groups=dict(group_0=dict(targets=["Linear"], weights=weights)))


def ct_int8():
    def pack(name, w, rng):
        s = f16(np.abs(w).max(1, keepdims=True) / 127)
        q = np.clip(np.rint(w / s.astype(np.float32)), -128, 127).astype(np.int8)
        return {"weight": q, "weight_scale": s}, q.astype(np.float32) * s.astype(np.float32)
    return pack, dict(quant_method="compressed-tensors", format="int-quantized", ignore=["lm_head"], config_groups={})


def fp8(kind):
    def pack(name, w, rng):
        n, k = w.shape
        rows, cols = {"tensor": (n, k), "channel": (1, k), "block": (64, 64)}[kind]
        rn, cn = np.arange(n) // rows, np.arange(k) // cols
        s = np.zeros((rn[-1] + 1, cn[-1] + 1), np.float32)
        for i in range(s.shape[0]):
            for j in range(s.shape[1]):
                s[i, j] = np.abs(w[np.ix_(rn == i, cn == j)]).max() / 448
        wide = s[np.ix_(rn, cn)]
        t = torch.from_numpy(w / wide).to(torch.float8_e4m3fn)
        out = {"weight": ("F8_E4M3", t.view(torch.uint8).numpy())}
        name = "weight_scale_inv" if kind == "block" else "weight_scale"
        out[name] = s.reshape(1) if kind == "tensor" else s
        return out, t.to(torch.float32).numpy() * wide
    if kind == "block":
        return pack, dict(quant_method="fp8", activation_scheme="dynamic", fmt="e4m3", weight_block_size=[64, 64])
    return pack, dict(quant_method="compressed-tensors", format="float-quantized", ignore=["lm_head"], config_groups={})


MODELS = {
    "gptq4": gptq(4, 32), "gptq4-sym": gptq(4, 32, sym=True), "gptq4-desc": gptq(4, 32, desc_act=True), "gptq4-v2": gptq(4, 48, v2=True),
    "gptq4-one": gptq(4, -1, no_index=True), "gptq2": gptq(2, 32), "gptq3": gptq(3, 32), "gptq3-desc": gptq(3, 32, desc_act=True),
    "gptq8": gptq(8, 32), "awq-gemm": awq("gemm", 32), "awq-gemv": awq("gemv", 32), "awq-fast": awq("gemv_fast", 32),
    "nf4": bnb4("nf4", False), "nf4-nested": bnb4("nf4", True, np.uint16), "fp4": bnb4("fp4", False), "int8": bnb8(),
    "ct4": ct_packed(4, 32, True), "ct4-zero": ct_packed(4, 32, False), "ct8": ct_packed(8, -1, True), "ct-int8": ct_int8(),
    "fp8-tensor": fp8("tensor"), "fp8-channel": fp8("channel"), "fp8-block": fp8("block"),
}


def made(kind):
    """What bitsandbytes makes of a float weight: the file stays float, the expected states are those of the quantized model."""
    def pack(name, w, rng):
        import bitsandbytes.functional as F
        w = torch.from_numpy(w).to(torch.float16)
        if kind == "4bit":
            # flat: the CPU kernel of 0.50.2 misplaces the scales of a matrix whose rows are no whole blocks
            q, state = F.quantize_4bit(w.float().reshape(-1), blocksize=64, quant_type="nf4", compress_statistics=False)
            value = F.dequantize_4bit(q, state).reshape(w.shape).numpy()
        else:
            q, scb, _ = F.int8_vectorwise_quant(w)
            value = q.float().numpy() * scb.float().numpy()[:, None] * np.float32(0.007874015718698502)
        return {"weight": w.numpy()}, value
    return pack, None


MODELS.update({"made-4bit": made("4bit"), "made-8bit": made("8bit")})


def mxfp4(rows):
    """gpt-oss's blocks of 32: codes in pairs, low nibble first, and exponents; and the numbers that they stand for."""
    b = rows.reshape(*rows.shape[:-1], -1, 32)
    e = np.floor(np.log2(np.abs(b).max(-1))).astype(np.int64) - 2
    q = np.abs(np.ldexp(b, -e[..., None])[..., None] - E2M1).argmin(-1).astype(np.uint8)
    return q[..., 0::2] | q[..., 1::2] << 4, (e + 127).astype(np.uint8), np.ldexp(E2M1[q], e[..., None]).astype(np.float32).reshape(rows.shape)


def gpt_oss(folder):
    from transformers import GptOssConfig, GptOssForCausalLM
    cfg = GptOssConfig(hidden_size=32, intermediate_size=32, num_hidden_layers=LAYERS, num_attention_heads=2, num_key_value_heads=1, head_dim=16, vocab_size=VOCAB,
                       num_local_experts=3, num_experts_per_tok=2, sliding_window=5, max_position_embeddings=64, bos_token_id=1, eos_token_id=2)
    torch.manual_seed(99)
    rng = np.random.default_rng(99)
    model = GptOssForCausalLM(cfg).eval()
    tensors = {}
    for key, p in model.state_dict().items():
        w = torch.randn_like(p) * (0.3 if p.dim() > 1 else 0.1) + ("norm" in key)
        if key.endswith(("gate_up_proj", "down_proj")):  # stored by rows of outputs, in memory the other way round
            tensors[key + "_blocks"], tensors[key + "_scales"], value = mxfp4(np.ascontiguousarray(w.numpy().swapaxes(1, 2)))
            p.copy_(torch.from_numpy(np.ascontiguousarray(value.swapaxes(1, 2))))
        else:
            p.copy_(w.to(torch.float16).float())
            tensors[key] = w.to(torch.float16).numpy()
    ids = rng.integers(3, VOCAB, 9)
    with torch.no_grad():
        model.config._attn_implementation = "eager"
        o = model(torch.from_numpy(ids)[None], output_hidden_states=True)
    folder.mkdir(parents=True, exist_ok=True)
    text = cfg.to_dict()
    keep = ["model_type", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim", "vocab_size",
            "num_local_experts", "num_experts_per_tok", "sliding_window", "layer_types", "max_position_embeddings", "tie_word_embeddings", "rms_norm_eps",
            "hidden_act", "bos_token_id", "eos_token_id", "rope_parameters", "swiglu_limit", "attention_bias"]
    text = {"architectures": ["GptOssForCausalLM"]} | {k: text[k] for k in keep if k in text}
    text["quantization_config"] = dict(quant_method="mxfp4", modules_to_not_convert=["model.layers.*.self_attn", "model.layers.*.mlp.router",
                                                                                  "model.embed_tokens", "lm_head"])
    (folder / "config.json").write_text(json.dumps(text, indent=1))
    save(tensors, folder / "model.safetensors")
    (folder / "tokenizer.json").write_text(json.dumps(TOKENIZER))
    save_file({"ids.0": ids.astype(np.int32), "hidden.0": torch.cat(o.hidden_states).numpy(), "logits.0": o.logits[0, -1].numpy()}, folder / "expected.safetensors")


def save(tensors, path):
    """safetensors' numpy writer knows no float8 and no bfloat16: their bytes are written as uint8/uint16 and renamed in the header."""
    rename = {k: v[0] for k, v in tensors.items() if isinstance(v, tuple)}
    rename.update({k: "BF16" for k, v in tensors.items() if not isinstance(v, tuple) and v.dtype == np.uint16})
    save_file({k: np.ascontiguousarray(v[1] if isinstance(v, tuple) else v) for k, v in tensors.items()}, path, metadata={"format": "pt"})
    data = path.read_bytes()
    n = int.from_bytes(data[:8], "little")
    head = json.loads(data[8:8 + n])
    for k, t in rename.items():
        head[k]["dtype"] = t
    text = json.dumps(head, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + n:])


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    out = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else root / "tests/quant"
    only = sys.argv[2:]
    if not only or "mxfp4" in only:
        gpt_oss(out / "mxfp4")
    for number, (name, (pack, quant)) in enumerate(MODELS.items()):
        if only and name not in only:
            continue
        ffn = 128 if name == "awq-fast" else FFN
        cfg = LlamaConfig(hidden_size=H, intermediate_size=ffn, num_hidden_layers=LAYERS, num_attention_heads=4, num_key_value_heads=2,
                          vocab_size=VOCAB, max_position_embeddings=64, tie_word_embeddings=False, bos_token_id=1, eos_token_id=2)
        torch.manual_seed(100 + number)
        rng = np.random.default_rng(number)
        model = LlamaForCausalLM(cfg).eval()
        tensors = {}
        for key, p in model.state_dict().items():
            w = torch.randn_like(p) * (0.2 if p.dim() > 1 else 0.1) + (p.dim() == 1)
            if key.endswith("_proj.weight") and not (name == "gptq4" and "layers.1.mlp.down_proj" in key):  # one module left as it is
                parts, value = pack(key, w.numpy(), rng)
                for k, v in parts.items():
                    tensors[key[:-6] + k] = v
                p.copy_(torch.from_numpy(np.ascontiguousarray(value.astype(np.float32))))
            else:
                p.copy_(w.to(torch.float16).float())
                tensors[key] = w.to(torch.float16).numpy()
        ids = rng.integers(3, VOCAB, 9)
        with torch.no_grad():
            model.config._attn_implementation = "eager"
            o = model(torch.from_numpy(ids)[None], output_hidden_states=True)
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        text = cfg.to_dict()
        text["architectures"] = ["LlamaForCausalLM"]
        keep = ["architectures", "model_type", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
                "num_key_value_heads", "vocab_size", "max_position_embeddings", "tie_word_embeddings", "rms_norm_eps", "hidden_act",
                "bos_token_id", "eos_token_id", "rope_parameters"]
        text = {k: text[k] for k in keep if k in text}
        if name == "gptq4-v2":  # the old place
            (folder / "quantize_config.json").write_text(json.dumps({k: v for k, v in quant.items() if k != "quant_method"}, indent=1))
        elif quant:
            text["quantization_config"] = quant
        (folder / "config.json").write_text(json.dumps(text, indent=1))
        save(tensors, folder / "model.safetensors")
        (folder / "tokenizer.json").write_text(json.dumps(TOKENIZER))
        hidden = torch.cat(o.hidden_states).numpy()
        save_file({"ids.0": ids.astype(np.int32), "hidden.0": hidden, "logits.0": o.logits[0, -1].numpy()}, folder / "expected.safetensors")


if __name__ == "__main__":
    main()
