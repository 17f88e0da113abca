#!/usr/bin/env python3
"""Loom beside its peers: the same work, the same threads, one run, in turns, as ratios of the best rounds (medians beside them).

  usage: bench/peers.py LOOM_BIN DECODER_GGUF ENCODER_FOLDER [--threads 2] [--rounds 5] [--only decoder,quant,encoder,itself] [--json FILE]
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

WORDS = ("water stone light never under seven dance machine quiet river because theory of mind and the is open small "
         "photosynthesis interferometry unsupervised tokenization eigenvalues counterfactual").split()
N_TEXT = 512 # of 8 to 127 words: 57 thousand tokens of BERT's vocabulary, as shared/reference/baselines.md has them


def timed(fn):
    t = time.perf_counter()
    fn()
    return (time.perf_counter() - t) * 1e3


class Table:
    def __init__(self):
        self.rows = []

    def add(self, work, who, value, unit, median=None):
        self.rows.append(dict(work=work, who=who, value=round(value, 4), median=round(value if median is None else median, 4), unit=unit))
        print(f"  {work:58} {who:34} {value:10.2f} {unit}" + ("" if median is None else f"   (median {median:.2f})"), flush=True)

    def in_turns(self, work, unit, runs, rounds):
        """Each once a round, so that a busy moment of the machine hits all; the best round counts, the median stands beside it."""
        got = {who: [] for who in runs}
        for _ in range(rounds):
            for who, fn in runs.items():
                got[who].append(fn())
        for who, v in got.items():
            self.add(work, who, min(v) if unit == "ms" else max(v), unit, statistics.median(v))

    def ratios(self):
        """Ours over each peer's, so that above 1 is faster."""
        print()
        for work in dict.fromkeys(r["work"] for r in self.rows):
            rows = [r for r in self.rows if r["work"] == work]
            ours = next((r for r in rows if r["who"] == "loom"), None)
            for r in rows:
                if ours and r is not ours:
                    ratio = r["value"] / ours["value"] if r["unit"] == "ms" else ours["value"] / r["value"]
                    print(f"  {work:58} loom over {r['who']:26} {ratio:6.2f}x")

    def save(self, path):
        """Into a file of results, in place of those of the same works."""
        if not path:
            return
        path, works = Path(path), {r["work"] for r in self.rows}
        old = json.loads(path.read_text())["rows"] if path.exists() else []
        when = dict(date=time.strftime("%Y-%m-%d"), command=" ".join(["bench/" + Path(sys.argv[0]).name, *sys.argv[1:]]))
        rows = [r for r in old if r["work"] not in works] + [dict(r, **when) for r in self.rows]
        path.write_text(json.dumps(dict(machine=machine(), rows=rows), indent=1) + "\n")


def machine():
    cpu = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "?")
    return f"{cpu}, {os.cpu_count()} cores, {os.uname().sysname} {os.uname().release}"


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


def torch_decoder(folder, name):
    import torch
    import transformers as tf
    m = tf.AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, name)).eval()
    ids, step = torch.randint(0, 40000, (1, 512)), torch.tensor([[5]])

    @torch.no_grad()
    def prefill():
        return 512e3 / timed(lambda: m(ids, logits_to_keep=1))

    @torch.no_grad()
    def decode():
        past = m(ids[:, :32], use_cache=True).past_key_values
        t = time.perf_counter()
        for _ in range(24):
            past = m(step, past_key_values=past, use_cache=True).past_key_values
        return 24 / (time.perf_counter() - t)
    prefill()
    return prefill, decode


def llama_decoder(args, path):
    import llama_cpp
    m = llama_cpp.Llama(str(path), n_ctx=1024, n_batch=512, n_ubatch=512, n_threads=args.threads, n_threads_batch=args.threads, verbose=False)
    ids = [random.randrange(40000) for _ in range(512)]

    def prefill():
        m.reset()
        return 512e3 / timed(lambda: m.eval(ids))

    def decode():
        m.reset()
        m.eval(ids[:32])
        m.eval([5])
        t = time.perf_counter()
        for _ in range(32):
            m.eval([5])
        return 32 / (time.perf_counter() - t)
    prefill()
    return prefill, decode


def decoder(args, table):
    import torch
    torch.set_num_threads(args.threads)
    folders = prepare(args)
    for name in ("float32", "bfloat16"):
        def loom(part, *extra, name=name):
            return loom_bench(args, str(folders[name]), "--rounds", "1", "--only", part, *extra)
        prefill = {"loom": lambda: loom("prefill")["prefill"]["512"]["tokens_per_second"]}
        decode = {"loom": lambda: loom("decode")["decode"]["tokens_per_second"]}
        if name == "bfloat16":
            prefill["loom, compute bf16"] = lambda: loom("prefill", "--compute", "bf16")["prefill"]["512"]["tokens_per_second"]
        prefill["torch"], decode["torch"] = torch_decoder(folders[name], name)
        try:
            prefill["llama.cpp"], decode["llama.cpp"] = llama_decoder(args, write_gguf(args.decoder, folders[name], name))
        except ImportError as e:
            print(f"  left out: llama.cpp: {e}", flush=True)
        table.in_turns(f"prefill 512, {name}", "tokens/s", prefill, args.rounds)
        table.in_turns(f"decode, {name}", "tokens/s", decode, args.rounds)


