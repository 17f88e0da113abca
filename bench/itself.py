#!/usr/bin/env python3
"""The server by itself, and single calls beside FastAPI over transformers (plain_server.py): what issue trackers call "how heavy is it".

  usage: bench/itself.py LOOM_BIN DECODER_FOLDER ENCODER_FOLDER [--threads 2] [--rounds 5] [--only start,memory,bytes,calls] [--json FILE]

start: process to listening, the stripped program. memory: loading, what the process grew by, what /models says. bytes: all hidden states of 512 tokens as
safetensors beside the same bytes from a bare socket. calls: /generate of 20 tokens, /embed of 12 tokens, /embed/batch of 64 short texts."""
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import httpx

from peers import WORDS, Table, arguments, measure
from serve import Plain, free_port

TEXT = "the quiet river and the stone dance under seven never"
MIB = 1 << 20


class Own:
    """A server whose process can be looked at."""
    who = "loom"

    def __init__(self, args):
        began = time.perf_counter()
        self.process = subprocess.Popen([args.loom, "serve", "--host", "127.0.0.1", "--port", str(free_port()), "--threads", str(args.threads), "--device", "cpu",
                                         "--log-level", "error"], stderr=subprocess.PIPE, text=True, env=dict(os.environ, HF_HUB_OFFLINE="1"))
        for line in self.process.stderr:
            m = re.search(r"listening on (http://\S+)", line)
            if m:
                self.url, self.start_ms = m.group(1), (time.perf_counter() - began) * 1e3
                break

    def resident(self):
        return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text()).group(1)) * 1024

    def end(self):
        self.process.terminate()
        self.process.wait()


def start(args, table):
    times = []
    for _ in range(4 * args.rounds):
        s = Own(args)
        times.append(s.start_ms)
        s.end()
    table.add("process to listening", "loom", min(times), "ms", statistics.median(times))
    with tempfile.TemporaryDirectory() as d:
        small = Path(d) / "loom"
        shutil.copy(args.loom, small)
        subprocess.run(["strip", small], check=True)
        table.add("the stripped program", "loom", small.stat().st_size / MIB, "MiB")


def memory(args, table):
    files = sum(f.stat().st_size for f in Path(args.decoder).glob("*.safetensors"))
    loads, rest, stated = [], [], []
    for _ in range(args.rounds):
        s = Own(args)
        with httpx.Client(base_url=s.url, timeout=300) as c:
            before = s.resident()
            r = c.post("/models/load", json=dict(model=args.decoder)).raise_for_status().json()
            loads.append(r["load_time_seconds"])
            c.post("/generate", json=dict(model=args.decoder, prompt=list(range(100, 612)), max_tokens=1)).raise_for_status()
            time.sleep(0.2)
            rest.append(s.resident())
            stated.append(c.get("/models").json()["loaded_models"][0]["memory_bytes"] / (rest[-1] - before))
        s.end()
    table.add("loading the decoder (files in the page cache)", "loom", min(loads) * 1e3, "ms", statistics.median(loads) * 1e3)
    table.add("weights as files", "loom", files / MIB, "MiB")
    table.add("resident after a prompt of 512", "loom", min(rest) / MIB, "MiB", statistics.median(rest) / MIB)
    table.add("resident beyond 1.1 x weights (target: at most 100)", "loom", (min(rest) - 1.1 * files) / MIB, "MiB")
    table.add("memory_bytes over what the process grew by", "loom", min(stated), "x", statistics.median(stated))


class Raw:
    """An HTTP client that does nothing with the bytes but take them."""

    def __init__(self, url):
        self.s = socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1])))
        self.buffer = bytearray(64 * MIB)

    def post(self, route, body):
        """(milliseconds, bytes of the body, the first of them)."""
        data = json.dumps(body).encode()
        began = time.perf_counter()
        self.s.sendall(b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (route.encode(), len(data)) + data)
        view, n, need = memoryview(self.buffer), 0, None
        while need is None or n < need:
            n += self.s.recv_into(view[n:])
            if need is None and b"\r\n\r\n" in self.buffer[:4096]:
                head = bytes(self.buffer[:4096]).split(b"\r\n\r\n")[0]
                assert b" 200 " in head.split(b"\r\n")[0], head
                length = int(re.search(rb"Content-Length: (\d+)", head).group(1))
                need = len(head) + 4 + length
        return (time.perf_counter() - began) * 1e3, length, bytes(self.buffer[len(head) + 4:need][:200000])


