#!/usr/bin/env python3
"""Compares a running Loom with transformers / sentence-transformers on real models, state by state.

  usage: tools/check-parity.py URL decoder LOOM_MODEL HF_FOLDER [GGUF_FILE]
         tools/check-parity.py URL encoder LOOM_MODEL HF_FOLDER
Needs torch, transformers, sentence-transformers, safetensors, httpx. Prints one line a prompt and the worst of all; exits 1 when a
bound of docs/numerics.md is broken. Prompts are made from a seed: pass SEED=n for others.
"""
import os
import random
import sys

import httpx
import numpy as np
import torch
import transformers as tf
from safetensors.numpy import load

LAYER_BOUND, ROW_BOUND, EMBED_BOUND = 2e-5, 1e-4, 2e-6

SCRIPTS = ["The quick brown fox jumps over the lazy dog. ", "Быстрая коричневая лиса прыгает. ", "敏捷的棕色狐狸跳过了懒狗。",
           "素早い茶色の狐がのろまな犬を飛び越える。", "다람쥐 헌 쳇바퀴에 타고파. ", "الثعلب البني السريع يقفز. ", "השועל החום המהיר קופץ. ",
           "तेज़ भूरी लोमड़ी कूदती है। ", "สุนัขจิ้งจอกสีน้ำตาล ", "Ο γρήγορος καφέ αλεπού. ", "ღრუბელი მთაზე. ", "Nhanh như cáo nâu. "]
CODE = "def f(x):\n    for i in range(10):\n        x += i ** 2  # squares\n    return {'x': x, \"y\": [1, 2.5e-3]}\n\n"


def prompts():
    rnd = random.Random(int(os.environ.get("SEED", "7")))
    out = ["a", "Hello", " \t\n  spaces   and\n\n\n runs   ", CODE, "👩‍👩‍👧‍👦 🏳️‍🌈 ✨🤖 e\u0301 \u200b end", "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"]
    out += ["".join(rnd.sample(SCRIPTS, 6)) for _ in range(3)]
    words = "water stone light never under seven dance machine quiet river because theory of mind and the is".split()
    for n in (60, 300, 900):
        out.append(" ".join(rnd.choice(words) for _ in range(n)))
    out.append((CODE * 40)[:5000])
    out.append("".join(rnd.choice(SCRIPTS) for _ in range(40)))
    return out


def compare(name, mine, ref):
    """mine, ref: [L+1, T, H]"""
    worst_layer = worst_row = 0.0
    for k in range(ref.shape[0]):
        d = np.abs(mine[k] - ref[k])
        worst_layer = max(worst_layer, d.max() / np.abs(ref[k]).max())
        worst_row = max(worst_row, (d.max(1) / np.abs(ref[k]).max(1)).max())
    print(f"{name:28.28} T={ref.shape[1]:5d} layer {worst_layer:.2e} row {worst_row:.2e}", flush=True)
    return worst_layer, worst_row


def fetch(client, route, body):
    r = client.post(route, json=body)
    if r.status_code != 200:
        raise SystemExit(f"{route}: {r.status_code} {r.text[:400]}")
    return r


def decoder(client, model, folder, gguf=None):
    args = dict(dtype=torch.float32, attn_implementation="eager")
    if gguf:
        args["gguf_file"] = gguf
    ref = tf.AutoModelForCausalLM.from_pretrained(folder, **args).eval()
    worst, bad = [0.0, 0.0], 0
    for p in prompts():
        r = fetch(client, "/generate", dict(model=model, prompt=p, max_tokens=0, return_hidden_states=False, return_token_ids=True,
                                            hidden_state_format="safetensors", capture=dict(name="h", layers="all", positions="all")))
        t = load(r.content)
        import json
        import struct
        n = struct.unpack("<Q", r.content[:8])[0]
        meta = json.loads(r.content[8:8 + n])["__metadata__"]
        answer = json.loads(next(v for v in meta.values() if v.startswith("{")))
        ids = answer["prompt_token_ids"]
        with torch.no_grad():
            o = ref(torch.tensor([ids]), output_hidden_states=True)
        states = torch.stack([h[0] for h in o.hidden_states]).numpy()
        a, b = compare(repr(p), t["captures.h"], states)
        worst = [max(worst[0], a), max(worst[1], b)]
        if len(ids) <= 400:
            bad += greedy(client, model, ref, p, ids)
    print(f"worst: layer {worst[0]:.2e} (bound {LAYER_BOUND}), row {worst[1]:.2e} (bound {ROW_BOUND}), greedy mismatches {bad}")
    return worst[0] <= LAYER_BOUND and worst[1] <= ROW_BOUND and not bad


def greedy(client, model, ref, prompt, ids, n=64):
    got = fetch(client, "/generate", dict(model=model, prompt=ids, max_tokens=n, temperature=0, return_hidden_states=False)).json()["token_ids"]
    past, step = None, torch.tensor([ids])
    with torch.no_grad():
        for i, mine in enumerate(got):
            o = ref(step, past_key_values=past, use_cache=True)
            past, top = o.past_key_values, torch.topk(o.logits[0, -1], 2)
            if int(top.indices[0]) != mine:
                close = float(top.values[0] - top.values[1]) <= 1e-3
                print(f"   greedy differs at {i}: {mine} for {int(top.indices[0])}" + (" (a tie)" if close else ""))
                return 0 if close else 1
            step = torch.tensor([[mine]])
    return 0


def encoder(client, model, folder):
    from sentence_transformers import SentenceTransformer
    st = SentenceTransformer(folder, device="cpu")
    texts = prompts() + ["", "x"]
    mine = np.array([fetch(client, "/embed", dict(model=model, text=t)).json()["embedding"] for t in texts], dtype=np.float32)
    ref = np.array([st.encode([t])[0] for t in texts])
    d = np.abs(mine - ref).max(1)
    for t, x in zip(texts, d):
        print(f"{t!r:40.40} {x:.2e}")
    print(f"worst embedding difference {d.max():.2e} (bound {EMBED_BOUND})")
    ok = d.max() <= EMBED_BOUND
    net = tf.AutoModel.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    tok = tf.AutoTokenizer.from_pretrained(folder)
    worst = [0.0, 0.0]
    for t in texts:
        ids = tok(t, truncation=True, max_length=256)["input_ids"]
        r = fetch(client, "/embed", dict(model=model, text=t, hidden_state_format="safetensors",
                                         capture=dict(name="h", layers="all", positions="all")))
        with torch.no_grad():
            o = net(torch.tensor([ids]), output_hidden_states=True)
        a, b = compare(repr(t), load(r.content)["captures.h"], torch.stack([h[0] for h in o.hidden_states]).numpy())
        worst = [max(worst[0], a), max(worst[1], b)]
    print(f"worst: layer {worst[0]:.2e}, row {worst[1]:.2e}")
    return ok and worst[0] <= LAYER_BOUND and worst[1] <= ROW_BOUND


if __name__ == "__main__":
    url, kind, model, folder = sys.argv[1:5]
    c = httpx.Client(base_url=url, timeout=600)
    good = decoder(c, model, folder, *sys.argv[5:6]) if kind == "decoder" else encoder(c, model, folder)
    sys.exit(0 if good else 1)
