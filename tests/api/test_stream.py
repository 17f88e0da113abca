"""POST /generate/stream: the events, their order, the states in them, and clients that leave or stop reading."""
import base64
import json
import socket
import time

import numpy as np
import pytest

from test_http import until

LLAMA = "llama-gqa"
LONG = "qwen2"  # greedy, it meets no end of sequence for thousands of tokens


def events(text):
    out = []
    for block in text.split("\n\n"):
        lines = [x for x in block.split("\n") if x and not x.startswith(":")]
        if lines:
            assert lines[0].startswith("event: ") and lines[1].startswith("data: ") and len(lines) == 2
            out.append((lines[0][7:], json.loads(lines[1][6:])))
    return out


def stream(post, **body):
    r = post("/generate/stream", **body)
    assert r.status_code == 200, r.text
    assert r.headers["content-type"].startswith("text/event-stream")
    return events(r.text)


def metric(server, name):
    for line in server.client.get("/metrics").text.splitlines():
        if line.startswith(name + " ") or line.startswith(name + "{"):
            return float(line.rsplit(" ", 1)[1])


def test_events_are_those_of_the_contract(post, tiny):
    body = dict(model=tiny(LLAMA), prompt="hello", max_tokens=6, temperature=0)
    e = stream(post, **body)
    whole = post("/generate", **body, return_hidden_states=False).json()
    tokens, done = [x for n, x in e if n == "token"], e[-1]
    assert [n for n, _ in e] == ["token"] * (len(whole["token_ids"]) + 1) + ["done"]
    for t, i in zip(tokens, whole["token_ids"]):
        assert list(t) == ["token", "token_id", "is_finished", "finish_reason"]
        assert t["token_id"] == i and t["is_finished"] is False and t["finish_reason"] is None
    assert tokens[-1] == dict(token="", token_id=whole["token_ids"][-1], is_finished=True, finish_reason="length")
    assert "".join(t["token"] for t in tokens) == whole["text"] == done[1]["text"]
    assert done[1]["token_ids"] == whole["token_ids"] and done[1]["token_count"] == 6 and done[1]["hidden_states"] is None
    assert set(done[1]["metadata"]) == set(whole["metadata"])


def test_states_come_with_their_tokens_and_at_the_end(post, tiny):
    body = dict(model=tiny(LLAMA), prompt=[5, 6, 7], max_tokens=5, temperature=0, hidden_state_layers=[1, -1])
    whole = post("/generate", **body, return_full_sequence=True, capture=dict(name="c", positions="all")).json()
    for fmt in ("list", "base64"):
        e = stream(post, **body, stream_hidden_states=True, return_hidden_states=True, return_full_sequence=True, hidden_state_format=fmt,
                   capture=dict(name="c", positions="all"))

        def rows(t):
            raw = t["data"] if fmt == "list" else np.frombuffer(base64.b64decode(t["data"]), "<f4")
            return np.array(raw, np.float32).reshape(t["shape"])
        for layer in ("1", "-1"):
            want = np.array(whole["sequence_hidden_states"][layer]["data"], np.float32)
            for i, (_, t) in enumerate(e[:5]):
                assert rows(t["hidden_states"][layer]).tobytes() == want[i:i + 1].tobytes()
                assert t["hidden_states"][layer]["positions"] == [2 + i]
            assert rows(e[-1][1]["hidden_states"][layer]).tobytes() == want[-1:].tobytes()
        assert rows(e[-1][1]["captures"]["c"]).tobytes() == np.array(whole["captures"]["c"]["data"], np.float32).tobytes()
        assert "hidden_states" not in e[5][1]


def test_text_is_held_back_until_it_is_whole(post, tiny):
    for seed in range(6):
        e = stream(post, model=tiny(LLAMA), prompt="héllo 世界 😀", max_tokens=40, temperature=1.5, seed=seed)
        text = "".join(x["token"] for n, x in e if n == "token")
        assert text == e[-1][1]["text"]


def test_a_stop_string_is_never_sent(post, tiny):
    body = dict(model=tiny(LONG), prompt="hello", max_tokens=40, temperature=0)
    text = post("/generate", **body).json()["text"]
    stop = text[6:8]
    assert len(text) > 10
    e = stream(post, **body, stop=stop)
    assert "".join(x["token"] for n, x in e if n == "token") == text[:text.index(stop)] == e[-1][1]["text"]
    assert e[-2][1]["finish_reason"] == "stop"


def test_nothing_generated(post, tiny):
    e = stream(post, model=tiny(LLAMA), prompt="hello", max_tokens=0, return_hidden_states=True)
    assert [n for n, _ in e] == ["token", "done"] and e[0][1]["token_id"] is None and e[1][1]["hidden_states"]["-1"]["shape"] == [1, 42]


@pytest.mark.parametrize("more,status", [(dict(max_tokens=-1), 422), (dict(hidden_state_format="safetensors"), 422), (dict(prompt=[10 ** 6]), 422),
                                         (dict(model="no/such"), 404), (dict(stream_hidden_state=True), 422),
                                         (dict(hidden_state_layers=[9], stream_hidden_states=True), 422)])
def test_what_is_refused_is_a_plain_error(post, tiny, more, status):
    r = post("/generate/stream", **dict(dict(model=tiny(LLAMA), prompt=[1, 2], max_tokens=2), **more))
    assert r.status_code == status and r.headers["content-type"] == "application/json" and r.json()["error"]["code"]
    assert stream(post, model=tiny(LLAMA), prompt=[1, 2], max_tokens=2)


