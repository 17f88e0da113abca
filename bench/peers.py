#!/usr/bin/env python3
"""Loom beside its peers: the same work, the same threads, one run, as ratios of medians.

  usage: bench/peers.py LOOM_BIN DECODER_GGUF ENCODER_FOLDER [--threads 2] [--rounds 5] [--json FILE]
Peers that are not installed are left out and said so. The decoder is written once as float32 and bfloat16 safetensors folders (and GGUF files for
llama.cpp) under ~/.cache/loom/bench.
"""
import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path

WORDS = "water stone light never under seven dance machine quiet river because theory of mind and the is open small".split()


def median_ms(fn, rounds):
    fn()
    out = []
    for _ in range(rounds):
        t = time.perf_counter()
        fn()
        out.append((time.perf_counter() - t) * 1e3)
    return statistics.median(out)


class Table:
    def __init__(self):
        self.rows = []

    def add(self, work, who, value, unit):
        self.rows.append(dict(work=work, who=who, value=value, unit=unit))
        print(f"  {work:38} {who:34} {value:10.2f} {unit}", flush=True)

    def ratios(self):
        """Ours over each peer's, so that above 1 is faster."""
        for work in dict.fromkeys(r["work"] for r in self.rows):
            rows = [r for r in self.rows if r["work"] == work]
            ours = next((r for r in rows if r["who"] == "loom"), None)
            for r in rows:
                if ours and r is not ours:
                    ratio = r["value"] / ours["value"] if r["unit"] == "ms" else ours["value"] / r["value"]
                    print(f"  {work:38} loom over {r['who']:26} {ratio:6.2f}x")


def loom_bench(args, model, *extra):
    cmd = [args.loom, "bench", model, "--json", "--threads", str(args.threads), *extra]
    return json.loads(subprocess.run(cmd, check=True, capture_output=True, text=True).stdout)


def prepare(args):
    """Float32 and bfloat16 folders of the decoder; GGUF files of them for llama.cpp."""
    import torch
    import transformers as tf
    gguf = Path(args.decoder)
    base = Path.home() / ".cache/loom/bench"
    out = {}
    for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        out[name] = base / f"{gguf.stem}-{name}"
        if not (out[name] / "model.safetensors").exists():
            m = tf.AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=dtype)
            m.hf_quantizer = None  # dequantized already; else saving refuses
            if hasattr(m.config, "quantization_config"):
                del m.config.quantization_config
            m.save_pretrained(out[name])
            tf.AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(out[name])
    return out


def write_gguf(src, folder, dtype):
    """The folder's weights as a GGUF of one float type, names and metadata taken from the quantized file."""
    import gguf
    import numpy as np
    dst = folder.parent / f"{folder.name}.gguf"
    if dst.exists():
        return dst
    r = gguf.GGUFReader(src)
    w = gguf.GGUFWriter(str(dst) + ".part", "llama")
    for f in r.fields.values():
        if f.name.startswith("GGUF.") or f.name in ("general.architecture", "general.file_type", "general.quantization_version"):
            continue
        t = f.types[0]
        w.add_key_value(f.name, f.contents(), t, sub_type=f.types[-1] if t == gguf.GGUFValueType.ARRAY else None)
    kind = gguf.GGMLQuantizationType.F32 if dtype == "float32" else gguf.GGMLQuantizationType.BF16
    for t in r.tensors:
        data = gguf.quants.dequantize(t.data, t.tensor_type).reshape([int(x) for x in reversed(t.shape)]).astype(np.float32)
        if data.ndim == 1:
            w.add_tensor(t.name, data)
        else:
            q = gguf.quants.quantize(data, kind)
            w.add_tensor(t.name, q, raw_dtype=kind)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    os.rename(str(dst) + ".part", dst)
    return dst


def torch_decoder(args, table, folders):
    import torch
    import transformers as tf
    torch.set_num_threads(args.threads)
    for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        m = tf.AutoModelForCausalLM.from_pretrained(folders[name], dtype=dtype).eval()
        ids = torch.randint(0, 40000, (1, 512))
        with torch.no_grad():
            ms = median_ms(lambda: m(ids, logits_to_keep=1), args.rounds)
            table.add(f"prefill 512, {name}", "torch", 512e3 / ms, "tokens/s")
            o = m(ids[:, :32], use_cache=True)
            past, step = o.past_key_values, torch.tensor([[5]])
            t = time.perf_counter()
            for _ in range(32):
                past = m(step, past_key_values=past, use_cache=True).past_key_values
            table.add(f"decode, {name}", "torch", 32 / (time.perf_counter() - t), "tokens/s")


