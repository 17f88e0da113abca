"""Sockets, keys, origins, local folders, logs."""
import json
import os
import re
import signal
import socket
import subprocess

import httpx
import pytest

from test_http import until


class Daemon:
    """A server with its own arguments and environment; text: everything it wrote to stderr, once stopped."""

    def __init__(self, loom_bin, *args, **env):
        full = dict(os.environ, **{k: str(v) for k, v in env.items()})
        self.p = subprocess.Popen([loom_bin, "serve", "--device", "cpu", *args], stderr=subprocess.PIPE, text=True, env=full)
        self.lines, self.port, self.unix = [], None, None
        want = 2 if "both" in args else 1
        for line in self.p.stderr:
            self.lines.append(line)
            m = re.search(r"listening on http://\S+:(\d+)", line)
            u = re.search(r"listening on unix:(\S+)", line)
            self.port = int(m.group(1)) if m else self.port
            self.unix = u.group(1) if u else self.unix
            want -= bool(m or u)
            if want == 0:
                break

    def http(self, host="127.0.0.1", **kw):
        return httpx.Client(base_url=f"http://{host}:{self.port}", timeout=300, **kw)

    def uds(self, **kw):
        return httpx.Client(base_url="http://localhost", transport=httpx.HTTPTransport(uds=self.unix), timeout=300, **kw)

    def stop(self):
        self.p.send_signal(signal.SIGTERM)
        self.text = "".join(self.lines) + self.p.stderr.read()
        self.p.stderr.close()
        return self.p.wait(300)


@pytest.fixture
def daemon(loom_bin):
    made = []

    def make(*args, **env):
        made.append(Daemon(loom_bin, *args, **env))
        return made[-1]
    yield make
    for d in made:
        if d.p.poll() is None:
            d.stop()


def test_both_sockets_give_the_same_bytes(daemon, tiny, tmp_path):
    path = str(tmp_path / "loom.sock")
    d = daemon("--transport", "both", "--host", "127.0.0.1", "--port", "0", "--unix-socket", path)
    assert d.unix == path and os.stat(path).st_mode & 0o777 == 0o600
    body = dict(model=tiny("llama-gqa"), prompt=[1, 2, 3], max_tokens=4, temperature=0, hidden_state_format="safetensors")
    with d.http() as a, d.uds() as b:
        x, y = a.post("/generate", json=body), b.post("/generate", json=body)
        assert x.status_code == y.status_code == 200 and x.content[-2000:][-168:] == y.content[-168:]
        assert b.get("/health", headers={"Host": "anything.example"}).status_code == 200
        with b.stream("POST", "/generate/stream", json=dict(model=tiny("llama-gqa"), prompt=[1], max_tokens=3)) as r:
            assert "event: done" in "".join(r.iter_text())
    assert d.stop() == 0 and not os.path.exists(path)


def test_a_stale_socket_is_replaced_a_live_one_is_not(daemon, loom_bin, tmp_path):
    path = str(tmp_path / "loom.sock")
    s = socket.socket(socket.AF_UNIX)
    s.bind(path)
    s.close()  # nobody listens there any more
    d = daemon("--transport", "unix", "--unix-socket", path)
    with d.uds() as c:
        assert c.get("/health").status_code == 200
        r = subprocess.run([loom_bin, "serve", "--transport", "unix", "--unix-socket", path], capture_output=True, text=True, timeout=3000)
        assert r.returncode == 1 and "another server listens" in r.stderr
        assert c.get("/health").status_code == 200
    os.unlink(path)
    open(path, "w").close()  # somebody else's file, which the server must leave alone at its end
    assert d.stop() == 0 and os.path.exists(path)
    r = subprocess.run([loom_bin, "serve", "--transport", "unix", "--unix-socket", path], capture_output=True, text=True, timeout=3000)
    assert r.returncode == 1 and "no socket" in r.stderr
    r = subprocess.run([loom_bin, "serve", "--transport", "unix", "--unix-socket", str(tmp_path / ("x" * 120))], capture_output=True, text=True, timeout=3000)
    assert r.returncode in (1, 2) and "107" in r.stderr


