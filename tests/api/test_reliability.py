"""The rest of what breaks servers: odd request lines and headers, limits to the byte, early errors to long uploads, every pair of options, files that are no
files, signals, and models that change on disk. After each bad thing the same good request gets the same bits."""
import itertools
import json
import os
import shutil
import signal
import socket
import struct
import time

import httpx
import pytest

from test_http import H, P, answers, ask, connect, control, read_all  # noqa: F401 (control is a fixture)

GOOD = b"GET /health HTTP/1.1\r\n" + H + b"Connection: close\r\n\r\n"

LINES = [
    (b"\r\nGET /health HTTP/1.1\r\n" + H + b"Connection: close\r\n\r\n", 200), (b"get /health HTTP/1.1\r\n" + H + b"\r\n", 501),
    (b"GET  /health HTTP/1.1\r\n" + H + b"\r\n", 400), (b"GET\t/health HTTP/1.1\r\n" + H + b"\r\n", 400), (b"GET /health\tHTTP/1.1\r\n" + H + b"\r\n", 400),
    (b"GET /health HTTP/1.1 \r\n" + H + b"\r\n", 400), (b"GET\r\n\r\n", 400), (b"GET /\r\n\r\n", 400), (b" GET /health HTTP/1.1\r\n" + H + b"\r\n", 400),
    (b"GET /health HTTP/2.0\r\n" + H + b"\r\n", 505), (b"GET /health HTTP/0.9\r\n" + H + b"\r\n", 505), (b"GET /health HTTP/11\r\n" + H + b"\r\n", 400),
    (b"GET /health http/1.1\r\n" + H + b"\r\n", 400), (b"GET /health HTTP/1.1.1\r\n" + H + b"\r\n", 400), (b"GET /health FTP/1.1\r\n" + H + b"\r\n", 400),
    (b"G" * 100_000 + b" / HTTP/1.1\r\n" + H + b"\r\n", 414), (b"G(T /health HTTP/1.1\r\n" + H + b"\r\n", 400), (b"GET * HTTP/1.1\r\n" + H + b"Connection: close\r\n\r\n", 404),
    (b"GET health HTTP/1.1\r\n" + H + b"\r\n", 400), (b"GET /he alth HTTP/1.1\r\n" + H + b"\r\n", 400), (b"GET /he\x01 HTTP/1.1\r\n" + H + b"\r\n", 400),
    (b"GET /he\xff HTTP/1.1\r\n" + H + b"\r\n", 400), (b"GET /health#x HTTP/1.1\r\n" + H + b"\r\n", 400), (b"GET /% HTTP/1.1\r\n" + H + b"\r\n", 400),
    (b"GET /%1 HTTP/1.1\r\n" + H + b"\r\n", 400), (b"GET /models/%ff HTTP/1.1\r\n" + H + b"Connection: close\r\n\r\n", 400), (b"GET \\health HTTP/1.1\r\n" + H + b"\r\n", 400),
    (b"GET /health?" + b"&".join(b"a%d=1" % i for i in range(1000)) + b" HTTP/1.1\r\n" + H + b"Connection: close\r\n\r\n", 200),
    (b"GET /health HTTP/1.1\r\n" + H + b"no colon here\r\n\r\n", 400), (b"GET /health HTTP/1.1\r\n" + H + b": x\r\n\r\n", 400),
    (b"GET /health HTTP/1.1\r\n" + H + b"A B: x\r\n\r\n", 400), (b"GET /health HTTP/1.1\r\n" + H + b"A\x01: x\r\n\r\n", 400),
    (b"GET /health HTTP/1.1\r\n" + H + b"A\xe9: x\r\n\r\n", 400), (b"GET /health HTTP/1.1\r\n" + H + b"A: \x7f\r\n\r\n", 400),
    (b"GET /health HTTP/1.1\r\n" + H + b"A: \xe9t\xe9\r\nConnection: close\r\n\r\n", 200), (b"GET /health HTTP/1.1\r\n X: 1\r\n" + H + b"\r\n", 400),
    (b"GET /health HTTP/1.1\r\nHost:\r\n\r\n", 400), (b"GET /health HTTP/1.1\r\nHost: localhost:\xff\r\n\r\n", 400), (b"GET /health HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    (b"GET /health HTTP/1.1\r\nHost: localhost, evil\r\n\r\n", 400), (b"GET /health HTTP/1.1\r\nHost: localhost:x\r\n\r\n", 400),
    (P(b"Content-Length: abc\r\n", b"{}"), 400), (P(b"Content-Length: 9223372036854775808\r\n"), 400), (P(b"Content-Length: 1e1\r\n", b"{}"), 400),
    (P(b"Content-Length: 2\r\n", b"{}rubbish\r\n\r\n"), 422), (P(b"Transfer-Encoding: chunked\r\n", b"+1\r\nx\r\n0\r\n\r\n"), 400),
    (P(b"Transfer-Encoding: chunked\r\n", b"\r\n"), 400), (P(b"Transfer-Encoding: chunked\r\n", b"2\r\n{}\r\n0\r\n" + b"T: x\r\n" * 200_000 + b"\r\n"), 400),
    (P(b"Transfer-Encoding: chunked\r\n", b"2 \r\n{}\r\n0\r\n\r\n"), 400), (P(b"Transfer-Encoding: chunked\r\n", b"2\r\n{}\n0\r\n\r\n"), 400),
    (P(b"Transfer-Encoding: \tchunked\r\nConnection: close\r\n", b"2;a=\"b\"\r\n{}\r\n0\r\n\r\n"), 422), (P(b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n"), 501),
    (P(b"Expect: 100-continue, x\r\nContent-Length: 2\r\n", b"{}"), 417),
]


@pytest.mark.parametrize("data,status", LINES, ids=range(len(LINES)))
def test_odd_lines(server, data, status):
    got = ask(server, data)
    assert got and got[0][0] == status, got
    assert ask(server, GOOD)[0][0] == 200


def test_bodies_that_end_early(server, control):
    """Longer declared than sent, chunks without an end: nothing is run, no answer is made up, the connection ends."""
    before, body = control(), b'{"model": "a'
    for data in (P(b"Content-Length: 100\r\n", body), P(b"Transfer-Encoding: chunked\r\n", b"c\r\n" + body), P(b"Transfer-Encoding: chunked\r\n", b"ff\r\n" + body),
                 P(b"Transfer-Encoding: chunked\r\n", b"c\r\n" + body + b"\r\n0\r\n"), b"POST /generate HTTP/1.1\r\nHos"):
        with connect(server) as s:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            got = read_all(s)
        assert not got or answers(got)[0][0] == 400
    assert control() == before


def test_limits_to_the_byte(server):
    """One below, at, and one above: of the path, of headers, of a head's bytes."""
    def get(path=b"/health", headers=b""):
        return ask(server, b"GET " + path + b" HTTP/1.1\r\n" + H + b"Connection: close\r\n" + headers + b"\r\n")[0][0]
    uri = 8 << 10
    assert [get(b"/health?" + b"a" * (uri - 8 + k)) for k in (-1, 0, 1)] == [200, 200, 414]
    assert [get(headers=b"X: y\r\n" * (98 + k)) for k in (-1, 0, 1)] == [200, 200, 431]
    head = 24 << 10
    fixed = len(b"GET /health HTTP/1.1\r\n" + H + b"Connection: close\r\nX: \r\n\r\n")
    assert [get(headers=b"X: " + b"y" * (head - fixed + k) + b"\r\n") for k in (-1, 0, 1)] == [200, 200, 431]


def test_body_limit_to_the_byte(new_server, monkeypatch):
    monkeypatch.setenv("LOOM_SERVER__MAX_BODY_BYTES", "2000")
    s = new_server("--log-level", "error")
    try:
        for n, status in ((1999, 422), (2000, 422), (2001, 413)):
            body = b'{"x":"' + b"y" * (n - 8) + b'"}'
            assert s.client.post("/generate", content=body).status_code == status
            chunks = iter([body[:700], body[700:]])
            assert s.client.post("/generate", content=chunks, headers={"Content-Type": "application/json"}).status_code == status, n
    finally:
        assert s.stop() == 0


def test_an_early_error_can_be_read_by_who_still_sends(new_server):
    """401 and 413 while a long body is on its way: the answer arrives, no reset takes it away."""
    s = new_server("--log-level", "error", "--api-key", "secret")
    try:
        for extra, status in ((b"", 401), (b"Authorization: Bearer secret\r\n", 413)):
            with connect(s) as c:
                c.sendall(b"POST /generate HTTP/1.1\r\n" + H + extra + b"Content-Length: 100000000\r\n\r\n")
                try:
                    for _ in range(12):
                        c.sendall(b"x" * 65536)
                        time.sleep(0.01)
                except (BrokenPipeError, ConnectionResetError):
                    pass
                assert answers(read_all(c))[0][0] == status
        headers = {"Authorization": "Bearer secret"}
        assert s.client.get("/models", headers=headers).status_code == 200
    finally:
        assert s.stop() == 0


def test_connections_that_come_and_go(server, control):
    before = control()
    for i in range(1000):
        s = connect(server)
        if i % 3:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if i % 2:
            s.sendall(b"GET /hea" if i % 4 == 1 else b"\x16\x03\x01")
        s.close()
    assert control() == before


def test_head_and_options_of_every_route(server):
    paths = server.client.get("/openapi.json").json()["paths"]
    for path, ops in paths.items():
        url = path.replace("{id}", "x")
        r = server.client.options(url)
        assert r.status_code == 204 and not r.content
        assert {m.upper() for m in ops} <= set(r.headers["allow"].split(", ")), path
        r = server.client.head(url)
        assert not r.content and r.status_code == (404 if path.startswith("/models/") or "{" in path else 405 if "get" not in ops else 200), path


# ---- options

# None of these may change what is generated.
OPTIONS = [("return_hidden_states", [False, True]), ("hidden_state_layers", [[0, -1], "all"]), ("return_full_sequence", [True]), ("return_attention", [True]),
           ("hidden_state_format", ["base64", "safetensors"]), ("hidden_state_dtype", ["float16", "bfloat16"]), ("logprobs", [0, 5]), ("return_token_ids", [True]),
           ("return_tokens", [True]), ("seed", [7]), ("top_k", [1]), ("top_p", [0.5]), ("min_p", [0.1]), ("repetition_penalty", [1]), ("loader", ["auto", "transformers"]),
           ("add_special_tokens", [True]), ("stop", [["never to be seen"]]), ("temperature", [0]),
           ("capture", [dict(positions="all", layers="all"), dict(site="logits"), dict(site="attn_probs", positions=[0, -1]), dict(site="mlp_act", reduce="max", positions="prompt"),
                        [dict(name="a", site="q", layers="::2"), dict(name="b", positions="generated", dtype="float16")]])]


def ids_of(r):
    assert r.status_code == 200, r.text
    if r.headers["content-type"] == "application/json":
        return r.json()["token_ids"]
    n = struct.unpack("<Q", r.content[:8])[0]
    return json.loads(json.loads(r.content[8:8 + n])["__metadata__"]["answer"])["token_ids"]


def test_every_pair_of_options(post, tiny):
    base = dict(model=tiny("llama-gqa"), prompt="every pair", max_tokens=5, temperature=0)
    want = ids_of(post("/generate", **base))
    for (a, xs), (b, ys) in itertools.combinations(OPTIONS, 2):
        for x, y in itertools.product(xs, ys):
            assert ids_of(post("/generate", **{**base, a: x, b: y})) == want, (a, x, b, y)
    for (a, xs) in OPTIONS:
        for x in xs:
            if x != "safetensors":
                r = post("/generate/stream", **{**base, a: x, "stream_hidden_states": True})
                assert r.status_code == 200 and json.loads(r.text.split("event: done\ndata: ")[1])["token_ids"] == want, (a, x)


# ---- files

def test_files_that_are_no_files(server, control, tiny, tmp_path):
    """A FIFO, a device, a folder, a socket, a link that leads nowhere or in a circle in place of any file of a model: an error at once, and nothing waits."""
    before = control()
    os.mkfifo(tmp_path / "fifo")
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(tmp_path / "socket"))
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    odd = dict(fifo=tmp_path / "fifo", zero="/dev/zero", folder=tmp_path, socket=tmp_path / "socket", circle=tmp_path / "circle", nowhere=tmp_path / "none",
               empty="/dev/null", memory="/proc/self/mem", tty="/dev/full")
    for name, target in odd.items():
        for file in ("config.json", "model.safetensors", "tokenizer.json"):
            model = tmp_path / f"{name}-{file}"
            shutil.copytree(tiny("llama-gqa"), model)
            (model / file).unlink()
            (model / file).symlink_to(target)
            r = server.client.post("/generate", json=dict(model=str(model), prompt="x", max_tokens=1), timeout=300)
            assert r.status_code in (404, 422), (name, file, r.text)
            assert file in r.json()["detail"] or "folder holds no model" in r.json()["detail"], (name, r.text)
            assert server.client.get(f"/loaders/probe/{model}").status_code in (200, 404, 422)
    assert control() == before


def test_a_model_that_changes_on_disk_while_it_serves(post, tiny, tmp_path):
    """Weights are read into memory once: cut, overwritten, deleted, the answers stay as they are."""
    model = tmp_path / "m"
    shutil.copytree(tiny("llama-gqa"), model)
    body = dict(model=str(model), prompt=[4, 5, 6], max_tokens=3, temperature=0, hidden_state_layers="all")
    before = post("/generate", **body).json()["hidden_states"]
    weights = model / "model.safetensors"
    os.truncate(weights, 100)
    assert post("/generate", **body).json()["hidden_states"] == before
    weights.write_bytes(b"\xff" * 100_000)
    assert post("/generate", **body).json()["hidden_states"] == before
    shutil.rmtree(model)
    assert post("/generate", **body).json()["hidden_states"] == before


# ---- the process

def test_signals_and_a_closed_log(new_server, tiny):
    """SIGPIPE is nothing, a stopped process goes on where it was, and a log that nobody reads any more stops nothing."""
    s = new_server("--log-level", "info")
    body = dict(model=tiny("llama-gqa"), prompt=[4, 5, 6], max_tokens=3, temperature=0)
    before = s.client.post("/generate", json=body).json()["token_ids"]
    s.p.stderr.close()  # what it writes meets a broken pipe
    for sig in (signal.SIGPIPE, signal.SIGSTOP, signal.SIGCONT, signal.SIGURG, signal.SIGWINCH, signal.SIGCHLD):
        s.p.send_signal(sig)
        if sig == signal.SIGSTOP:
            time.sleep(0.2)
            continue
        for _ in range(3):
            assert s.client.post("/generate", json=body).json()["token_ids"] == before
    s.client.close()
    s.p.terminate()
    assert s.p.wait(300) == 0


def test_the_ledger(new_server, tiny):
    """Every request sent is counted once, under what it was answered with."""
    s = new_server("--log-level", "error")
    sent = {}
    with httpx.Client(base_url=s.url, timeout=600) as c:
        for i in range(200):
            body = (dict(model=tiny("llama-gqa"), prompt=[1], max_tokens=1), dict(model="no/such", prompt="x"), dict(model=tiny("llama-gqa")), dict(prompt=1))[i % 4]
            r = c.post("/generate", json=body) if i % 5 else c.post("/generate", content=b"{")
            sent[r.status_code] = sent.get(r.status_code, 0) + 1
        text = c.get("/metrics").text
    for status, n in sent.items():
        assert f'loom_requests_total{{endpoint="/generate",method="POST",status="{status}"}} {n}\n' in text
    assert set(sent) == {200, 400, 404, 422}
    assert s.stop() == 0
