#!/usr/bin/env python3
"""Makes the tiny seeded models of tests/models with transformers itself, and what it computes on them.

Each folder holds config.json, model.safetensors, tokenizer.json and expected.safetensors:
  ids.I      int32 [T]            a prompt
  hidden.I   float32 [L+1, T, H]  every hidden state at every position (eager attention, float32)
  logits.I   float32 [V]          of the last position (decoders)
  greedy.I   int32 [24]           greedy continuation (decoders)
  margin.I   float32 [24]         distance of the two best logits at each greedy step

  usage: tools/make-tiny-models.py [OUT=tests/models] [NAME ...]     (needs torch, transformers, safetensors)
"""
import json
import os
import shutil
import sys

import torch
import transformers as tf
from safetensors.torch import save_file

V = 280
LENGTHS = [1, 9, 33, 140]


def byte_tokenizer():
    """256 byte tokens in GPT-2's alphabet, then specials: enough for ids in and text out."""
    keep = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    alphabet, extra = {}, 0
    for b in range(256):
        if b in keep:
            alphabet[b] = chr(b)
        else:
            alphabet[b] = chr(256 + extra)
            extra += 1
    vocab = {alphabet[b]: b for b in range(256)}
    added = []
    for i, s in enumerate(["<s>", "</s>", "<unk>", "<pad>"]):
        vocab[s] = 256 + i
        added.append(dict(id=256 + i, content=s, single_word=False, lstrip=False, rstrip=False, normalized=False, special=True))
    return dict(version="1.0", truncation=None, padding=None, added_tokens=added, normalizer=None,
                pre_tokenizer=dict(type="ByteLevel", add_prefix_space=False, trim_offsets=True, use_regex=True),
                post_processor=None, decoder=dict(type="ByteLevel", add_prefix_space=True, trim_offsets=True, use_regex=True),
                model=dict(type="BPE", dropout=None, unk_token=None, continuing_subword_prefix=None, end_of_word_suffix=None,
                           fuse_unk=False, byte_fallback=False, vocab=vocab, merges=[]))


LLAMA = dict(vocab_size=V, hidden_size=42, intermediate_size=54, num_hidden_layers=3, num_attention_heads=6,
             num_key_value_heads=2, head_dim=10, max_position_embeddings=256, rms_norm_eps=1e-6,
             bos_token_id=256, eos_token_id=257, pad_token_id=None)
YARN = dict(rope_type="yarn", rope_theta=10000.0, factor=4.0, original_max_position_embeddings=64)
LONG = dict(rope_type="longrope", rope_theta=10000.0, factor=4.0, original_max_position_embeddings=64,
            short_factor=[1.0, 1.1, 1.2, 1.3, 1.5], long_factor=[1.5, 2.0, 2.5, 3.0, 4.0])


def llama(**kw):
    return tf.LlamaConfig(**{**LLAMA, **kw}), tf.LlamaForCausalLM


VARIANTS = {
    "llama-gqa": lambda: llama(),
    "llama-mha-tied": lambda: llama(num_key_value_heads=6, tie_word_embeddings=True),
    "llama-odd": lambda: llama(hidden_size=35, num_attention_heads=5, num_key_value_heads=1, head_dim=14, intermediate_size=51,
                               hidden_act="gelu"),
    "llama-biases": lambda: llama(attention_bias=True, mlp_bias=True),
    "llama-linear": lambda: llama(rope_parameters=dict(rope_type="linear", rope_theta=5000.0, factor=2.5)),
    "llama-dynamic": lambda: llama(max_position_embeddings=64,
                                   rope_parameters=dict(rope_type="dynamic", rope_theta=10000.0, factor=2.0)),
    "llama-yarn": lambda: llama(rope_parameters=YARN),
    "llama-yarn-mscale": lambda: llama(rope_parameters={**YARN, "beta_fast": 16.0, "beta_slow": 2.0, "mscale": 0.8,
                                                        "mscale_all_dim": 0.6, "truncate": False}),
    "llama-longrope": lambda: llama(rope_parameters=LONG),
    "llama-llama3": lambda: llama(rope_parameters=dict(rope_type="llama3", rope_theta=500.0, factor=8.0, low_freq_factor=1.0,
                                                       high_freq_factor=4.0, original_max_position_embeddings=64)),
    "llama-base": lambda: (llama()[0], tf.LlamaModel),
    "mistral": lambda: (tf.MistralConfig(**{**LLAMA, "sliding_window": 7}), tf.MistralForCausalLM),
    "mistral-full": lambda: (tf.MistralConfig(**{**LLAMA, "sliding_window": None}), tf.MistralForCausalLM),
    "qwen2": lambda: (tf.Qwen2Config(**{k: v for k, v in LLAMA.items() if k != "head_dim"} | dict(hidden_size=48)),
                      tf.Qwen2ForCausalLM),
    "qwen2-window": lambda: (tf.Qwen2Config(**{k: v for k, v in LLAMA.items() if k != "head_dim"} |
                                            dict(hidden_size=48, use_sliding_window=True, sliding_window=9, max_window_layers=1,
                                                 tie_word_embeddings=True)), tf.Qwen2ForCausalLM),
    "qwen3": lambda: (tf.Qwen3Config(**LLAMA), tf.Qwen3ForCausalLM),
    "qwen3-biases": lambda: (tf.Qwen3Config(**{**LLAMA, "attention_bias": True, "tie_word_embeddings": True}), tf.Qwen3ForCausalLM),
    "gpt2": lambda: (tf.GPT2Config(vocab_size=V, n_positions=200, n_embd=40, n_layer=3, n_head=5, bos_token_id=256,
                                   eos_token_id=257), tf.GPT2LMHeadModel),
    "gpt2-variant": lambda: (tf.GPT2Config(vocab_size=V, n_positions=200, n_embd=36, n_layer=2, n_head=3, n_inner=50,
                                           activation_function="relu", scale_attn_by_inverse_layer_idx=True, bos_token_id=256,
                                           eos_token_id=257), tf.GPT2LMHeadModel),
    "gpt2-base": lambda: (tf.GPT2Config(vocab_size=V, n_positions=200, n_embd=40, n_layer=2, n_head=4, bos_token_id=256,
                                        eos_token_id=257, scale_attn_weights=False), tf.GPT2Model),
    "bert": lambda: (tf.BertConfig(vocab_size=V, hidden_size=40, num_hidden_layers=3, num_attention_heads=5, intermediate_size=54,
                                   max_position_embeddings=160, type_vocab_size=2, pad_token_id=259), tf.BertModel),
    "bert-mlm": lambda: (tf.BertConfig(vocab_size=V, hidden_size=36, num_hidden_layers=2, num_attention_heads=3, intermediate_size=50,
                                       max_position_embeddings=160, hidden_act="gelu_new", pad_token_id=259), tf.BertForMaskedLM),
}
DTYPES = {"llama-mha-tied": torch.bfloat16, "qwen3-biases": torch.float16}
SHARDED = {"qwen3"}
# written as transformers 4 wrote them: top-level rope_theta, rope_scaling, torch_dtype
OLD_STYLE = {"llama-yarn", "llama-llama3", "llama-longrope", "llama-linear", "mistral", "qwen2"}


