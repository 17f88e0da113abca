"""More than there is room for: a full queue, more pages or bytes than there are, no memory in the middle of a step, ten thousand connections, readers
that stop, clients that vanish by the hundred. Each gets its own clear answer, and nobody else's bits change."""
import json
import os
import resource
import socket
import struct
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from test_http import healthy, until

LONG = "qwen2"
H = b"Host: localhost\r\n"


@pytest.fixture
def serve(new_server, monkeypatch):
    started = []

    def start(*args, **env):
        for k, v in env.items():
            monkeypatch.setenv(k, str(v))
        s = new_server("--log-level", "error", *args)
        started.append(s)
        return s
    yield start
    for s in started:
        assert s.stop() == 0


def metric(s, name):
    for line in s.client.get("/metrics").text.splitlines():
        if line.startswith((name + " ", name + "{")):
            return float(line.rsplit(" ", 1)[1])
    return 0


def states(r):
    assert r.status_code == 200, r.text
    a = r.json()
    return a["token_ids"], a["hidden_states"]


def raw(s, route, body, window=None):
    """A connection on which a request was sent and nothing is read."""
    data = json.dumps(body).encode()
    c = socket.socket()
    if window:
        c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
    c.connect(("127.0.0.1", s.port))
    c.sendall(b"POST %s HTTP/1.1\r\n" % route.encode() + H + b"Content-Length: %d\r\n\r\n" % len(data) + data)
    return c


def sanitized(loom_bin):
    program = Path(loom_bin).read_bytes()
    return b"__asan_init" in program or b"__tsan_init" in program


def test_a_full_queue_is_429_and_says_when_to_come_back(serve, tiny):
    s = serve(LOOM_SERVER__MAX_QUEUE=2, LOOM_MEMORY_LIMIT_BYTES=3_000_000)  # 28 KV pages: two long prompts
    body = dict(model=tiny(LONG), prompt=[3] * 700, max_tokens=300, temperature=0, hidden_state_format="base64")
    alone = states(s.client.post("/generate", json=body))
    full = right = 0
    with ThreadPoolExecutor(24) as pool:
        for _ in range(10):
            for r in pool.map(lambda _: httpx.post(s.url + "/generate", json=body, timeout=600), range(24)):
                if r.status_code == 429:
                    full += 1
                    e = r.json()["error"]
                    assert r.headers["retry-after"] == "1" and e["code"] == "queue_full" and "wait for this model" in e["message"]
                else:
                    right += 1
                    assert states(r) == alone
            if full and right > 24:
                break
    assert full and right
    assert states(s.client.post("/generate", json=body)) == alone
    text = s.client.get("/metrics").text
    assert f'loom_requests_total{{endpoint="/generate",method="POST",status="429"}} {full}' in text


def test_more_than_the_pages_hold_is_422_with_the_arithmetic(serve, tiny):
    s = serve(LOOM_MEMORY_LIMIT_BYTES=3_000_000)
    good = dict(model=tiny(LONG), prompt=[1, 2, 3], max_tokens=2, temperature=0)
    before = states(s.client.post("/generate", json=good))
    pages = int(metric(s, "loom_kv_pages"))
    for route, more in (("/generate", {}), ("/generate/stream", {}), ("/generate/batch", dict(prompts=[[1], [1] * (64 * pages + 1)]))):
        r = s.client.post(route, json={**dict(model=tiny(LONG), max_tokens=1), **(more or dict(prompt=[1] * (64 * pages + 1)))})
        assert r.status_code == 422, r.text
        assert f"{64 * pages + 1} tokens need {pages + 1} KV pages of 64 positions; the memory budget has room for {pages} of them" in r.json()["detail"]
    r = s.client.post("/generate", json=dict(good, prompt=[1] * (64 * pages - 2), max_tokens=100)).json()  # to the last position
    assert r["token_count"] == 2 and r["finish_reason"] == "length"
    assert states(s.client.post("/generate", json=good)) == before


