"""Life of models: one load for many, variants, eviction, unloading, preloading, progress, memory, what a configuration changes."""
import concurrent.futures
import os
import threading
import time

import pytest

from test_http import until

PROMPT = dict(prompt=[1, 2, 3], max_tokens=4, temperature=0)


@pytest.fixture
def serve(new_server, monkeypatch, tmp_path):
    """Starts servers with a configuration file and environment of their own; ends them."""
    started = []

    def start(*args, config=None, **env):
        for k, v in env.items():
            monkeypatch.setenv(k, v)
        if config:
            path = tmp_path / "config.yaml"
            path.write_text(config)
            args = ("--config", str(path), *args)
        started.append(new_server("--log-level", "error", *args))
        return started[-1].client
    yield start
    for s in started:
        assert s.stop() == 0


def models(c):
    return c.get("/models").json()["loaded_models"]


def test_many_first_requests_are_one_load(serve, tiny):
    c = serve()
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        got = list(pool.map(lambda _: c.post("/generate", json=dict(model=tiny("llama-gqa"), **PROMPT)).json(), range(32)))
        assert len({str(g["token_ids"]) + str(g["hidden_states"]["-1"]["data"]) for g in got}) == 1
        bad = list(pool.map(lambda _: c.post("/generate", json=dict(model=tiny("no-such-model"), **PROMPT)), range(16)))
    assert {b.status_code for b in bad} == {404} and len({b.json()["detail"] for b in bad}) == 1
    assert len(models(c)) == 1


def test_a_wrong_model_evicts_nobody(serve, tiny, tmp_path):
    c = serve("--max-models", "1")
    assert c.post("/models/load", json=dict(model=tiny("gpt2"))).status_code == 200
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/config.json").write_text("{}")
    for bad in (tiny("no-such-model"), str(tmp_path / "broken"), "org/name"):
        assert c.post("/models/load", json=dict(model=bad)).status_code in (404, 422)
    assert c.post("/models/load", json=dict(model=tiny("bert"), dtype="int8")).status_code == 422
    assert c.post("/models/load", json=dict(model=tiny("bert"), loader="gguf")).status_code == 422
    assert [m["model_id"] for m in models(c)] == [tiny("gpt2")]
    assert c.post("/models/load", json=dict(model=tiny("bert"))).status_code == 200
    assert [m["model_id"] for m in models(c)] == [tiny("bert")]


def test_another_dtype_is_another_resident_only_when_asked_for(serve, tiny):
    c = serve()
    m = tiny("llama-gqa")
    a = c.post("/generate", json=dict(model=m, **PROMPT)).json()["hidden_states"]["-1"]["data"]
    assert c.post("/models/load", json=dict(model=m)).json()["dtype"] == "float32"
    assert c.post("/models/load", json=dict(model=m, dtype="float32")).json()["dtype"] == "float32"
    assert len(models(c)) == 1
    assert c.post("/models/load", json=dict(model=m, dtype="bfloat16")).json()["dtype"] == "bfloat16"
    assert sorted(x["dtype"] for x in models(c)) == ["bfloat16", "float32"]
    b = c.post("/generate", json=dict(model=m, **PROMPT)).json()["hidden_states"]["-1"]["data"]
    assert b != a  # the plain id means the one that was loaded last
    c.post("/models/load", json=dict(model=m, dtype="float32"))
    assert c.post("/generate", json=dict(model=m, **PROMPT)).json()["hidden_states"]["-1"]["data"] == a
    assert len(models(c)) == 2
    assert c.delete("/models/" + m).status_code == 200
    assert models(c) == []


def test_a_model_at_work_is_neither_evicted_nor_unloaded(serve, tiny):
    c = serve("--max-models", "1", "--drain-seconds", "0")
    c.post("/models/load", json=dict(model=tiny("qwen2")))
    # A stream that goes on until its reader leaves: greedy, this model meets no end of sequence for thousands of tokens.
    body = dict(model=tiny("qwen2"), prompt=[1, 2, 3], max_tokens=100000, temperature=0)
    with c.stream("POST", "/generate/stream", json=body) as r:
        events = r.iter_lines()
        assert next(events).startswith("event: token")
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            left = threading.Event()

            def read():
                while not left.is_set():
                    next(events)
            reading = pool.submit(read)
            load = c.post("/models/load", json=dict(model=tiny("bert")))
            unload = c.delete("/models/" + tiny("qwen2"))
            assert [m["in_flight"] for m in models(c)] == [1]
            left.set()
            reading.result()
    assert load.status_code == 503 and "LOOM_MAX_MODELS" in load.json()["detail"], load.text
    assert unload.status_code == 409, unload.text
    until(lambda: models(c)[0]["in_flight"] == 0)


