#!/usr/bin/env python3
"""Mixed load on a server for a bounded time: is memory flat, are descriptors and threads constant, is every answer right?

    tests/soak/soak.py --seconds 3600              an hour; exits 1 when anything is off (memory counts from a minute or 5000 requests on)
    tests/soak/soak.py --requests 10000            so many requests in a row, one after the other
    tests/soak/soak.py --pid 123 --url http://…    a server that runs already

Traffic: about 70 % good (generate in each format, embed, captures, tokenize, lists), 20 % bad (wrong JSON, fields, models, routes), 10 % clients that
leave; a model is loaded and unloaded now and then where two may be in memory. Every good answer is compared, byte for byte of its numbers, with what
the same request answered first. Needs httpx; the models are those of tests/models."""
import argparse
import hashlib
import json
import os
import random
import re
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "tests/models"
RSS_BOUND = 0.02
DOCUMENTED = {200, 400, 404, 405, 409, 415, 422, 429, 503}


def start(binary):
    p = subprocess.Popen([binary, "serve", "--host", "127.0.0.1", "--port", "0", "--device", "cpu", "--max-models", "2", "--log-level", "error"],
                         stderr=subprocess.PIPE, text=True, env=dict(os.environ, HF_HUB_OFFLINE="1"))
    for line in p.stderr:
        m = re.search(r"listening on (http://\S+)", line)
        if m:
            return p, m.group(1)
    sys.exit("the server did not start")


def vitals(pid):
    """(resident KiB, descriptors, threads) of the server."""
    status = Path(f"/proc/{pid}/status").read_text()
    get = lambda key: int(re.search(rf"^{key}:\s+(\d+)", status, re.M).group(1))
    return get("VmRSS"), len(os.listdir(f"/proc/{pid}/fd")), get("Threads")


def good_requests():
    llama, gpt2, bert = (str(MODELS / n) for n in ("llama-gqa", "gpt2", "bert"))
    gen = dict(model=llama, prompt="Hello, hidden states!", max_tokens=8, temperature=0)
    out = [("/generate", dict(gen)), ("/generate", dict(gen, hidden_state_layers="all", return_full_sequence=True, hidden_state_format="base64")),
           ("/generate", dict(gen, hidden_state_format="safetensors", capture={"layers": "all", "positions": "all"})),
           ("/generate", dict(gen, temperature=0.9, seed=7, max_tokens=40, logprobs=3, return_tokens=True)),
           ("/generate", dict(gen, model=gpt2, return_attention=True, max_tokens=3)), ("/embed", dict(model=bert, text="a text", pooling="mean")),
           ("/embed", dict(model=bert, text="another one " * 30, pooling="none")), ("/embed", dict(model=llama, text="x", normalize=True)),
           ("/tokenize", dict(model=llama, text="héllo 世界")), ("/detokenize", dict(model=llama, ids=[5, 6, 7])),
           ("/generate", dict(gen, dry_run=True, capture={"layers": "all"}))]
    return out


def optional_requests(client):
    """Routes that are there or not, as the server's own list says."""
    llama, bert = str(MODELS / "llama-gqa"), str(MODELS / "bert")
    out = []
    for route, body in [("/generate/batch", dict(model=llama, prompts=["a", "bc"], max_tokens=4, temperature=0)), ("/embed/batch", dict(model=bert, texts=["a", "b c"])),
                        ("/generate/stream", dict(model=llama, prompt="abc", max_tokens=6, temperature=0)), ("/analyze", dict(model=bert, text="a"))]:
        if client.post(route, json=body).status_code == 200:
            out.append((route, body))
    return out


BAD = [("POST", "/generate", b"{"), ("POST", "/generate", b'{"model": "no/such", "prompt": "x"}'), ("POST", "/generate", b"[]"), ("GET", "/nope", b""),
       ("POST", "/generate", json.dumps(dict(model=str(MODELS / "llama-gqa"), prompt="x", max_tokens=-1)).encode()), ("PUT", "/models", b""),
       ("POST", "/embed", json.dumps(dict(model=str(MODELS / "bert"), text="x", layer=99)).encode()), ("DELETE", "/models/no--such", b""),
       ("POST", "/generate", json.dumps(dict(model=str(MODELS / "llama-gqa"), prompt="x", tempratur=1)).encode()),
       ("POST", "/tokenize", b'{"model": "' + str(MODELS / "llama-gqa").encode() + b'", "text": "\xff"}')]


def numbers(body, content_type):
    """What of an answer must be the same every time: everything but times."""
    if content_type.startswith("application/octet-stream"):
        n = int.from_bytes(body[:8], "little")
        return hashlib.sha256(body[8 + n:]).hexdigest()
    text = re.sub(rb'"(inference_time_ms|tokens_per_second|total_time_ms|load_time_seconds)": ?[0-9.e+-]+', b"", body)
    return hashlib.sha256(text).hexdigest()