def quant(args, table):
    """Quantized files, the same for both: the decoder as it comes (Q4_1), and what llama.cpp (loom quantize where it is not installed) makes of its
    float32 form: Q4_K_M is Q5_0 for the most part there, as rows of 576 are no whole blocks of 256."""
    wide = write_gguf(args.decoder, prepare(args)["float32"], "float32")
    files = {"Q4_1": Path(args.decoder)}
    for name, kind, number in (("Q8_0", "q8_0", 7), ("Q4_K_M", "q4_k", 15)):
        files[name] = wide.with_name(f"{wide.stem.removesuffix('-float32')}-{name}.gguf")
        if files[name].exists():
            continue
        try:
            import llama_cpp
            p = llama_cpp.llama_model_quantize_default_params()
            p.ftype, p.nthread = number, args.threads
            if llama_cpp.llama_model_quantize(str(wide).encode(), str(files[name]).encode(), p):
                sys.exit(f"{files[name]}: llama.cpp could not make it")
        except ImportError:
            subprocess.run([args.loom, "quantize", str(wide), str(files[name]), "--type", kind], check=True)
    for name, path in files.items():
        def loom(part, *extra, path=path):
            return loom_bench(args, str(path), "--rounds", "1", "--only", part, *extra)
        prefill = {"loom": lambda: loom("prefill")["prefill"]["512"]["tokens_per_second"],
                   "loom, compute int8": lambda: loom("prefill", "--compute", "int8")["prefill"]["512"]["tokens_per_second"]}
        decode = {"loom": lambda: loom("decode")["decode"]["tokens_per_second"],
                  "loom, compute int8": lambda: loom("decode", "--compute", "int8")["decode"]["tokens_per_second"]}
        try:
            prefill["llama.cpp"], decode["llama.cpp"] = llama_decoder(args, path)
        except ImportError as e:
            print(f"  left out: llama.cpp: {e}", flush=True)
        table.in_turns(f"prefill 512, {name}", "tokens/s", prefill, args.rounds)
        table.in_turns(f"decode, {name}", "tokens/s", decode, args.rounds)


def texts(n):
    rnd = random.Random(3)
    return [" ".join(rnd.choice(WORDS) for _ in range(rnd.randrange(8, 128))) for _ in range(n)]


SHORT = "A happy person in the rain"


def st_encoder(args):
    from sentence_transformers import SentenceTransformer
    m = SentenceTransformer(args.encoder, device="cpu")
    batch = texts(N_TEXT)
    m.encode([SHORT])
    return lambda: 1e3 * N_TEXT / timed(lambda: m.encode(batch, batch_size=32)), lambda: timed(lambda: m.encode([SHORT]))


def ort_encoder(args):
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
    batch = sorted(texts(N_TEXT), key=len)
    embed([SHORT])
    return (lambda: 1e3 * N_TEXT / timed(lambda: [embed(batch[i:i + 32]) for i in range(0, N_TEXT, 32)])), lambda: timed(lambda: embed([SHORT]))


def encoder(args, table):
    import torch
    torch.set_num_threads(args.threads)
    lines = Path.home() / ".cache/loom/bench/texts.txt"
    lines.write_text("\n".join(texts(N_TEXT)))
    many = {"loom": lambda: loom_bench(args, args.encoder, "--texts", str(lines), "--rounds", "1")["embed"]["texts_per_second"]}
    short = {"loom": lambda: loom_bench(args, args.encoder, "--rounds", "9")["embed"]["one_short_ms"]}
    many["sentence-transformers"], short["sentence-transformers"] = st_encoder(args)
    many["onnxruntime"], short["onnxruntime"] = ort_encoder(args)
    table.in_turns(f"embed {N_TEXT} texts of mixed length", "texts/s", many, args.rounds)
    for who in ("sentence-transformers", "onnxruntime"): # as loom: the median of nine in each round
        one = short[who]
        short[who] = lambda one=one: statistics.median(one() for _ in range(9))
    table.in_turns("embed one short text", "ms", short, args.rounds)


def itself(args, table):
    """What needs no peer: streams together, captures, long prompts."""
    folders = prepare(args)
    for name in ("float32", "bfloat16"):
        def loom(part, *extra, name=name):
            return loom_bench(args, str(folders[name]), "--rounds", "1", "--only", part, *extra)
        one = max(loom("decode")["decode"]["tokens_per_second"] for _ in range(args.rounds))
        s = [loom("streams")["streams"] for _ in range(args.rounds)]
        table.add(f"decode of 8 streams over one, {name}", "loom", max(x["8"] for x in s) / one, "x")
        table.add(f"decode of 32 streams over one, {name}", "loom", max(x["32"] for x in s) / one, "x")
    b = loom_bench(args, str(folders["float32"]), "--rounds", str(3 * args.rounds), "--only", "capture")
    table.add("all hidden states of 512 tokens, overhead", "loom", b["capture"]["overhead_percent"], "%")
    for n in (512, 4096, 8191):
        rate = [loom_bench(args, str(folders["float32"]), "--rounds", "1", "--only", "prefill", "--prompt", str(n))["prefill"][str(n)]["tokens_per_second"]
                for _ in range(args.rounds if n < 8192 else 1)]
        table.add(f"prompt of {n}, float32", "loom", max(rate), "tokens/s", statistics.median(rate))


def arguments(parts, doc, rounds=5, **more):
    """What every benchmark of this folder takes; more: options of its own, as add_argument takes them."""
    p = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("loom", "decoder", "encoder"):
        p.add_argument(name)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--rounds", type=int, default=rounds)
    p.add_argument("--only", default=",".join(parts), help="of " + ", ".join(parts))
    p.add_argument("--json", help="a file of results, whose rows of the same works are replaced")
    for name, how in more.items():
        p.add_argument("--" + name, **how)
    args = p.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(args.threads)
    return args


def measure(args, parts, table):
    for part in args.only.split(","):
        parts[part](args, table)
    table.ratios()
    table.save(args.json)


def main():
    parts = dict(decoder=decoder, quant=quant, encoder=encoder, itself=itself)
    measure(arguments(parts, __doc__), parts, Table())


if __name__ == "__main__":
    sys.exit(main())
