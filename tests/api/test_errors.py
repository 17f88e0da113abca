"""Bad requests: one clear answer each, and the next good one is answered as usual."""
import socket

import pytest

from test_http import until

BAD = [
    # body, status, param, part of the message
    (dict(), 422, "model", "required"),
    (dict(model=3), 422, "model", "expected a string"),
    (dict(model=""), 422, "model", "model's id"),
    (dict(model="no/such-model"), 404, None, "no such model"),
    (dict(model="../../nope/x"), 404, None, "no such model"),
    (dict(prompt=5), 422, "prompt", "string or a list"),
    (dict(prompt=None), 422, "prompt", "prompt"),
    (dict(prompt=[1, "x"]), 422, "prompt", "prompt[1]"),
    (dict(prompt=[1, -1]), 422, "prompt", "token id"),
    (dict(prompt=[100000]), 422, "prompt", "100000"),
    (dict(prompt=[]), 422, "prompt", ""),
    (dict(prompt=""), 422, "prompt", ""),
    (dict(temprature=1), 422, "temprature", "did you mean \"temperature\""),
    (dict(max_tokens=-1), 422, None, "max_tokens"),
    (dict(max_tokens="x"), 422, None, "max_tokens"),
    (dict(max_tokens=1.5), 422, None, "max_tokens"),
    (dict(temperature=2.5), 422, None, "temperature"),
    (dict(top_p=0), 422, "top_p", "top_p"),
    (dict(top_p=1.5), 422, None, "top_p"),
    (dict(repetition_penalty=0), 422, None, "repetition_penalty"),
    (dict(stop=[1]), 422, "stop", "stop"),
    (dict(stop=""), 422, "stop", "stop"),
    (dict(stop=["x"] * 17), 422, "stop", "at most 16"),
    (dict(logprobs=21), 422, None, "logprobs"),
    (dict(hidden_state_layers=[9]), 422, None, "9"),
    (dict(hidden_state_layers=[-5]), 422, None, "-5"),
    (dict(hidden_state_layers="some"), 422, "hidden_state_layers", "all"),
    (dict(hidden_state_layers=[]), 422, "hidden_state_layers", "list"),
    (dict(hidden_state_format="xml"), 422, "hidden_state_format", "safetensors"),
    (dict(hidden_state_dtype="int8"), 422, "hidden_state_dtype", "float16"),
    (dict(return_hidden_states="yes"), 422, None, "return_hidden_states"),
    (dict(loader="pickle"), 422, "loader", "gguf"),
    (dict(capture=3), 422, "capture", "object"),
    (dict(capture=dict(site="resid_pots")), 422, "capture.site", "did you mean \"resid_post\""),
    (dict(capture=dict(site="router")), 422, None, "router"),
    (dict(capture=dict(layer=[1])), 422, "capture.layer", "did you mean \"layers\""),
    (dict(capture=dict(layers=[7])), 422, None, "7"),
    (dict(capture=dict(layers="::0")), 422, "capture.layers", "slice"),
    (dict(capture=dict(positions="first")), 422, "capture.positions", "last"),
    (dict(capture=dict(positions=[999])), 422, None, "999"),
    (dict(capture=dict(reduce="median")), 422, "capture.reduce", "mean"),
    (dict(capture=dict(dtype="f32")), 422, "capture.dtype", "float32"),
    (dict(capture=dict(name="")), 422, "capture.name", "1..63"),
    (dict(capture=[dict(name="a"), dict(name="a")]), 422, None, "a"),
    (dict(capture=[{}] * 17), 422, "capture", "at most 16"),
]


def good(post, tiny):
    return post("/generate", model=tiny("llama-gqa"), prompt=[1, 2, 3], max_tokens=1, temperature=0)


@pytest.mark.parametrize("fields,status,param,says", BAD, ids=[str(i) for i in range(len(BAD))])
def test_bad_fields(post, tiny, fields, status, param, says):
    body = {} if not fields else dict(dict(model=tiny("llama-gqa"), prompt=[1, 2, 3], max_tokens=2), **fields)
    r = post("/generate", **body)
    e = r.json()
    assert r.status_code == status, r.text
    assert says in e["error"]["message"] and e["detail"] == e["error"]["message"]
    if param:
        assert e["error"]["param"] == param
    assert good(post, tiny).status_code == 200