class Soak:
    def __init__(self, url, pid):
        self.url, self.pid = url, pid
        self.lock = threading.Lock()
        self.first, self.counts, self.wrong = {}, {}, []
        self.over = threading.Event()

    def check(self, key, status, digest):
        with self.lock:
            self.counts[status] = self.counts.get(status, 0) + 1
            if status not in DOCUMENTED:
                self.wrong.append(f"{key}: status {status}")
            if digest and self.first.setdefault(key, digest) != digest:
                self.wrong.append(f"{key}: another answer than before")

    def one_good(self, c, i, route, body):
        r = c.post(route, json=body)
        self.check(f"{route} {i}", r.status_code, numbers(r.content, r.headers.get("content-type", "")) if r.status_code == 200 else None)
        if r.status_code not in (200, 429, 503):
            with self.lock:
                self.wrong.append(f"{route} {i}: {r.status_code} {r.text[:200]}")

    def leave(self, rng):
        """A client that goes away: before its body is whole, or before its answer."""
        host, port = self.url.split("//")[1].split(":")
        body = json.dumps(dict(model=str(MODELS / "llama-gqa"), prompt="x", max_tokens=200, temperature=1)).encode()
        with socket.create_connection((host, int(port)), timeout=10) as s:
            head = b"POST /generate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
            s.sendall((head + body)[:rng.randrange(1, len(head) + len(body) + 1)])
            time.sleep(rng.random() * 0.02)

    def client(self, seed, requests, stop_after=None, pause=0.0):
        rng = random.Random(seed)
        done = 0
        with httpx.Client(base_url=self.url, timeout=120) as c:
            while not self.over.is_set() and (stop_after is None or done < stop_after):
                done += 1
                dice = rng.random()
                time.sleep(2 * pause * rng.random())
                try:
                    if dice < 0.7 or (dice >= 0.9 and stop_after is not None): # in a row, nobody leaves
                        i = rng.randrange(len(requests))
                        self.one_good(c, i, *requests[i])
                    elif dice < 0.9 and dice > 0.72:
                        method, route, body = rng.choice(BAD)
                        r = c.request(method, route, content=body, headers={"Content-Type": "application/json"})
                        self.check(f"{method} {route}", r.status_code, None)
                        if r.status_code == 200:
                            self.wrong.append(f"bad {method} {route}: taken")
                    elif dice <= 0.72:
                        name = str(MODELS / rng.choice(("gpt2", "qwen2", "bert")))
                        r = c.delete("/models/" + name) if rng.random() < 0.5 else c.post("/models/load", json=dict(model=name))
                        self.check("life", r.status_code, None)
                    elif stop_after is None:
                        self.leave(rng)
                    for route in ("/health", "/models") if rng.random() < 0.05 else ():
                        self.check(route, c.get(route).status_code, None)
                except httpx.TransportError as e:
                    with self.lock:
                        self.wrong.append(f"transport: {e!r}")


def report(samples, judge):
    """False when memory or descriptors are not flat. The first quarter is warming up; judge: was the run long enough for the rest to say anything?"""
    flat = samples[len(samples) // 4:]
    if len(flat) < 8:
        return True
    q = len(flat) // 4
    before, after = (statistics.median(s[0] for s in part) for part in (flat[:q], flat[-q:]))
    growth = after / before - 1
    fds = [max(s[1] for s in part) for part in (flat[:q], flat[-q:])]
    print(f"resident memory: {before / 1024:.1f} MiB, then {after / 1024:.1f} MiB ({growth:+.2%}, bound {RSS_BOUND:.0%}); descriptors at most "
          f"{fds[0]}, then {fds[1]}; threads at most {max(s[2] for s in flat)}")
    return not judge or (growth <= RSS_BOUND and fds[1] <= fds[0] + 8)


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--seconds", type=float, default=300)
    a.add_argument("--requests", type=int, help="this many in a row instead")
    a.add_argument("--clients", type=int, default=8)
    a.add_argument("--pause", type=float, default=0, help="seconds between a client's requests, in the mean: leaves the machine to others")
    a.add_argument("--url")
    a.add_argument("--pid", type=int)
    a.add_argument("--bin", default=os.environ.get("LOOM_BIN", str(ROOT / "build/loom")))
    a = a.parse_args()
    p, url = (None, a.url) if a.url else start(a.bin)
    pid = a.pid or p.pid
    s = Soak(url, pid)
    with httpx.Client(base_url=url, timeout=120) as c:
        requests = good_requests() + optional_requests(c)
        for i, (route, body) in enumerate(requests):
            s.one_good(c, i, route, body)
    samples, began = [], time.time()
    n = 1 if a.requests else a.clients
    threads = [threading.Thread(target=s.client, args=(i, requests, a.requests, a.pause)) for i in range(n)]
    for t in threads:
        t.start()
    while any(t.is_alive() for t in threads):
        time.sleep(min(1.0, a.seconds / 60) if not a.requests else 0.1)
        samples.append(vitals(pid))
        if not a.requests and time.time() - began > a.seconds:
            s.over.set()
    took = time.time() - began
    time.sleep(0.5)
    rss, fds, n_thread = vitals(pid)
    ok = report(samples, took >= 60 or sum(s.counts.values()) >= 5000) and not s.wrong
    print(f"{sum(s.counts.values())} answers in {took:.0f} s: " + ", ".join(f"{k}: {v}" for k, v in sorted(s.counts.items())) +
          f"; afterwards {rss / 1024:.1f} MiB, {fds} descriptors, {n_thread} threads")
    for w in s.wrong[:20]:
        print("WRONG", w)
    if p:
        p.send_signal(signal.SIGTERM)
        rc = p.wait(30)
        if rc != 0:
            print(f"WRONG the server ended with {rc}")
            ok = False
    sys.exit(0 if ok else 1)


if __name__ == "__main__":
    main()