def test_unloading_waits_for_what_runs(serve, tiny):
    c = serve("--drain-seconds", "600")
    m = tiny("llama-gqa")
    c.post("/models/load", json=dict(model=m))
    with concurrent.futures.ThreadPoolExecutor(9) as pool:
        runs = [pool.submit(c.post, "/generate", json=dict(model=m, prompt=[i], max_tokens=100, temperature=1, seed=i)) for i in range(8)]
        time.sleep(0.01)
        assert c.delete("/models/" + m).status_code == 200
        assert {r.result().status_code for r in runs} == {200}


def test_idle_models_go(serve, tiny):
    c = serve("--auto-unload-minutes", "0.02")
    c.post("/models/load", json=dict(model=tiny("gpt2")))
    assert all(0 <= m["auto_unload_in"] <= 1.2 for m in models(c))
    until(lambda: models(c) == [])


def test_preloading_in_order_and_past_what_fails(serve, tiny):
    c = serve("--preload", tiny("gpt2"), "--preload", tiny("no-such-model"), tiny("bert"))
    assert [m["model_id"] for m in models(c)] == [tiny("gpt2"), tiny("bert")]


def test_what_does_not_fit_is_refused_with_the_arithmetic(serve, tiny):
    c = serve(LOOM_MEMORY_LIMIT_BYTES="100000")
    r = c.post("/models/load", json=dict(model=tiny("gpt2")))
    assert r.status_code == 503 and r.json()["error"]["code"] == "insufficient_memory"
    assert "needs" in r.json()["detail"] and "weights" in r.json()["detail"] and "available" in r.json()["detail"]
    assert models(c) == []


def test_progress_is_seen_while_loading(serve, tmp_path, tiny):
    import numpy as np
    from safetensors.numpy import load_file, save_file
    import json
    import shutil
    big = tmp_path / "big"
    shutil.copytree(tiny("llama-gqa"), big)
    cfg = json.loads((big / "config.json").read_text())
    w = load_file(big / "model.safetensors")
    cfg["num_hidden_layers"], n = 600, cfg["num_hidden_layers"]
    per = {k: v for k, v in w.items() if ".layers.0." in k}
    for i in range(n, 600):
        w.update({k.replace(".layers.0.", f".layers.{i}."): np.array(v) for k, v in per.items()})
    save_file(w, big / "model.safetensors")
    (big / "config.json").write_text(json.dumps(cfg))
    c = serve()
    seen = []

    def load():  # who looks may come too late on a machine at work: once more then
        t = threading.Thread(target=lambda: c.post("/models/load", json=dict(model=str(big))))
        t.start()
        while t.is_alive():
            seen.extend(m for m in models(c) if m["state"] == "loading")
        t.join()
        assert models(c)[0]["state"] == "ready"
        assert c.delete(f"/models/{big}").status_code == 200
        return seen
    until(load)
    assert seen and all(0 <= m["progress"] <= 1 and m["phase"] in ("opening", "downloading", "reading") for m in seen)


def test_the_configuration_decides_what_requests_leave_open(serve, tiny):
    m = tiny("llama-gqa")
    c = serve(config=f"models: {{default_dtype: float16}}\nmodel_overrides:\n  {m}: {{dtype: bfloat16}}\n  {tiny('bert')}: {{dtype: auto}}\n")
    assert c.post("/models/load", json=dict(model=m)).json()["dtype"] == "bfloat16"
    assert c.post("/models/load", json=dict(model=tiny("gpt2"))).json()["dtype"] == "float16"
    assert c.post("/models/load", json=dict(model=tiny("bert"))).json()["dtype"] == "float32"
    assert c.post("/models/load", json=dict(model=m, dtype="float32")).json()["dtype"] == "float32"  # a request wins