def test_an_answer_over_the_limit_is_413_before_any_work(serve, tiny):
    s = serve(LOOM_SERVER__MAX_RESPONSE_BYTES=100_000)
    good = dict(model=tiny(LONG), prompt=[1, 2, 3], max_tokens=2, temperature=0)
    before = states(s.client.post("/generate", json=good))
    steps = metric(s, "loom_batch_steps_total")
    for more in (dict(capture=dict(site="logits", positions="all")), dict(return_full_sequence=True, hidden_state_layers="all"),
                 dict(capture=[dict(name=str(i), layers="all", positions="all") for i in range(16)])):
        r = s.client.post("/generate", json=dict(good, prompt=[1] * 200, max_tokens=2000, **more))
        assert r.status_code == 413 and "at most 100000 are allowed" in r.json()["detail"], r.text
    assert metric(s, "loom_batch_steps_total") == steps
    assert states(s.client.post("/generate", json=good)) == before


def test_hundreds_vanish_in_the_middle_of_their_prompts(serve, tiny):
    s = serve()
    good = dict(model=tiny(LONG), prompt=list(range(5, 60)), max_tokens=12, temperature=0, hidden_state_layers="all", hidden_state_format="base64")
    before = states(s.client.post("/generate", json=good))
    seen, stop = [], threading.Event()

    def control():
        with httpx.Client(base_url=s.url, timeout=600) as c:
            while not stop.is_set():
                seen.append(states(c.post("/generate", json=good)) == before)
    t = threading.Thread(target=control)
    t.start()
    for k in range(4):
        socks = [raw(s, ("/generate", "/generate/stream", "/embed")[i % 3], dict(dict(text="word " * 300) if i % 3 == 2 else
                                                                                  dict(prompt=[1 + (i + k) % 90] * 1000, max_tokens=50), model=tiny(LONG))) for i in range(50)]
        for i, c in enumerate(socks):
            if i % 2:  # a reset instead of an orderly end
                c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            c.close()
    until(lambda: s.client.get("/models/" + tiny(LONG)).json()["in_flight"] <= 1 and len(seen) > 3)
    stop.set()
    t.join()
    assert all(seen)
    until(lambda: metric(s, "loom_batch_sequences") == 0 and metric(s, "loom_queue_waiting") == 0)
    assert states(s.client.post("/generate", json=good)) == before


def test_a_big_batch_does_not_hold_up_a_small_request(serve, tiny, tmp_path):
    """Who was answered first is read from the log: a client at work may look too late."""
    s = serve("--log-level", "info", LOOM_LOGGING__FILE=tmp_path / "log")
    s.client.post("/models/load", json=dict(model=tiny(LONG)))
    small = dict(model=tiny(LONG), prompt=[1, 2, 3], max_tokens=2, temperature=0)
    before = states(s.client.post("/generate", json=small))
    batch = dict(model=tiny(LONG), prompts=[[i] * 600 for i in range(1, 61)], max_tokens=60, temperature=0)
    with ThreadPoolExecutor(1) as pool:
        big = pool.submit(lambda: httpx.post(s.url + "/generate/batch", json=batch, timeout=600))
        until(lambda: metric(s, "loom_batch_sequences") > 1)
        assert states(s.client.post("/generate", json=small)) == before
        assert len(big.result().json()["results"]) == 60
    until(lambda: "route=/generate/batch" in (tmp_path / "log").read_text())
    routes = [line.split("route=")[1].split()[0] for line in (tmp_path / "log").read_text().splitlines() if "route=/generate" in line]
    assert routes == ["/generate", "/generate", "/generate/batch"]


