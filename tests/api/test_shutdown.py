"""The end of a server: what runs finishes or is told, nothing new begins, the process ends in time with status 0 and leaves nothing behind."""
import json
import os
import shutil
import signal
import socket
import threading
import time
from pathlib import Path

import httpx
import pytest

from test_http import until

MODELS = Path(__file__).resolve().parents[1] / "models"
LONG = dict(prompt="x1", max_tokens=100000, temperature=0, return_hidden_states=False)


@pytest.fixture(scope="module")
def endless(tmp_path_factory):
    """A model without an end of sequence: it writes as long as it may."""
    d = tmp_path_factory.mktemp("endless") / "llama"
    shutil.copytree(MODELS / "llama-gqa", d)
    cfg = json.loads((d / "config.json").read_text())
    cfg["eos_token_id"] = None
    (d / "config.json").write_text(json.dumps(cfg))
    (d / "generation_config.json").unlink(missing_ok=True)
    return str(d)


def long_requests(s, model, n, route="/generate", **body):
    """n long requests under way; what became of them is in the list."""
    got = []

    def ask():
        try:
            with httpx.Client(base_url=s.url, timeout=6000) as c:
                r = c.post(route, json=dict(LONG, model=model, **body))
                got.append((r.status_code, r.text))
        except httpx.TransportError as e:
            got.append((0, repr(e)))
    s.client.post("/models/load", json=dict(model=model))
    threads = [threading.Thread(target=ask) for _ in range(n)]
    for t in threads:
        t.start()
    until(lambda: s.client.get("/models").json()["loaded_models"][0]["in_flight"] >= n)
    return threads, got


def end(s, sig=signal.SIGTERM):
    """The status of the server's end. On a machine at work seconds say little: what must be quick is told from what is not by a wait of minutes."""
    s.p.send_signal(sig)
    rc = s.p.wait(300)
    s.client.close()
    s.p.stderr.close()
    return rc


def closed(s):
    """Waits until the server takes no more connections: it has seen the signal."""
    def refused():
        try:
            socket.create_connection(("127.0.0.1", s.port), timeout=60).close()
        except ConnectionRefusedError:
            return True
        except ConnectionResetError:  # in the backlog when the listener closed
            pass
        return False
    until(refused)


def unload_it(url, model):
    try:
        httpx.delete(url + "/models/" + model, timeout=600)
    except httpx.TransportError:
        pass


def nothing_left(pid):
    assert not Path(f"/proc/{pid}").exists()
    for p in Path("/proc").glob("[0-9]*/stat"):
        try:
            assert int(p.read_text().rsplit(")", 1)[1].split()[1]) != pid
        except (FileNotFoundError, ProcessLookupError):
            pass


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_server_ends_at_once(new_server, tiny, sig):
    s = new_server("--log-level", "error", "--drain-seconds", "600")
    s.client.post("/models/load", json=dict(model=tiny("llama-gqa")))  # a keep-alive connection stays open
    host, port = s.url.split("//")[1].split(":")
    with socket.create_connection((host, int(port))) as silent, socket.create_connection((host, int(port))) as slow:
        slow.sendall(b"POST /generate HTTP/1.1\r\nHost: localhost\r\nContent-Le")
        assert end(s, sig) == 0
        silent.close()
    nothing_left(s.p.pid)


def test_what_runs_finishes_and_nothing_new_begins(new_server, endless):
    s = new_server("--log-level", "error", "--drain-seconds", "600")
    threads, got = long_requests(s, endless, 4, max_tokens=3000)
    late = []

    def try_again():
        while any(t.is_alive() for t in threads):
            try:
                late.append(httpx.post(s.url + "/generate", json=dict(model=endless, prompt="x", max_tokens=1), timeout=600).status_code)
            except httpx.TransportError:
                late.append(0)  # the listener is closed
            time.sleep(0.02)
    s.p.send_signal(signal.SIGTERM)
    closed(s)
    t = threading.Thread(target=try_again)
    t.start()
    for x in threads:
        x.join()
    t.join()
    assert s.p.wait(300) == 0
    assert [g[0] for g in got] == [200] * 4 and all(json.loads(g[1])["token_count"] == 3000 for g in got)
    assert set(late) <= {0, 503}
    s.client.close()
    s.p.stderr.close()