def llama_decoder(args, table, folders):
    import llama_cpp
    for name in ("float32", "bfloat16"):
        path = write_gguf(args.decoder, folders[name], name)
        m = llama_cpp.Llama(str(path), n_ctx=1024, n_batch=512, n_ubatch=512, n_threads=args.threads, n_threads_batch=args.threads, verbose=False)
        ids = [random.randrange(40000) for _ in range(512)]

        def prefill():
            m.reset()
            m.eval(ids)
        ms = median_ms(prefill, args.rounds)
        table.add(f"prefill 512, {name}", "llama.cpp", 512e3 / ms, "tokens/s")
        m.reset()
        m.eval(ids[:32])
        m.eval([5])
        t = time.perf_counter()
        for _ in range(32):
            m.eval([5])
        table.add(f"decode, {name}", "llama.cpp", 32 / (time.perf_counter() - t), "tokens/s")


def texts(n):
    rnd = random.Random(3)
    return [" ".join(rnd.choice(WORDS) for _ in range(rnd.randrange(8, 128))) for _ in range(n)]


def st_encoder(args, table):
    import torch
    from sentence_transformers import SentenceTransformer
    torch.set_num_threads(args.threads)
    m = SentenceTransformer(args.encoder, device="cpu")
    batch = texts(128)
    ms = median_ms(lambda: m.encode(batch, batch_size=32), max(1, args.rounds // 2))
    table.add("embed 128 texts of mixed length", "sentence-transformers", 128e3 / ms, "texts/s")
    table.add("embed one short text", "sentence-transformers", median_ms(lambda: m.encode(["A happy person in the rain"]), args.rounds * 4), "ms")


def ort_encoder(args, table):
    import numpy as np
    import onnxruntime
    import torch
    import transformers as tf
    tok = tf.AutoTokenizer.from_pretrained(args.encoder)
    path = Path.home() / ".cache/loom/bench" / "encoder.onnx"
    if not path.exists():
        net = tf.AutoModel.from_pretrained(args.encoder, attn_implementation="eager").eval()

        class Wrap(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.net = net

            def forward(self, ids, mask):
                return self.net(input_ids=ids, attention_mask=mask).last_hidden_state
        x = torch.ones(2, 8, dtype=torch.int64)
        torch.onnx.export(Wrap(), (x, x), str(path), input_names=["ids", "mask"], output_names=["h"], dynamo=False, opset_version=17,
                          dynamic_axes={"ids": {0: "b", 1: "t"}, "mask": {0: "b", 1: "t"}, "h": {0: "b", 1: "t"}})
    o = onnxruntime.SessionOptions()
    o.intra_op_num_threads, o.inter_op_num_threads = args.threads, 1
    s = onnxruntime.InferenceSession(str(path), o, providers=["CPUExecutionProvider"])

    def embed(batch):
        e = tok(batch, padding=True, truncation=True, max_length=256, return_tensors="np")
        mask = e["attention_mask"]
        h = s.run(None, {"ids": e["input_ids"], "mask": mask})[0]
        v = (h * mask[..., None]).sum(1) / mask.sum(1)[:, None]
        return v / np.linalg.norm(v, axis=1, keepdims=True)
    batch = sorted(texts(128), key=len)
    ms = median_ms(lambda: [embed(batch[i:i + 32]) for i in range(0, 128, 32)], max(1, args.rounds // 2))
    table.add("embed 128 texts of mixed length", "onnxruntime", 128e3 / ms, "texts/s")
    table.add("embed one short text", "onnxruntime", median_ms(lambda: embed(["A happy person in the rain"]), args.rounds * 4), "ms")


def loom_all(args, table, folders):
    for name in ("float32", "bfloat16"):
        b = loom_bench(args, str(folders[name]))
        table.add(f"prefill 512, {name}", "loom", b["prefill"]["512"]["tokens_per_second"], "tokens/s")
        table.add(f"decode, {name}", "loom", b["decode"]["tokens_per_second"], "tokens/s")
        if name == "float32":
            table.add("all hidden states of 512, overhead", "loom", b["capture"]["overhead_percent"], "%")
    lines = Path.home() / ".cache/loom/bench/texts.txt"
    lines.write_text("\n".join(texts(128)))
    b = loom_bench(args, args.encoder, "--texts", str(lines))
    table.add("embed 128 texts of mixed length", "loom", b["embed"]["texts_per_second"], "texts/s")
    table.add("embed one short text", "loom", b["embed"]["one_short_ms"], "ms")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("loom")
    p.add_argument("decoder")
    p.add_argument("encoder")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--json")
    args = p.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(args.threads)
    table, folders = Table(), prepare(args)
    for fn, extra in ((loom_all, (folders,)), (torch_decoder, (folders,)), (llama_decoder, (folders,)), (st_encoder, ()), (ort_encoder, ())):
        try:
            fn(args, table, *extra)
        except ImportError as e:
            print(f"  left out: {fn.__name__}: {e}", flush=True)
    print()
    table.ratios()
    if args.json:
        Path(args.json).write_text(json.dumps(dict(date=time.strftime("%Y-%m-%d"), rows=table.rows), indent=1))


if __name__ == "__main__":
    sys.exit(main())
