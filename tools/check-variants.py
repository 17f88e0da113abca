#!/usr/bin/env python3
"""Changes each key of each tiny model's configuration, one at a time, and compares a running Loom with transformers: the states must be
equal, or Loom must refuse the key. A wrong answer is neither.

  usage: tools/check-variants.py URL [GROUP|NAME ...] [--seed N] [--keep FOLDER]
URL is that of a server that may read local folders (loom serve --host 127.0.0.1). Needs torch, transformers, safetensors, httpx.
Prints a line for each refusal and each wrong answer; exits 1 when there was a wrong one.
"""
import argparse
import copy
import importlib.util
import json
import os
import random
import shutil
import sys
import tempfile
import warnings
from pathlib import Path

import httpx
import numpy as np
import torch
import transformers as tf
from safetensors.numpy import load

HERE = Path(__file__).resolve().parent
spec = importlib.util.spec_from_file_location("make_tiny_models", HERE / "make-tiny-models.py")
tiny = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tiny)

LAYER_BOUND, ROW_BOUND = 2e-5, 1e-4
# Of training, of generation, of the output's form, or names of the model itself.
OTHER = ("dropout", "drop", "output_", "return_", "use_cache", "token_id", "vocab", "initializer", "init_", "architectures", "model_type", "dtype",
         "transformers_version", "_name_or_path", "problem_type", "label", "gradient", "pruned", "aux_loss", "router_z", "chunk_size_feed",
         "is_decoder", "cross_attention", "is_encoder_decoder", "pretraining_tp", "quantization", "tokenizer_class", "summary", "classifier",
         "prefix", "task_specific", "torchscript", "bos", "eos", "pad", "use_mamba_kernels", "reference_compile", "_attn", "attn_implementation",
         "decoder_start", "num_decoder_layers", "experts_implementation", "finetuning_task")
ACTS = ["gelu", "relu", "silu", "gelu_new", "gelu_pytorch_tanh", "quick_gelu", "relu2", "tanh", "sigmoid"]