def bare_socket(n, rounds):
    """Milliseconds that n bytes take from memory to another process over the loopback."""
    code = f"import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); b = bytearray(b'x') * {n}\n" \
        f"c, _ = s.accept()\nfor _ in range({rounds}): c.recv(1); c.sendall(b)"
    p = subprocess.Popen(["python3", "-c", code], stdout=subprocess.PIPE, text=True)
    c = socket.create_connection(("127.0.0.1", int(p.stdout.readline())))
    view, times = memoryview(bytearray(n)), []
    for _ in range(rounds):
        began, got = time.perf_counter(), 0
        c.sendall(b"g")
        while got < n:
            got += c.recv_into(view[got:])
        times.append((time.perf_counter() - began) * 1e3)
    p.wait()
    return times


def bytes_(args, table):
    s = Own(args)
    raw, ids = Raw(s.url), list(range(1000, 1512))
    plain = dict(model=args.decoder, prompt=ids, max_tokens=0, return_hidden_states=False)
    full = dict(plain, capture=dict(layers="all", positions="all"), hidden_state_format="safetensors")
    raw.post("/generate", plain), raw.post("/generate", full)
    without, took, outside = [], [], []
    for i in range(3 * args.rounds):
        plain["prompt"] = full["prompt"] = [2000 + i, *ids[1:]]
        a, _, _ = raw.post("/generate", plain)
        b, n, first = raw.post("/generate", full)
        inside = json.loads(json.loads(first[8:8 + int.from_bytes(first[:8], "little")])["__metadata__"]["answer"])["metadata"]["inference_time_ms"]
        without.append(a)
        took.append(b)
        outside.append(b - inside)
    bare = bare_socket(n, 20)
    table.add("bytes of all states of 512 tokens, safetensors", "loom", n / MIB, "MiB")
    table.add("those bytes from a bare socket", "loopback", min(bare), "ms", statistics.median(bare))
    table.add("the answer beyond the model's own time", "loom", min(outside), "ms", statistics.median(outside))
    table.add("the call without states", "loom", min(without), "ms", statistics.median(without))
    table.add("the call with them", "loom", min(took), "ms", statistics.median(took))
    s.end()


def calls(args, table):
    texts = [" ".join(WORDS[(i + k) % len(WORDS)] for k in range(8)) for i in range(64)]
    work = {"/generate, 5-token prompt, 20 tokens, layer -1": ("/generate", dict(model=args.decoder, prompt=[504, 2365, 282, 260, 905], max_tokens=20, temperature=0,
                                                                                 return_hidden_states=True)),
            "/embed, 12 tokens": ("/embed", dict(model=args.encoder, text=TEXT)),
            "/embed/batch, 64 short texts": ("/embed/batch", dict(model=args.encoder, texts=texts))}
    servers = [Own(args), Plain(args)]
    clients = [httpx.Client(base_url=s.url, timeout=300) for s in servers]
    for name, (route, body) in work.items():
        def run(c):
            def call():
                began = time.perf_counter()
                c.post(route, json=body).raise_for_status()
                return (time.perf_counter() - began) * 1e3
            return call
        for c in clients:
            run(c)()
        table.in_turns(name, "ms", {s.who: run(c) for s, c in zip(servers, clients)}, 4 * args.rounds)
    for s in servers:
        s.process.terminate()
        s.process.wait()


def main():
    parts = dict(start=start, memory=memory, bytes=bytes_, calls=calls)
    measure(arguments(parts, __doc__, dtype=dict(default="float32", help="of the peer's weights")), parts, Table())


if __name__ == "__main__":
    main()
