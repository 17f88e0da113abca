#!/usr/bin/env python3
"""Servers under load, side by side in one run: Loom, and FastAPI over transformers (plain_server.py). Both are driven by `loom bench --load`.

  usage: bench/serve.py LOOM_BIN DECODER_FOLDER ENCODER_FOLDER [--threads 2] [--json FILE] [--only NAME,...] [--rounds 3] [--quick]
"""
import json
import re
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

from peers import Table, arguments

HERE = Path(__file__).resolve().parent
CAPTURE = ["--format", "safetensors", "--capture", '{"layers":"all","positions":"all","dtype":"bfloat16"}']


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Loom:
    who = "loom"

    def __init__(self, args):
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen([args.loom, "serve", "--host", "127.0.0.1", "--port", str(port), "--threads", str(args.threads), "--device", "cpu", "--log-level", "error"],
                                        stdout=subprocess.DEVNULL)
        wait_for(self.url)


class Plain:
    who = "FastAPI + transformers"

    def __init__(self, args):
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen([sys.executable, str(HERE / "plain_server.py"), args.decoder, args.encoder, str(port), str(args.threads), args.dtype],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self.url)


def wait_for(url):
    host, port = re.match(r"http://(.*):(\d+)", url).groups()
    for _ in range(600):
        try:
            socket.create_connection((host, int(port)), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    sys.exit(f"{url} does not answer")


def load(args, server, model, kind, clients, requests, *extra):
    cmd = [args.loom, "bench", model, "--load", server.url, "--json", "--kind", kind, "--clients", str(clients), "--requests", str(requests), *extra]
    return json.loads(subprocess.run(cmd, check=True, capture_output=True, text=True).stdout)


def median_of(args, key, run):
    return statistics.median(run()[key] for _ in range(args.rounds))


def decode(args, table, servers):
    for clients in (1, 8, 32):
        for s in servers:
            n = clients if args.quick or s.who != "loom" else 2 * clients
            if s.who != "loom" and clients == 32:
                continue  # one request at a time: as with 8
            rate = median_of(args, "tokens_per_second", lambda: load(args, s, args.decoder, "generate", clients, n, "--prompt-tokens", "32", "--max-tokens", "64"))
            table.add(f"decode, {clients} clients" if clients > 1 else "decode, 1 client", s.who, rate, "tokens/s")


def embed(args, table, servers):
    for s in servers:
        n = 64 if args.quick else 128
        table.add("embed mixed lengths, 16 clients", s.who, median_of(args, "requests_per_second", lambda: load(args, s, args.encoder, "embed", 16, n)), "texts/s")
    for s in servers:
        table.add("embed one short text over HTTP", s.who, load(args, s, args.encoder, "embed", 1, 40, "--words", "6")["answer_ms"]["p50"], "ms")


def pairs(args, server, clients, n, prompt, tokens, extra):
    """Median of rate with over rate without, in turns."""
    ratios, rates = [], []
    for _ in range(args.rounds):
        a = load(args, server, args.decoder, "generate", clients, n, "--prompt-tokens", str(prompt), "--max-tokens", str(tokens))
        b = load(args, server, args.decoder, "generate", clients, n, "--prompt-tokens", str(prompt), "--max-tokens", str(tokens), *extra)
        ratios.append(b["requests_per_second"] / a["requests_per_second"])
        rates.append(b["requests_per_second"])
    return statistics.median(ratios), statistics.median(rates)


def capture(args, table, servers):
    for s in servers:
        share, rate = pairs(args, s, 8, 16 if s.who == "loom" else 8, 256, 0, CAPTURE)
        table.add("256 tokens, all states captured, 8 clients", s.who, rate, "requests/s")
        table.add("share of the rate kept with all states captured", s.who, 100 * share, "%")
    for s in servers[:1]:
        share, rate = pairs(args, s, 16, 32, 32, 16, ["--format", "base64"])
        table.add("share of the rate kept with layer -1, base64", s.who, 100 * share, "%")


def between(args, table, servers):
    """Time between tokens of streams while long prompts arrive."""
    s = servers[0]
    noise = subprocess.Popen([args.loom, "bench", args.decoder, "--load", s.url, "--json", "--clients", "1", "--requests", "100000", "--prompt-tokens", "2000",
                              "--max-tokens", "1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        t = load(args, s, args.decoder, "stream", 4, 8, "--prompt-tokens", "32", "--max-tokens", "64")["between_tokens_ms"]
        table.add("between tokens of 4 streams beside prompts of 2,000: median", s.who, t["p50"], "ms")
        table.add("between tokens of 4 streams beside prompts of 2,000: p99", s.who, t["p99"], "ms")
    finally:
        noise.kill()
        noise.wait()


def main():
    parts = dict(decode=decode, embed=embed, capture=capture, between=between)
    args = arguments(parts, __doc__, rounds=3, dtype=dict(default="float32", help="of the peer's weights"), quick=dict(action="store_true"))
    table, servers = Table(), []
    try:
        servers.append(Loom(args))
        if set(args.only.split(",")) & {"decode", "embed", "capture"}:
            servers.append(Plain(args))
        for name in args.only.split(","):
            parts[name](args, table, servers)
    finally:
        for s in servers:
            s.process.terminate()
            s.process.wait()
    table.ratios()
    table.save(args.json)


if __name__ == "__main__":
    main()