def test_a_dry_run_is_an_estimate(post, tiny):
    r = post("/generate/stream", model=tiny(LLAMA), prompt=[1, 2], max_tokens=2, dry_run=True, capture={})
    assert r.json()["prompt_tokens"] == 2 and r.json()["captures"]["hidden"]["bytes"] == 168


def test_an_old_client_gets_the_stream_until_the_connection_ends(server, tiny):
    body = json.dumps(dict(model=tiny(LLAMA), prompt=[1, 2], max_tokens=2, temperature=0)).encode()
    with socket.create_connection(("127.0.0.1", server.port)) as s:
        s.sendall(b"POST /generate/stream HTTP/1.0\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        got = b""
        while chunk := s.recv(65536):
            got += chunk
    head, text = got.decode().split("\r\n\r\n", 1)
    assert "Transfer-Encoding" not in head and "Connection: close" in head
    assert [n for n, _ in events(text)] == ["token"] * 3 + ["done"]


def begin(server, tiny, route="/generate/stream", window=4096, **more):
    body = json.dumps(dict(dict(model=tiny(LONG), prompt=[1, 2, 3], max_tokens=100000, temperature=0, return_hidden_states=False), **more)).encode()
    s = socket.socket()
    if window:  # little room, so that a client that does not read is soon a stalled one
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
    s.connect(("127.0.0.1", server.port))
    s.sendall(b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % (route.encode(), len(body)) + body)
    return s


def wait_idle(server, tiny):
    until(lambda: server.client.get("/models/" + tiny(LONG)).json()["in_flight"] == 0)


def test_clients_that_vanish_by_the_hundred(server, post, tiny):
    body = dict(model=tiny(LLAMA), prompt=[9, 8, 7], max_tokens=4, temperature=0, hidden_state_format="safetensors", hidden_state_layers="all")
    before = post("/generate", **body).content
    post("/models/load", model=tiny(LONG))
    cut = metric(server, "loom_streams_cut_total")
    for round in range(4):
        socks = [begin(server, tiny, "/generate/stream" if i % 2 else "/generate", prompt=[1 + i % 90] * (3 + 40 * (i % 7))) for i in range(30)]
        time.sleep(0.02 * round)
        for i, s in enumerate(socks):
            if i % 3 == 0:  # a reset instead of an orderly end
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            s.close()
        assert post("/generate", **body).content[-500:] == before[-500:]
    wait_idle(server, tiny)
    until(lambda: metric(server, "loom_streams_cut_total") > cut and metric(server, "loom_batch_sequences") == 0)


def test_a_reader_that_stops_holds_nobody(new_server, tiny, monkeypatch):
    monkeypatch.setenv("LOOM_SERVER__STREAM_BUFFER_BYTES", "65536")
    monkeypatch.setenv("LOOM_SERVER__STREAM_STALL_SECONDS", "600")  # it is the buffer that counts here
    s = new_server("--log-level", "error")
    try:
        s.client.post("/models/load", json=dict(model=tiny(LONG)))
        stalled = [begin(s, tiny, stream_hidden_states=True, hidden_state_layers="all") for _ in range(3)]
        # the work is stopped although nobody hangs up
        until(lambda: metric(s, "loom_batch_steps_total") >= 50 and metric(s, "loom_batch_sequences") == 0)
        assert s.client.post("/generate", json=dict(model=tiny(LLAMA), prompt=[1], max_tokens=2)).status_code == 200
        got = b""
        stalled[0].settimeout(300)
        try:
            while chunk := stalled[0].recv(1 << 20):
                got += chunk
                if got.endswith(b"0\r\n\r\n"):
                    break
        except socket.timeout:
            pass
        assert b"event: error" in got and b"slow_reader" in got and b"event: done" not in got
        for x in stalled:
            x.close()
    finally:
        assert s.stop() == 0


def test_a_half_closed_client_gets_its_answer(server, post, tiny):
    body = json.dumps(dict(model=tiny(LONG), prompt=[1, 2, 3], max_tokens=2000, temperature=0, return_hidden_states=False)).encode()
    with socket.create_connection(("127.0.0.1", server.port)) as s:
        s.sendall(b"POST /generate HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        s.shutdown(socket.SHUT_WR)
        got = b""
        while chunk := s.recv(65536):
            got += chunk
    assert b"HTTP/1.1 200 OK" in got and b'"finish_reason"' in got


def test_streams_end_with_an_event_when_the_server_ends(new_server, tiny):
    s = new_server("--log-level", "error", "--drain-seconds", "1")
    s.client.post("/models/load", json=dict(model=tiny(LONG)))
    # An ordinary window: with one below a segment the kernel's own probes, seconds apart, would be what is timed.
    socks = [begin(s, tiny, window=None) for _ in range(5)]
    first = [x.recv(2000) for x in socks]
    s.p.terminate()
    for x, got in zip(socks, first):
        x.settimeout(300)
        while chunk := x.recv(1 << 20):
            got += chunk
        assert got.endswith(b"0\r\n\r\n")
        last = [e for e in got.replace(b"\r\n", b"\n").split(b"event: ") if e][-1]
        assert last.startswith(b"error") or last.startswith(b"done")
    assert s.p.wait(300) == 0
    s.p.stderr.close()