def test_work_that_takes_too_long_is_told(new_server, endless):
    s = new_server("--log-level", "error", "--drain-seconds", "1")
    threads, got = long_requests(s, endless, 4)
    assert end(s) == 0
    for t in threads:
        t.join()
    assert [g[0] for g in got] == [503] * 4, got
    assert all(json.loads(g[1])["error"]["code"] == "unavailable" for g in got)
    nothing_left(s.p.pid)


def test_no_time_to_drain(new_server, endless):
    s = new_server("--log-level", "error", "--drain-seconds", "0")
    threads, got = long_requests(s, endless, 4)
    assert end(s) == 0
    for t in threads:
        t.join()
    assert {g[0] for g in got} <= {503, 0}


def test_streams_end_with_an_event(new_server, endless):
    s = new_server("--log-level", "error", "--drain-seconds", "1")
    if s.client.post("/generate/stream", json=dict(LONG, model=endless, max_tokens=1)).status_code == 404:
        assert s.stop() == 0
        pytest.skip("no streams in this build")
    threads, got = long_requests(s, endless, 4, route="/generate/stream")
    assert end(s) == 0
    for t in threads:
        t.join()
    for status, text in got:
        events = [e for e in text.split("\n\n") if e]
        assert status == 200 and events[-1].startswith("event: error\n"), events[-1]
        assert "event: done" not in text and json.loads(events[-1].split("data: ", 1)[1])["code"] == "unavailable"


def test_the_second_signal_is_now(new_server, endless):
    s = new_server("--log-level", "error", "--drain-seconds", "600")
    threads, _ = long_requests(s, endless, 2)
    s.p.send_signal(signal.SIGTERM)
    closed(s)
    assert s.p.poll() is None
    assert end(s) == 0
    for t in threads:
        t.join()


def test_while_a_model_loads_and_while_one_is_unloaded(new_server, tiny, tmp_path):
    import numpy as np
    from safetensors.numpy import load_file, save_file
    big = tmp_path / "big"
    shutil.copytree(tiny("llama-gqa"), big)
    cfg = json.loads((big / "config.json").read_text())
    w = load_file(big / "model.safetensors")
    per = {k: v for k, v in w.items() if ".layers.0." in k}
    for i in range(cfg["num_hidden_layers"], 1000):
        w.update({k.replace(".layers.0.", f".layers.{i}."): np.array(v) for k, v in per.items()})
    cfg["num_hidden_layers"] = 1000
    save_file(w, big / "model.safetensors")
    (big / "config.json").write_text(json.dumps(cfg))
    for unload in (False, True):
        s = new_server("--log-level", "error", "--drain-seconds", "5")
        got = []

        def ask():
            try:
                got.append(httpx.post(s.url + "/models/load", json=dict(model=str(big)), timeout=600).status_code)
            except httpx.TransportError:
                got.append(0)
        t = threading.Thread(target=ask)
        t.start()
        if unload:
            t.join()
            u = threading.Thread(target=unload_it, args=(s.url, str(big)))
            u.start()
        else:
            time.sleep(0.05)
        assert end(s) == 0
        t.join()
        if unload:
            u.join()
        assert set(got) <= {200, 503, 0}


def test_a_signal_before_it_listens(loom_bin, tiny):
    import subprocess
    p = subprocess.Popen([loom_bin, "serve", "--host", "127.0.0.1", "--port", "0", "--device", "cpu"] + sum((["--preload", tiny(n)] for n in
                         ("llama-gqa", "gpt2", "qwen2", "mistral", "bert")), []), stderr=subprocess.DEVNULL, env=dict(os.environ, HF_HUB_OFFLINE="1"))
    time.sleep(0.02)
    p.terminate()
    assert p.wait(300) in (0, -15)  # -15: before the program had begun