def changes(cfg, rnd):
    """(key, value) pairs worth trying; nested dictionaries are left alone."""
    for key, v in cfg.to_dict().items():
        if any(w in key for w in OTHER):
            continue
        if isinstance(v, bool):
            yield key, not v
        elif isinstance(v, float):
            yield key, v * rnd.choice([0.5, 1.7, 3.0]) if v else 0.3
        elif isinstance(v, int):
            for w in {v + 1, v * 2, max(v // 2, 1)} - {v}:
                yield key, w
        elif isinstance(v, str) and ("act" in key):
            for w in rnd.sample(ACTS, 3):
                if w != v:
                    yield key, w


def reference(t, cfg, folder):
    """Saves a model of cfg and returns ids and states; raises where transformers cannot run it."""
    # the eager path of transformers' Falcon adds ALiBi twice, in the mask and beside it
    attn = "sdpa" if cfg.model_type == "falcon" and cfg.alibi else t.attn
    cfg._attn_implementation = attn
    model = t.cls(cfg).eval()
    tiny.randomize(model)
    if t.tune:
        t.tune(model)
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    with open(os.path.join(folder, "tokenizer.json"), "w") as f:
        json.dump(tiny.byte_tokenizer(), f, ensure_ascii=False)
    if t.edit:
        tiny.rewrite_config(folder, t.edit)
    model = t.cls.from_pretrained(folder, dtype=torch.float32, attn_implementation=attn, experts_implementation="eager").eval()
    ids = torch.randint(0, 256, (1, 45))
    with torch.no_grad():
        o = (model.encoder if t.encoder else model)(ids, output_hidden_states=True)
    states = [h[0] for h in o.hidden_states]
    if states[-1].shape != states[0].shape:
        states.pop()
    if t.weights:
        tiny.rewrite_weights(folder, t.weights)
    if t.config_last:
        tiny.rewrite_config(folder, t.config_last)
    return ids[0].tolist(), torch.stack(states).numpy()


def rounding(t, folder, ids, states):
    """How far transformers' float32 states are from its own in float64: of some random models, farther than the bounds."""
    model = t.cls.from_pretrained(folder, dtype=torch.float64, attn_implementation=t.attn, experts_implementation="eager").eval()
    with torch.no_grad():
        o = (model.encoder if t.encoder else model)(torch.tensor([ids]), output_hidden_states=True)
    ref = torch.stack([h[0] for h in o.hidden_states]).numpy()
    return max(np.abs(states[k] - ref[k]).max() / np.abs(ref[k]).max() for k in range(len(ref))), ref


def ask(client, folder, ids, n):
    body = dict(model=folder, hidden_state_format="safetensors", capture=dict(name="h", layers=list(range(n)), positions="all"))
    r = client.post("/generate", json=dict(body, prompt=ids, max_tokens=0, return_hidden_states=False))
    if r.status_code == 422 and "/embed" in r.text:
        r = client.post("/embed", json=dict(body, text=ids, pooling="mean"))
    client.delete("/models/" + folder.replace("/", "%2F"))
    return r


def judge(r, states):
    if r.status_code != 200:
        return "refused", r.json()["error"]["message"] if r.headers["content-type"].startswith("application/json") else r.text
    mine = load(r.content)["captures.h"]
    if mine.shape != states.shape:
        return "WRONG", f"shape {mine.shape}, expected {states.shape}"
    if not np.isfinite(states).all():
        return "no numbers", ""
    d = np.abs(mine - states)
    layer = max(d[k].max() / max(np.abs(states[k]).max(), 1e-30) for k in range(len(states)))
    row = max((d[k].max(1) / np.maximum(np.abs(states[k]).max(1), 1e-30)).max() for k in range(len(states)))
    return ("equal" if layer <= LAYER_BOUND and row <= ROW_BOUND else "WRONG"), f"layer {layer:.1e}, row {row:.1e}"


def written(t, cfg):
    """Does the file that other code would have written say what was changed?"""
    return not t.config_last or t.config_last(copy.deepcopy(cfg.to_dict())) != t.config_last(copy.deepcopy(t.config().to_dict()))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("url")
    p.add_argument("wanted", nargs="*")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--keep", help="folder for the models of wrong answers")
    args = p.parse_args()
    warnings.filterwarnings("ignore")
    tf.logging.set_verbosity_error()
    tf.logging.disable_progress_bar()
    torch.set_num_threads(1)
    client, rnd, count = httpx.Client(base_url=args.url, timeout=120), random.Random(args.seed), {}
    folder = tempfile.mkdtemp(prefix="loom-variant-")
    for group, variants in tiny.GROUPS.items():
        for name, t in variants.items():
            if args.wanted and name not in args.wanted and group not in args.wanted:
                continue
            for key, value in changes(t.config(), rnd):
                torch.manual_seed(rnd.randrange(1 << 30))
                try:
                    cfg = t.config()
                    cfg = type(cfg)(**{**cfg.to_dict(), key: value})
                    ids, states = reference(t, cfg, folder)
                except Exception as e:  # whatever transformers makes of it
                    count["not run"] = count.get("not run", 0) + 1
                    continue
                if not written(t, cfg):
                    count["not written"] = count.get("not written", 0) + 1
                    continue
                r = ask(client, folder, ids, len(states))
                what, why = judge(r, states)
                if what == "WRONG" and not (t.weights or t.config_last):
                    own, ref = rounding(t, folder, ids, states)
                    mine = load(r.content)["captures.h"]
                    if mine.shape == ref.shape and max(np.abs(mine[k] - ref[k]).max() / np.abs(ref[k]).max() for k in range(len(ref))) <= 2 * own + LAYER_BOUND:
                        what = "equal"  # as near to the truth as transformers is
                count[what] = count.get(what, 0) + 1
                if what in ("WRONG", "refused"):
                    print(f"{what:8} {name:24} {key} = {value!r}: {why[:300]}", flush=True)
                if what == "WRONG" and args.keep:
                    shutil.copytree(folder, os.path.join(args.keep, f"{name}-{key}-{value}"), dirs_exist_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    print(", ".join(f"{n} {what}" for what, n in sorted(count.items())))
    return 1 if count.get("WRONG") else 0


if __name__ == "__main__":
    sys.exit(main())