def test_requests_have_the_defaults_of_the_configuration(serve, tiny):
    c = serve(config="hidden_states: {default_layers: [0, 2], precision: float16}\n")
    m = dict(model=tiny("llama-gqa"), **PROMPT)
    r = c.post("/generate", json=dict(m, hidden_state_format="base64")).json()["hidden_states"]
    assert set(r) == {"0", "2"} and r["0"]["dtype"] == "float16"
    assert c.post("/generate", json=dict(m, hidden_state_format="base64", hidden_state_dtype="float32")).json()["hidden_states"]["0"]["dtype"] == "float32"
    assert c.get("/health").json()["config"]["default_layers"] == [0, 2]


def test_all_layers_may_be_the_default(serve, tiny):
    c = serve(config="hidden_states: {default_layers: all}\n")
    m = dict(model=tiny("llama-gqa"), **PROMPT)
    assert len(c.post("/generate", json=m).json()["hidden_states"]) == 4
    assert set(c.post("/generate", json=dict(m, hidden_state_layers=[-1])).json()["hidden_states"]) == {"-1"}
    assert c.get("/health").json()["config"]["default_layers"] == "all"


def test_devices(new_server, tiny, tmp_path):
    if os.path.exists("/dev/nvidia0"):
        pytest.skip("a GPU is here")
    (tmp_path / "c.yaml").write_text("gpu:\n  fallback: false\n  devices: [0, 1]\n")
    s = new_server("--log-level", "error", "--config", str(tmp_path / "c.yaml"))
    r = s.client.post("/models/load", json=dict(model=tiny("gpt2"), device="cuda:1"))
    assert r.status_code == 422 and "gpu.fallback" in r.json()["detail"]
    r = s.client.post("/models/load", json=dict(model=tiny("gpt2"), device="cuda:7"))
    assert r.status_code == 422 and "gpu.devices" in r.json()["detail"]
    assert s.client.post("/models/load", json=dict(model=tiny("gpt2"))).json()["device"] == "cpu"
    assert s.stop() == 0
    s = new_server("--log-level", "error", "--device", "0")
    r = s.client.post("/models/load", json=dict(model=tiny("gpt2"))).json()
    assert r["device"] == "cpu" and "cuda:0" in r["warning"]
    r = s.client.post("/models/load", json=dict(model=tiny("gpt2"), device="cuda:0")).json()  # the same one: no second resident
    assert r["device"] == "cpu" and len(models(s.client)) == 1
    assert s.stop() == 0


def test_loaders_step_in_in_the_order_of_the_configuration(new_server, tiny, tmp_path):
    import shutil
    odd = tmp_path / "odd"
    shutil.copytree(tiny("bert"), odd)
    (odd / "modules.json").write_text('[{"path": "", "type": "x.Transformer"}, {"path": "1", "type": "x.Unheard"}]')
    (tmp_path / "c.yaml").write_text("loaders: {fallback_order: [sentence_transformers, gguf]}\n")
    s = new_server("--log-level", "error")
    r = s.client.post("/models/load", json=dict(model=str(odd))).json()
    assert r["loader_type"] == "transformers" and "sentence_transformers cannot" in r["warning"]
    m = s.client.post("/embed", json=dict(model=str(odd), text="x")).json()["metadata"]
    assert "sentence_transformers cannot" in m["warning"]
    r = s.client.post("/embed", json=dict(model=str(odd), text="x", loader="sentence_transformers"))
    assert r.status_code == 422 and "Unheard" in r.json()["detail"]
    assert s.stop() == 0
    s = new_server("--log-level", "error", "--config", str(tmp_path / "c.yaml"))
    assert s.client.post("/embed", json=dict(model=str(odd), text="x")).status_code == 422
    r = s.client.post("/embed", json=dict(model=tiny("bert"), text="x"))
    assert r.status_code == 422 and "fallback_order" in r.json()["detail"]
    assert s.client.post("/embed", json=dict(model=tiny("bert"), text="x", loader="transformers")).status_code == 200
    assert s.stop() == 0