def test_a_port_in_use(daemon, loom_bin):
    d = daemon("--host", "127.0.0.1", "--port", "0")
    r = subprocess.run([loom_bin, "serve", "--host", "127.0.0.1", "--port", str(d.port)], capture_output=True, text=True, timeout=3000)
    assert r.returncode == 1 and "cannot listen" in r.stderr and "in use" in r.stderr


def test_every_route_wants_the_key(daemon):
    d = daemon("--host", "127.0.0.1", "--port", "0", LOOM_API_KEY="s3cret-Key")
    with d.http() as c:
        auth = {"Authorization": "Bearer s3cret-Key"}
        doc = c.get("/openapi.json", headers=auth).json()
        assert doc["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
        for path, ops in doc["paths"].items():
            for method in ops:
                for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "s3cret-Key"},
                                {"Authorization": "Bearer s3cret-Ke"}, {"Authorization": "Bearer s3cret-Keyy"}, {"Authorization": "Basic s3cret-Key"}):
                    r = c.request(method, path.replace("{model_id}", "x"), headers=headers)
                    want = 200 if path == "/health" else 401
                    assert r.status_code == want, (path, method, headers)
                    if want == 401:
                        assert r.headers["www-authenticate"] == "Bearer" and "s3cret" not in r.text
        for path in ("/none", "//health", "/health/", "/healt%68", "/health/..", "/HEALTH", "/health%2f"):
            assert c.get(path).status_code in (400, 401), path
        assert c.get("/health?x=1").status_code == 200
        assert c.get("/models", headers=auth).status_code == 200 and c.get("/models", headers={"Authorization": "bearer  s3cret-Key"}).status_code == 200
        assert c.get("/health", headers={"Host": "any.example"}).status_code == 200  # with a key a page of another site gains nothing
        assert c.options("/generate").status_code == 401
    assert d.stop() == 0 and "s3cret" not in d.text


def test_cors_as_configured(daemon):
    d = daemon("--host", "127.0.0.1", "--port", "0", "--cors-origin", "https://a.example", "--cors-origin", "http://b.example:3000", LOOM_API_KEY="k")
    with d.http() as c:
        r = c.options("/generate", headers={"Origin": "https://a.example", "Access-Control-Request-Method": "POST"})
        assert r.status_code == 204 and r.headers["access-control-allow-origin"] == "https://a.example" and r.headers["vary"] == "Origin"
        assert "POST" in r.headers["access-control-allow-methods"] and "Authorization" in r.headers["access-control-allow-headers"]
        r = c.get("/health", headers={"Origin": "http://b.example:3000"})
        assert r.headers["access-control-allow-origin"] == "http://b.example:3000"
        assert "access-control-allow-credentials" not in r.headers
        r = c.get("/models", headers={"Origin": "http://b.example:3000"})
        assert r.status_code == 401 and "access-control-allow-origin" in r.headers
        for origin in ("https://evil.example", "https://a.example.evil", "null"):
            assert "access-control-allow-origin" not in c.get("/health", headers={"Origin": origin}).headers
    d2 = daemon("--host", "127.0.0.1", "--port", "0", "--cors-origin", "*")
    with d2.http() as c:
        assert c.get("/health", headers={"Origin": "https://x"}).headers["access-control-allow-origin"] == "*"
    d3 = daemon("--host", "127.0.0.1", "--port", "0")
    with d3.http() as c:
        assert not [h for h in c.get("/health", headers={"Origin": "https://x"}).headers if h.startswith("access-control")]