def test_a_reader_that_stops_lets_its_model_go(serve, tiny):
    """Few events, so that no buffer overflows: what counts is the time in which nothing is taken."""
    s = serve(LOOM_SERVER__STREAM_STALL_SECONDS=1, LOOM_SERVER__STREAM_BUFFER_BYTES="1GiB", LOOM_SERVER__IDLE_SECONDS=600)
    s.client.post("/models/load", json=dict(model=tiny(LONG)))
    stuck = [raw(s, "/generate/stream", dict(model=tiny(LONG), prompt=[1, 2, 3], max_tokens=100000, temperature=0, stream_hidden_states=True,
                                             hidden_state_layers="all"), window=4096) for _ in range(3)]
    until(lambda: metric(s, "loom_batch_sequences") > 0)
    until(lambda: s.client.get("/models/" + tiny(LONG)).json()["in_flight"] == 0)
    assert s.client.delete("/models/" + tiny(LONG)).status_code == 200
    for c in stuck:
        c.close()


def test_a_finished_stream_holds_no_model(serve, tiny):
    """The work is done, its events wait for a reader that takes its time: the model may go, and the reader still gets all of it."""
    s = serve(LOOM_SERVER__STREAM_STALL_SECONDS=600, LOOM_SERVER__STREAM_BUFFER_BYTES="1GiB")
    s.client.post("/models/load", json=dict(model=tiny(LONG)))
    slow = raw(s, "/generate/stream", dict(model=tiny(LONG), prompt=[1] * 1500, max_tokens=1, temperature=0, hidden_state_format="base64",
                                           capture=[dict(name=str(i), layers="all", positions="all") for i in range(16)]), window=4096)
    until(lambda: metric(s, "loom_captures_total") >= 16)
    until(lambda: s.client.get("/models/" + tiny(LONG)).json()["in_flight"] == 0)
    assert s.client.delete("/models/" + tiny(LONG)).status_code == 200
    slow.settimeout(300)
    got = bytearray()
    while not got.endswith(b"0\r\n\r\n"):
        got += slow.recv(1 << 20)
    assert len(got) > 20 << 20 and b"event: done" in got and b"event: error" not in got
    slow.close()


def test_no_memory_in_the_middle_of_anything(serve, tiny, loom_bin, tmp_path):
    """About one allocation in N fails while requests of all kinds run: each is answered as documented or its connection ends, right answers have the right
    bits, and afterwards everything is as before."""
    if sanitized(loom_bin):
        pytest.skip("a sanitizer has its own allocator")
    source = Path(__file__).resolve().parents[1] / "preload/starve.c"
    subprocess.run([os.environ.get("CC", "cc"), "-O1", "-shared", "-fPIC", "-o", tmp_path / "starve.so", source], check=True)
    control = tmp_path / "control"
    control.write_bytes(bytes(8))
    s = serve("--max-models", "3", LD_PRELOAD=str(tmp_path / "starve.so"), LOOM_STARVE=str(control))

    def starve(n):
        with open(control, "r+b") as f:
            f.write(struct.pack("<I", n))
    llama = dict(model=tiny("llama-gqa"), prompt="Hello, hidden states!", temperature=0, max_tokens=6)
    calls = [("/generate", dict(llama, hidden_state_layers="all", return_full_sequence=True, hidden_state_format="base64")),
             ("/generate", dict(llama, capture=[dict(layers="all", positions="all"), dict(name="m", reduce="mean", positions="all")], logprobs=3, return_tokens=True)),
             ("/generate/stream", dict(llama, stream_hidden_states=True)), ("/embed", dict(model=tiny("bert"), text="a text")),
             ("/embed/batch", dict(model=tiny("bert"), texts=["a", "b c"])), ("/tokenize", dict(model=tiny("llama-gqa"), text="héllo")),
             ("/models/load", dict(model=tiny("gpt2")))]

    def body(r):
        """What of an answer must be the same each time; None where it does not say all."""
        if "event: done" not in r.text and "text/event-stream" in r.headers["content-type"]:
            assert "event: error" in r.text and "memory" in r.text
            return None
        text = r.text.split("event: done\ndata: ")
        a = json.loads(text[-1])
        for key in ("metadata", "total_time_ms", "load_time_seconds"):
            a.pop(key, None)
        return text[:-1], a
    want = [body(s.client.post(route, json=b)) for route, b in calls]
    good = refused = ended = 0
    for n in (2000, 300, 60, 20):
        starve(n)

        def client(k):
            out = []
            c = httpx.Client(base_url=s.url, timeout=600)
            for i in range(k, k + 2 * len(calls)):
                i %= len(calls)
                try:
                    r = c.post(calls[i][0], json=calls[i][1])
                    if r.status_code == 200:
                        got = body(r)
                        assert got is None or got == want[i], calls[i]
                    else:
                        assert r.status_code == 503 and "memory" in r.text or r.status_code == 503 and r.json()["error"]["code"] == "unavailable", r.text
                    out.append(r.status_code)
                except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError, httpx.ConnectError):
                    out.append(0)
            return out
        with ThreadPoolExecutor(6) as pool:
            all_ = sum(pool.map(client, range(6)), [])
        starve(0)
        good, refused, ended = good + all_.count(200), refused + all_.count(503), ended + all_.count(0)
        assert s.p.poll() is None
        for (route, b), w in zip(calls, want):
            r = s.client.post(route, json=b)
            assert r.status_code == 200 and body(r) == w, (n, route, r.text)
    failures = struct.unpack("<II", control.read_bytes())[1]
    assert failures > 100 and refused > 10 and good > 10, (failures, good, refused, ended)
    until(lambda: metric(s, "loom_batch_sequences") == 0)