def old_style(cfg):
    rope = cfg.pop("rope_parameters", None) or {}
    cfg["rope_theta"] = rope.pop("rope_theta", 10000.0)
    kind = rope.get("rope_type", "default")
    if kind == "default":
        cfg["rope_scaling"] = None
    else:
        if kind == "linear":  # the oldest spelling
            rope["type"] = rope.pop("rope_type")
        cfg["rope_scaling"] = rope
    if "dtype" in cfg:
        cfg["torch_dtype"] = cfg.pop("dtype")
    cfg.pop("layer_types", None)
    cfg["transformers_version"] = "4.46.0"
    return cfg


def randomize(model):
    for name, p in model.named_parameters():
        if p.dim() >= 2:
            torch.nn.init.normal_(p, std=0.25 if "embed" not in name and "wte" not in name else 0.8)
        elif "bias" in name:
            torch.nn.init.normal_(p, std=0.2)
        else:
            p.data = 1.0 + 0.2 * torch.randn_like(p)


def make(out, name):
    torch.manual_seed(sum(map(ord, name)))
    cfg, cls = VARIANTS[name]()
    cfg._attn_implementation = "eager"
    model = cls(cfg).eval()
    randomize(model)
    dtype = DTYPES.get(name, torch.float32)
    model.to(dtype)
    folder = os.path.join(out, name)
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder, max_shard_size="60KB" if name in SHARDED else "5GB")
    with open(os.path.join(folder, "tokenizer.json"), "w") as f:
        json.dump(byte_tokenizer(), f, ensure_ascii=False, separators=(",", ":"))
    if name in OLD_STYLE:
        path = os.path.join(folder, "config.json")
        cfg_json = old_style(json.load(open(path)))
        json.dump(cfg_json, open(path, "w"), indent=1, sort_keys=True)
    model = cls.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    decoder = hasattr(model, "lm_head")
    tensors = {}
    for i, n in enumerate(LENGTHS):
        ids = torch.randint(0, 256, (1, n))
        with torch.no_grad():
            o = model(ids, output_hidden_states=True)
        tensors[f"ids.{i}"] = ids[0].to(torch.int32)
        tensors[f"hidden.{i}"] = torch.stack([h[0] for h in o.hidden_states]).contiguous()
        if not decoder:
            continue
        tensors[f"logits.{i}"] = o.logits[0, -1].contiguous().clone()
        if n <= 33:
            picks, margins, step, past = [], [], ids, None
            with torch.no_grad():
                for _ in range(24):  # with the cache, as generate() runs: dynamic rotary types see the length at each step
                    o = model(step, past_key_values=past, use_cache=True)
                    past, top = o.past_key_values, torch.topk(o.logits[0, -1], 2)
                    picks.append(int(top.indices[0]))
                    margins.append(float(top.values[0] - top.values[1]))
                    step = top.indices[:1].view(1, 1)
                    if picks[-1] == 257:
                        break
            tensors[f"greedy.{i}"] = torch.tensor(picks, dtype=torch.int32)
            tensors[f"margin.{i}"] = torch.tensor(margins)
    save_file(tensors, os.path.join(folder, "expected.safetensors"))
    size = sum(os.path.getsize(os.path.join(folder, f)) for f in os.listdir(folder))
    print(f"{name:20} {size/1024:8.0f} KB")


if __name__ == "__main__":
    out = sys.argv[1] if len(sys.argv) > 1 else "tests/models"
    for name in sys.argv[2:] or VARIANTS:
        make(out, name)