def test_folders_as_models_only_for_this_machine(daemon, tiny, tmp_path):
    body = dict(prompt=[1, 2], max_tokens=1)
    d = daemon("--host", "0.0.0.0", "--port", "0")
    with d.http() as c:
        for m in (tiny("llama-gqa"), "/etc/passwd", "/etc", "/nonexistent"):
            r = c.post("/generate", json=dict(body, model=m))
            assert r.status_code == 404 and "models.local_roots" in r.json()["detail"]
            assert r.json()["error"]["message"].replace(m, "X") == c.post("/generate", json=dict(body, model="/no/no")).json()["error"]["message"].replace("/no/no", "X")
        assert c.get("/loaders/probe/" + tiny("llama-gqa")).status_code == 404
    root = tmp_path / "models"
    root.mkdir()
    os.symlink(tiny("llama-gqa"), root / "out")
    subprocess.run(["cp", "-rL", tiny("llama-gqa"), root / "in"], check=True)
    d2 = daemon("--host", "0.0.0.0", "--port", "0", LOOM_MODELS__LOCAL_ROOTS=root)
    with d2.http() as c:
        assert c.post("/generate", json=dict(body, model=str(root / "in"))).status_code == 200
        for m in (root / "out", root / ".." / "models" / ".." / ".." , tiny("gpt2"), f"{root}/in/../../../../../etc"):
            assert c.post("/generate", json=dict(body, model=str(m))).status_code == 404, m


FORGED = "/a%0d%0aFORGED%20line?q=secret-query"


def test_one_line_a_request_as_text_and_as_json(daemon, tiny, tmp_path):
    for fmt in ("text", "json"):
        log = tmp_path / f"{fmt}.log"
        d = daemon("--host", "127.0.0.1", "--port", "0", LOOM_LOGGING__FILE=log, LOOM_LOGGING__FORMAT=fmt, LOOM_LOGGING__LEVEL="info")
        with d.http() as c:
            n = c.post("/generate", json=dict(model=tiny("llama-gqa"), prompt="a very private prompt", max_tokens=3),
                       headers={"X-Request-Id": "abc.1"}).json()["token_count"]
            assert c.get(FORGED).status_code == 404
            assert c.get("/health", headers={"X-Request-Id": "a\tb"}).headers["x-request-id"] != "a\tb"
            with socket.create_connection(("127.0.0.1", d.port)) as s:
                s.sendall(b"GET /\x1b[31mred HTTP/1.1\r\nHost: localhost\r\n\r\n")
                s.recv(1000)
        assert d.stop() == 0
        text = log.read_text()
        assert "private" not in text and "secret-query" not in text and "\x1b" not in text and "\nFORGED" not in text
        lines = [x for x in text.splitlines() if "request" in x]
        assert len(lines) == 4
        if fmt == "json":
            rows = [json.loads(x) for x in text.splitlines()]
            r = next(x for x in rows if x.get("id") == "abc.1")
            assert r["message"] == "request" and r["method"] == "POST" and r["route"] == "/generate" and r["status"] == 200 and r["tokens_out"] == n
            assert r["tokens_in"] > 0 and r["ms"] >= 0 and r["model"] == tiny("llama-gqa") and r["level"] == "info"
        else:
            r = next(x for x in lines if "id=abc.1" in x)
            assert "method=POST" in r and "route=/generate" in r and "status=200" in r and f"tokens_out={n}" in r


def test_a_log_that_cannot_be_written_stops_nothing(daemon, loom_bin, tmp_path):
    d = daemon("--host", "127.0.0.1", "--port", "0", LOOM_LOGGING__FILE="/dev/full")
    with d.http() as c:
        assert c.get("/health").status_code == 200
    assert d.stop() == 0
    r = subprocess.run([loom_bin, "serve", "--port", "0"], capture_output=True, text=True, timeout=3000, env=dict(os.environ, LOOM_LOGGING__FILE="/nonexistent/x"))
    assert r.returncode in (1, 2) and "log file" in r.stderr


def test_descriptors_run_out(daemon, loom_bin):
    d = daemon("--host", "127.0.0.1", "--port", "0")
    subprocess.run(["prlimit", f"--pid={d.p.pid}", "--nofile=40:40"], check=True)
    held = [socket.create_connection(("127.0.0.1", d.port), timeout=60) for _ in range(80)]
    held[-1].recv(1)  # accepted and turned away: by now every descriptor has been in use
    for s in held:
        s.close()

    def well():
        try:
            with d.http() as c:
                return c.get("/health").status_code == 200
        except httpx.TransportError:
            return False
    until(well)
