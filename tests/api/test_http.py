"""HTTP on raw sockets: framing, limits, time limits, keep-alive and pipelining. Each bad thing gets one JSON answer or a close, and the next
good request on the same server is answered as before."""
import json
import socket
import time

import httpx
import pytest

H = b"Host: localhost\r\n"


def connect(server):
    return socket.create_connection(("127.0.0.1", server.port), timeout=120)


def read_all(s, wait=120.0):
    s.settimeout(wait)
    got = b""
    try:
        while chunk := s.recv(65536):
            got += chunk
    except (socket.timeout, ConnectionResetError):
        pass
    return got


def answers(raw):
    """(status, headers, body) of each response in raw; fails when something else is there."""
    out = []
    while raw:
        head, raw = raw.split(b"\r\n\r\n", 1)
        lines = head.decode().split("\r\n")
        headers = {k.lower(): v for k, v in (x.split(": ", 1) for x in lines[1:])}
        n = int(headers.get("content-length", 0))
        status = int(lines[0].split()[1])
        assert lines[0].startswith("HTTP/1.1 ")
        if status != 100:
            out.append((status, headers, raw[:n]))
            raw = raw[n:]
    return out


def ended(s):
    """The other side is done: there is nothing to read and nothing to wait for."""
    try:
        return s.recv(1) == b""
    except ConnectionResetError:
        return True


def until(true, seconds=300):
    """Waits for what may take its time on a machine at work, and must come."""
    end = time.time() + seconds
    while not true():
        assert time.time() < end, "it does not come to that"
        time.sleep(0.01)


def healthy(s):
    try:
        return s.client.get("/health").status_code == 200
    except httpx.TransportError:  # turned away, and the connection ended before the answer was read
        return False


def ask(server, data, wait=120.0):
    with connect(server) as s:
        s.sendall(data)
        return answers(read_all(s, wait))


@pytest.fixture
def control(post, tiny):
    """A good request's bytes, which no bad neighbour may change."""
    body = dict(model=tiny("llama-gqa"), prompt=[7, 8, 9], max_tokens=3, temperature=0, hidden_state_layers="all")

    def run():
        r = post("/generate", **body)
        assert r.status_code == 200
        return r.json()["hidden_states"]
    return run


def P(rest, body=b""):
    return b"POST /generate HTTP/1.1\r\n" + H + rest + b"\r\n" + body