@pytest.mark.parametrize("text,status", [(b"", 400), (b"{", 400), (b"[]", 422), (b"\"x\"", 400), (b'{"model":"a","model":"b"}', 400), (b'{"a":1e400}', 400),
                                         (b'{"prompt":"\xff"}', 400), (b'{"prompt":"\\ud800"}', 400), (b"{} x", 400), (b"[" * 100 + b"]" * 100, 400)])
def test_bad_json(server, text, status):
    r = server.client.post("/generate", content=text, headers={"Content-Type": "application/json"})
    assert r.status_code == status, r.text
    assert r.json()["error"]["code"]


def test_routes_methods_types(server):
    c = server.client
    assert c.get("/nothing").status_code == 404
    assert "did you mean /health" in c.get("/helth").json()["detail"]
    r = c.put("/models")
    assert r.status_code == 405 and r.headers["allow"] == "GET, HEAD, OPTIONS"
    r = c.post("/generate", content=b"{}", headers={"Content-Type": "text/plain"})
    assert r.status_code == 415 and "application/json" in r.json()["detail"]
    r = c.post("/generate", content=b"{}")
    assert r.status_code == 422
    assert c.get("/health", headers={"X-Request-Id": "abc-1"}).headers["x-request-id"] == "abc-1"
    assert c.get("/health", headers={"X-Request-Id": "a b"}).headers["x-request-id"] != "a b"
    assert c.get("/health", headers={"Host": "evil.example"}).status_code == 403
    assert c.head("/health").status_code == 200
    assert c.delete("/models/not--loaded").status_code == 404
    assert c.post("/models/load", json=dict(model="x", quantization="3bit")).status_code == 422


def raw(server, data, wait=120.0):
    with socket.create_connection(("127.0.0.1", server.port), timeout=120) as s:
        s.sendall(data)
        s.settimeout(wait)
        got = b""
        try:
            while chunk := s.recv(65536):
                got += chunk
        except socket.timeout:
            pass
        return got


H = b"Host: localhost\r\n"


@pytest.mark.parametrize("data", [
    b"POST /generate HTTP/1.1\r\n" + H + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    b"POST /generate HTTP/1.1\r\n" + H + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /generate HTTP/1.1\r\n" + H + b"Content-Length: -2\r\n\r\n{}",
    b"POST /generate HTTP/1.1\r\n" + H + b"Content-Length: 99999999999999999999\r\n\r\n{}",
    b"\x00\x01\x02\x03\r\n\r\n",
    b"GET /health HTTP/9.9\r\n" + H + b"\r\n",
    b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n" + H + b"\r\n",
    b"GET /health HTTP/1.1\r\n" + H + b"X: " + b"y" * 200000 + b"\r\n\r\n",
], ids=range(8))
def test_bad_framing_is_refused(server, post, tiny, data):
    got = raw(server, data)
    assert not got.startswith(b"HTTP/1.1 200"), got[:200]
    assert good(post, tiny).status_code == 200


def test_a_declared_body_too_large_is_refused_before_it_comes(server):
    got = raw(server, b"POST /generate HTTP/1.1\r\n" + H + b"Content-Type: application/json\r\nContent-Length: 999999999\r\n\r\n")
    assert b" 413 " in got.split(b"\r\n")[0] and b"too_large" in got


def test_a_client_that_leaves_stops_its_work(server, post, tiny):
    body = ('{"model":"%s","prompt":[1,2,3],"max_tokens":100000,"temperature":0}' % tiny("qwen2")).encode()
    post("/generate", model=tiny("qwen2"), prompt=[1], max_tokens=1)
    s = socket.create_connection(("127.0.0.1", server.port))
    s.sendall(b"POST /generate HTTP/1.1\r\n" + H + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    at_work = lambda: server.client.get("/models/" + tiny("qwen2")).json()["in_flight"]
    until(at_work)
    s.close()
    until(lambda: at_work() == 0)
    assert good(post, tiny).status_code == 200