def test_ten_thousand_idle_connections(serve, loom_bin):
    """They cost nobody anything; beyond the limit a client is told so and the server goes on."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit, beyond = 2_000 if sanitized(loom_bin) else 10_000, 50  # ThreadSanitizer knows 8,128 threads
    if hard < limit + 500:
        pytest.skip(f"only {hard} descriptors may be opened here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    held = []
    try:
        s = serve(LOOM_SERVER__MAX_CONNECTIONS=limit, LOOM_SERVER__HEADER_SECONDS=3600, LOOM_SERVER__KEEP_ALIVE_SECONDS=3600)
        resident = lambda: int(Path(f"/proc/{s.p.pid}/statm").read_text().split()[1]) * 4096
        before = resident()
        for _ in range(limit):  # none through the client's own pool, which leaves a connection that was idle for five seconds
            held.append(socket.create_connection(("127.0.0.1", s.port)))
        threads = int(next(x for x in Path(f"/proc/{s.p.pid}/status").read_text().splitlines() if x.startswith("Threads")).split()[1])
        if threads < limit and any(not c.setblocking(False) and _turned_away(c) for c in held[-100:]):
            pytest.skip(f"only {threads} threads can be had here")
        over = [socket.create_connection(("127.0.0.1", s.port), timeout=600) for _ in range(beyond)]
        for c in over:
            got = c.recv(4096)
            assert got.startswith(b"HTTP/1.1 503") and b"Retry-After" in got and b"too many connections" in got
            c.close()
        for c in held[::100]:  # they are all still good
            c.setblocking(True)
            c.settimeout(300)
            c.sendall(b"GET /health HTTP/1.1\r\n" + H + b"\r\n")
            assert c.recv(4096).startswith(b"HTTP/1.1 200")
        for c in held:
            c.close()
        held.clear()
        until(lambda: healthy(s))  # the server reads of their ends one by one
        until(lambda: metric(s, "process_open_fds") < 100)
        if not sanitized(loom_bin):  # whose allocators keep what was freed
            until(lambda: resident() < before + (16 << 20))
    finally:
        for c in held:
            c.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _turned_away(c):
    try:
        return c.recv(100, socket.MSG_PEEK).startswith(b"HTTP/1.1 503")
    except BlockingIOError:
        return False
