#!/usr/bin/env python3
"""Makes the tiny seeded models of tests/models with transformers itself, and what it computes on them.

Each folder holds config.json, model.safetensors, tokenizer.json and expected.safetensors:
  ids.I      int32 [T]            a prompt
  hidden.I   float32 [L+1, T, H]  every hidden state at every position (eager attention, float32)
  last.I     float32 [T, W]       the last of them where it has a width of its own (hidden.I ends before it)
  logits.I   float32 [V]          of the last position (decoders)
  greedy.I   int32 [24]           greedy continuation (decoders)
  task.I     int32 [1]            the number of the adapter, -1 for none (models that have any)
  margin.I   float32 [24]         distance of the two best logits at each greedy step

The models themselves are described in tools/tiny/, one file a group of families.

  usage: tools/make-tiny-models.py [OUT=tests/models] [NAME or GROUP ...]     (needs torch, transformers, safetensors)
"""
import importlib
import json
import os
import pkgutil
import shutil
import sys

import torch
from safetensors.torch import load_file, save_file

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tiny  # noqa: E402

GROUPS = {m.name: importlib.import_module(f"tiny.{m.name}").VARIANTS for m in pkgutil.iter_modules(tiny.__path__)}


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


def link_tokenizer(out, folder):
    """All have the same, so that there is one: OUT/../byte-tokenizer.json."""
    name = os.path.join(out, "..", "byte-tokenizer.json")
    if not os.path.exists(name):
        with open(name, "w") as f:
            json.dump(byte_tokenizer(), f, ensure_ascii=False, separators=(",", ":"))
    os.symlink(os.path.join("..", "..", "byte-tokenizer.json"), os.path.join(folder, "tokenizer.json"))


def randomize(model):
    for name, p in model.named_parameters():
        if p.dim() >= 2:
            torch.nn.init.normal_(p, std=0.25 if "embed" not in name and "wte" not in name else 0.8)
        elif "bias" in name:
            torch.nn.init.normal_(p, std=0.2)
        else:
            p.data = 1.0 + 0.2 * torch.randn_like(p)


def rewrite_config(folder, edit):
    path = os.path.join(folder, "config.json")
    cfg = edit(json.load(open(path)))
    json.dump(cfg, open(path, "w"), indent=1, sort_keys=True)


def rewrite_weights(folder, change):
    path = os.path.join(folder, "model.safetensors")
    save_file({k: v.contiguous().clone() for k, v in change(load_file(path)).items()}, path, metadata={"format": "pt"})


def greedy(model, ids, count=24, cached=True):
    """With the cache, as generate() runs: dynamic rotary types see the length at each step."""
    picks, margins, step, past = [], [], ids, {}
    with torch.no_grad():
        for _ in range(count):
            o = model(step, use_cache=cached, **past)
            key = "cache" if "cache" in o else "past_key_values"  # as it is called has changed
            past, top = {key: o[key]} if cached else {}, torch.topk(o.logits[0, -1], 2)
            picks.append(int(top.indices[0]))
            margins.append(float(top.values[0] - top.values[1]))
            step = top.indices[:1].view(1, 1) if cached else torch.cat([step, top.indices[:1].view(1, 1)], 1)
            if picks[-1] == 257:
                break
    return torch.tensor(picks, dtype=torch.int32), torch.tensor(margins)


def expected(model, t):
    decoder = not t.encoder and any(s in type(model).__name__ for s in ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration"))
    words = decoder or type(model).__name__.endswith("ForMaskedLM")
    tensors = {}
    base = model
    for i, n in enumerate(t.lengths):
        ids = torch.randint(0, 256, (1, n))
        if t.tasks:
            tensors[f"task.{i}"] = torch.tensor([t.tasks[i]], dtype=torch.int32)
            model = t.adapted(base, t.tasks[i]) if t.tasks[i] >= 0 else base
        with torch.no_grad():
            o = (model.encoder if t.encoder else model)(ids, output_hidden_states=True)
        tensors[f"ids.{i}"] = ids[0].to(torch.int32)
        states = [h[0] for h in o.hidden_states]
        if states[-1].shape != states[0].shape:
            tensors[f"last.{i}"] = states.pop().contiguous()
        tensors[f"hidden.{i}"] = torch.stack(states).contiguous()
        if words:
            tensors[f"logits.{i}"] = o.logits[0, -1].contiguous().clone()
            if decoder and n <= 33:
                tensors[f"greedy.{i}"], tensors[f"margin.{i}"] = greedy(model, ids, cached=t.cache)
    return tensors


def make(out, name, t):
    torch.manual_seed(sum(map(ord, name)))
    cfg = t.config()
    cfg._attn_implementation = t.attn
    model = t.cls(cfg).eval()
    randomize(model)
    if t.tune:
        t.tune(model)
    model.to(getattr(torch, t.dtype))
    folder = os.path.join(out, name)
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder, max_shard_size="60KB" if t.shards else "5GB")
    if name not in GROUPS["foundation"] and os.path.exists(os.path.join(folder, "generation_config.json")):
        os.remove(os.path.join(folder, "generation_config.json"))  # it says what config.json does
    link_tokenizer(out, folder)
    if t.edit:
        rewrite_config(folder, t.edit)
    model = t.cls.from_pretrained(folder, dtype=torch.float32, attn_implementation=t.attn, experts_implementation="eager").eval()
    save_file(expected(model, t), os.path.join(folder, "expected.safetensors"))
    if t.weights:
        rewrite_weights(folder, t.weights)
    if t.config_last:
        rewrite_config(folder, t.config_last)
    size = sum(os.path.getsize(os.path.join(folder, f)) for f in os.listdir(folder))
    print(f"{name:28} {size/1024:8.0f} KB", flush=True)


if __name__ == "__main__":
    out, wanted = sys.argv[1] if len(sys.argv) > 1 else "tests/models", sys.argv[2:]
    for group, variants in GROUPS.items():
        for name, t in variants.items():
            if not wanted or name in wanted or group in wanted:
                make(out, name, t)