# what is sent, the status of its one answer
FRAMING = [
    (b"GET /health HTTP/1.1\nHost: localhost\n\n", 400), (b"GET /health HTTP/1.1\r\n" + H + b"X : 1\r\n\r\n", 400),
    (b"GET /health HTTP/1.1\r\n" + H + b"X: 1\r\n 2\r\n\r\n", 400), (b"GET /health HTTP/1.1\r\n" + H + b"X: 1\r2\r\n\r\n", 400),
    (b"GET /health HTTP/1.1\r\n" + H + b"X: a\0b\r\n\r\n", 400), (b"GET /health HTTP/1.1\r\n" + H + H + b"\r\n", 400),
    (b"GET /health HTTP/1.1\r\n\r\n", 400), (b"GET /health HTTP/1.1\r\nHost: a/?x=\r\n\r\n", 400), (b"GET /health\r\n\r\n", 400),
    (b"GET /health HTTP/1.2\r\n" + H + b"\r\n", 505), (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505), (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    (b"GET http://localhost/health HTTP/1.1\r\n" + H + b"\r\n", 400), (b"GET /%zz HTTP/1.1\r\n" + H + b"\r\n", 400), (b"GET /%00 HTTP/1.1\r\n" + H + b"\r\n", 400),
    (b"BREW /health HTTP/1.1\r\n" + H + b"\r\n", 501), (b"TRACE /health HTTP/1.1\r\n" + H + b"\r\n", 405),
    (b"CONNECT /health HTTP/1.1\r\n" + H + b"\r\n", 405), (b"GET /../health HTTP/1.1\r\n" + H + b"\r\n", 404),
    (b"GET //health HTTP/1.1\r\n" + H + b"\r\n", 404), (b"GET /healt%68 HTTP/1.1\r\n" + H + b"\r\n", 404), (b"GET /Health HTTP/1.1\r\n" + H + b"\r\n", 404),
    (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + H + b"\r\n", 414), (b"GET /health HTTP/1.1\r\n" + H + b"X: " + b"y" * 40000 + b"\r\n\r\n", 431),
    (b"GET /health HTTP/1.1\r\n" + H + b"X: y\r\n" * 101 + b"\r\n", 431),
    (P(b"Content-Length: 2\r\nContent-Length: 2\r\n", b"{}"), 400), (P(b"Content-Length: 2\r\nContent-Length: 3\r\n", b"{}"), 400),
    (P(b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"), 400), (P(b"Content-Length: +2\r\n", b"{}"), 400),
    (P(b"Content-Length: -2\r\n", b"{}"), 400), (P(b"Content-Length: 2, 2\r\n", b"{}"), 400), (P(b"Content-Length: 0x2\r\n", b"{}"), 400),
    (P(b"Content-Length: \r\n", b"{}"), 400), (P(b"Content-Length : 2\r\n", b"{}"), 400), (P(b"Content-Length: 18446744073709551617\r\n", b"{}"), 400),
    (P(b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n"), 501), (P(b"Transfer-Encoding: chunked, identity\r\n", b"0\r\n\r\n"), 501),
    (P(b"Transfer-Encoding: identity\r\n", b"{}"), 501), (P(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"), 400),
    (b"POST /generate HTTP/1.0\r\n" + H + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400), (P(b"Expect: magic\r\nContent-Length: 2\r\n", b"{}"), 417),
    (P(b""), 411), (P(b"Content-Length: 2\r\nContent-Encoding: gzip\r\n", b"\x1f\x8b"), 415), (P(b"Content-Length: 2\r\nContent-Type: text/plain\r\n", b"{}"), 415),
    (P(b"Content-Length: 2\r\nContent-Type: application/json; charset=utf-16\r\n", b"{}"), 415),
    (P(b"Content-Length: 2\r\nContent-Type: multipart/form-data\r\n", b"{}"), 415), (P(b"Content-Length: 99999999\r\n"), 413),
    (P(b"Transfer-Encoding: chunked\r\n", b"g\r\n"), 400), (P(b"Transfer-Encoding: chunked\r\n", b"0x5\r\nhello\r\n0\r\n\r\n"), 400),
    (P(b"Transfer-Encoding: chunked\r\n", b"-1\r\n"), 400), (P(b"Transfer-Encoding: chunked\r\n", b"ffffffffffffffff1\r\n"), 400),
    (P(b"Transfer-Encoding: chunked\r\n", b"5\nhello\n0\n\n"), 400), (P(b"Transfer-Encoding: chunked\r\n", b"2\r\n{}x\r\n0\r\n\r\n"), 400),
    (P(b"Transfer-Encoding: chunked\r\n", b"1\r\nx\r\n" * 200000), 400), (P(b"Transfer-Encoding: chunked\r\n", b"1;" + b"e" * 200000 + b"\r\n"), 400),
]


@pytest.mark.parametrize("data,status", FRAMING, ids=range(len(FRAMING)))
def test_bad_requests_get_one_json_answer(server, data, status):
    # what follows must never be taken for a request of its own
    smuggled = b"GET /loaders HTTP/1.1\r\n" + H + b"Connection: close\r\n\r\n"
    got = ask(server, data + smuggled)
    assert got and got[0][0] == status, got
    s, headers, body = got[0]
    e = json.loads(body)
    assert headers["content-type"] == "application/json" and e["detail"] == e["error"]["message"] and e["error"]["code"] and headers["x-request-id"]
    if status in (400, 408, 411, 413, 414, 417, 431, 501, 505):
        assert len(got) == 1 and headers["connection"] == "close"
    assert server.client.get("/health").status_code == 200


def test_bad_neighbours_change_no_answer(server, control):
    before = control()
    for data, _ in FRAMING[::3]:
        with connect(server) as s:
            s.sendall(data)
            assert control() == before


def test_json_suite_in_bodies(server, control, tiny):
    before = control()
    bad = [b"", b" ", b"{", b"[", b"nul", b"tru", b"{\"a\":1,}", b"[1,]", b"{'a':1}", b"{\"a\"}", b"{\"a\":}", b"{a:1}", b"01", b"{\"a\":01}", b"{\"a\":.5}",
           b"{\"a\":1.}", b"{\"a\":+1}", b"{\"a\":0x1}", b"{\"a\":NaN}", b"{\"a\":Infinity}", b"{\"a\":1e400}", b"{\"a\":-1e999}", b"{\"a\":\"\x01\"}",
           b"{\"a\":\"\\x\"}", b"{\"a\":\"\\u12\"}", b"{\"a\":\"\\ud800\"}", b"{\"a\":\"\\udc00\\ud800\"}", b"{\"a\":\"", b"\xef\xbb\xbf{}", b"\xff\xfe{\0}\0",
           b"{\"a\":\"\xc0\x80\"}", b"{\"a\":\"\xed\xa0\x80\"}", b"{\"a\":\"\xf4\x90\x80\x80\"}", b"{\"a\":\"\xe2\x82\"}", b"{} {}", b"{}x", b"{\"a\":1,\"a\":1}",
           b"[" * 65 + b"]" * 65, b"[" * 100000, b"{\"a\":" * 100000, b"// x\n{}", b"{\"a\":1}\0", b"\x80", b"*"]
    for text in bad:
        r = server.client.post("/generate", content=text, headers={"Content-Type": "application/json"})
        assert r.status_code == 400 and r.json()["error"]["code"] == "bad_request", (text[:40], r.text)
    for text in (b"[]", b"3", b"null", b"\"x\"", b"true"):
        assert server.client.post("/generate", content=text).status_code in (400, 422), text
    # legal and odd: NUL in text, escapes, an unusual number
    m = json.dumps(tiny("llama-gqa")).encode()
    for prompt in (b"\"a\\u0000b\"", b"\"\\ud83d\\ude00\"", b"\"\xf0\x9f\x98\x80\"", b"\"\\/\\b\\f\"", b"\"\xef\xbf\xbf\""):
        assert server.client.post("/generate", content=b"{\"model\":%s,\"prompt\":%s,\"max_tokens\":1e0,\"seed\":-0}" % (m, prompt)).status_code == 200, prompt
    assert control() == before


def test_every_numeric_field_refuses_what_is_no_number_of_its_kind(server, post, tiny, control):
    before = control()
    doc = server.client.get("/openapi.json").json()
    odd = [-1, 2 ** 31, 2 ** 32, 2 ** 53 + 1, 2 ** 63, 2 ** 64, -2 ** 63, 1e308, 0.5, "7", [], {}, True, [[]], "", -0.5, 10 ** 40]
    for route in ("/generate", "/embed", "/generate/stream", "/models/load", "/tokenize", "/detokenize"):
        schema = doc["paths"][route]["post"]["requestBody"]["content"]["application/json"]["schema"]
        text = dict(prompt=[1, 2], max_tokens=1) if "prompt" in schema["properties"] else dict(ids=[1]) if "ids" in schema["properties"] else \
            dict(text="x") if "text" in schema["properties"] else {}
        for field in schema["properties"]:
            for v in odd:
                r = post(route, **{**dict(model=tiny("llama-gqa")), **text, field: v})
                assert r.status_code in (200, 400, 404, 413, 422), (route, field, v, r.status_code, r.text)
                if r.status_code in (413, 422):
                    assert r.json()["error"]["message"]
    assert control() == before


@pytest.mark.parametrize("model", ["../x", "..", "a/../b", "a/..", "//x", "a//b", "a/b/c", "a\\b", "C:\\x", "\\\\host\\s", "a%2f..%2fb", "a\0b", "a\nb", "a b",
                                   ".hidden", "-x", "x-", "a" * 97 + "/" + "b" * 200, "", "models--a--b", "~", "$HOME", "http://h/x", "hf://a/b", "user@h/x",
                                   "．．/x", "😀/x", "x@../..", "x@-", "x@a\nb", "x@" + "r" * 300, "/proc/self/environ", "/dev/zero", "x" * 100000])
def test_model_ids_that_are_none(post, model, control):
    before = control()
    r = post("/generate", model=model, prompt="x")
    assert r.status_code in (404, 422) and "/proc" not in r.text.replace(model, ""), r.text
    assert control() == before


def test_pipelining_in_order_and_a_close_after_the_bad_one(server, tiny):
    good = b"GET /health HTTP/1.1\r\n" + H + b"X-Request-Id: r%d\r\n\r\n"
    got = ask(server, b"".join(good % i for i in range(100)) + b"GET /health HTTP/1.1\r\n" + H + b"Connection: close\r\n\r\n")
    assert [a[0] for a in got] == [200] * 101 and [a[1]["x-request-id"] for a in got[:100]] == ["r%d" % i for i in range(100)]
    body = json.dumps(dict(model=tiny("llama-gqa"), prompt=[1], max_tokens=1)).encode()
    post = b"POST /generate HTTP/1.1\r\n" + H + b"Content-Length: %d\r\n\r\n" % len(body) + body
    chunked = b"POST /generate HTTP/1.1\r\n" + H + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(body) + body + b"\r\n0\r\nTrailer: x\r\n\r\n"
    got = ask(server, post + good % 1 + chunked + b"\r\n" + good % 2 + b"rubbish\r\n\r\n" + good % 3)
    assert [a[0] for a in got] == [200, 200, 200, 200, 400] and got[-1][1]["connection"] == "close"


def test_keep_alive_survives_refusals(server):
    with connect(server) as s:
        for path, status in ((b"/none", 404), (b"/generate", 405), (b"/health", 200), (b"/models/x%2Fy", 404), (b"/health", 200)):
            s.sendall(b"GET " + path + b" HTTP/1.1\r\n" + H + b"\r\n")
            got = b""
            while b"\r\n\r\n" not in got or len(got.split(b"\r\n\r\n", 1)[1]) < int(got.lower().split(b"content-length: ")[1].split(b"\r\n")[0]):
                got += s.recv(65536)
            assert answers(got)[0][0] == status


def test_continue_is_sent_only_for_what_is_read(server, tiny):
    body = json.dumps(dict(model=tiny("llama-gqa"), prompt=[1], max_tokens=1)).encode()
    with connect(server) as s:
        s.sendall(P(b"Expect: 100-continue\r\nContent-Length: %d\r\n" % len(body)))
        assert s.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        s.sendall(body)
        assert s.recv(100000).startswith(b"HTTP/1.1 200")
    with connect(server) as s:
        s.sendall(P(b"Expect: 100-continue\r\nContent-Length: 999999999\r\n"))
        assert s.recv(1000).startswith(b"HTTP/1.1 413")
    with connect(server) as s:
        s.sendall(b"POST /none HTTP/1.1\r\n" + H + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        assert s.recv(1000).startswith(b"HTTP/1.1 404")
    got = ask(server, b"POST /generate HTTP/1.0\r\n" + H + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    assert got[0][0] == 200


def test_an_endless_body_is_cut_and_the_answer_readable(new_server):
    s = new_server("--log-level", "error")
    try:
        chunk = b"ffff\r\n" + b"x" * 0xffff + b"\r\n"
        with connect(s) as c:
            c.sendall(P(b"Transfer-Encoding: chunked\r\n"))
            try:
                for _ in range(1500):
                    c.sendall(chunk)
            except (BrokenPipeError, ConnectionResetError):
                pass
            got = read_all(c)
        assert not got or b" 413 " in got.split(b"\r\n")[0]
        assert s.client.get("/health").status_code == 200
    finally:
        assert s.stop() == 0


def test_head_options_allow(server):
    for path, allow in (("/health", "GET, HEAD, OPTIONS"), ("/generate", "POST, OPTIONS"), ("/models/x", "GET, HEAD, DELETE, OPTIONS"), ("/metrics", "GET, HEAD, OPTIONS")):
        r = server.client.options(path)
        assert r.status_code == 204 and r.headers["allow"] == allow and not r.content
        r = server.client.patch(path)
        assert r.status_code == 405 and r.headers["allow"] == allow
    for path in ("/health", "/models", "/loaders", "/metrics", "/openapi.json"):
        g, h = server.client.get(path), server.client.head(path)
        assert h.status_code == 200 and not h.content and h.headers["content-type"] == g.headers["content-type"] and int(h.headers["content-length"]) > 0
    assert server.client.head("/generate").status_code == 405
    assert ask(server, b"OPTIONS * HTTP/1.1\r\n" + H + b"Connection: close\r\n\r\n")[0][0] == 204


@pytest.fixture
def limited(new_server, monkeypatch):
    """A server in which one time limit is a second and the others are an hour: what ends, ends by that one."""
    started = []

    def start(short):
        for name in ("HEADER_SECONDS", "IDLE_SECONDS", "KEEP_ALIVE_SECONDS"):
            monkeypatch.setenv("LOOM_SERVER__" + name, "1" if name == short else "3600")
        started.append(new_server("--log-level", "error"))
        return started[-1]
    yield start
    for s in started:
        assert s.stop() == 0


def test_a_head_has_its_time(limited):
    s = limited("HEADER_SECONDS")
    got = b""
    while not got:  # nothing: this client was held up before its first byte, and taken for a silent one
        with connect(s) as silent, connect(s) as slow:
            try:
                for c in b"GET /health HTTP/1.1\r\nHost: localhost\r\n":
                    slow.sendall(bytes([c]))
                    time.sleep(0.05)
            except (BrokenPipeError, ConnectionResetError):
                pass
            got = read_all(slow)
            assert ended(silent)
    assert answers(got)[0][0] == 408
    assert s.client.get("/health").status_code == 200


def test_a_body_may_not_stand_still_nor_its_answer(limited, tiny):
    s = limited("IDLE_SECONDS")
    with connect(s) as body, socket.socket() as stuck:
        body.sendall(P(b"Content-Length: 100\r\n", b"{"))
        assert answers(read_all(body))[0][0] == 408
        # an answer that nobody takes: its connection ends, the server goes on
        big = json.dumps(dict(model=tiny("qwen2"), prompt=[1] * 400, max_tokens=0, capture=[dict(name=str(i), layers="all", positions="all") for i in range(16)])).encode()
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.connect(("127.0.0.1", s.port))
        stuck.sendall(P(b"Content-Length: %d\r\n" % len(big), big))
        until(lambda: b"/generate\",method=\"POST\",status=\"200\"" in s.client.get("/metrics").content)


def test_a_kept_connection_is_not_kept_for_ever(limited):
    s = limited("KEEP_ALIVE_SECONDS")
    with connect(s) as idle:
        idle.sendall(b"GET /health HTTP/1.1\r\n" + H + b"\r\n")
        assert answers(read_all(idle))[0][0] == 200 and ended(idle)


def test_more_connections_than_allowed(new_server, monkeypatch):
    monkeypatch.setenv("LOOM_SERVER__MAX_CONNECTIONS", "20")
    monkeypatch.setenv("LOOM_SERVER__HEADER_SECONDS", "3600")
    monkeypatch.setenv("LOOM_SERVER__KEEP_ALIVE_SECONDS", "3600")
    s = new_server("--log-level", "error")
    try:
        held = [connect(s) for _ in range(40)]
        for c in held:
            c.sendall(b"GET /health HTTP/1.1\r\n" + H + b"\r\n")
        codes = []
        for c in held:
            codes.append(int(c.recv(4096).split()[1]))
        assert codes.count(200) == 20 and codes.count(503) == 20
        for c in held:
            c.close()
        until(lambda: healthy(s))
        for _ in range(300):  # come and go
            connect(s).close()
        until(lambda: healthy(s))
    finally:
        assert s.stop() == 0


def test_requests_per_connection(new_server, monkeypatch):
    monkeypatch.setenv("LOOM_SERVER__MAX_REQUESTS_PER_CONNECTION", "3")
    s = new_server("--log-level", "error")
    try:
        got = ask(s, (b"GET /health HTTP/1.1\r\n" + H + b"\r\n") * 5)
        assert [a[0] for a in got] == [200] * 3 and [a[1].get("connection") for a in got] == [None, None, "close"]
    finally:
        assert s.stop() == 0
