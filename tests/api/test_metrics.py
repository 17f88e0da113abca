"""GET /metrics, read by the parser of prometheus_client."""
from prometheus_client.parser import text_string_to_metric_families


def families(client):
    r = client.get("/metrics")
    assert r.status_code == 200 and r.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {f.name: f for f in text_string_to_metric_families(r.text)}


def value(fams, family, sample=None, **labels):
    got = [s.value for s in fams[family].samples if s.name == (sample or family) and all(s.labels.get(k) == v for k, v in labels.items())]
    return sum(got)


PROMISED = {"loom_requests": "counter", "loom_request_latency_seconds": "histogram", "loom_tokens_generated": "counter",
            "loom_generation_latency_seconds": "histogram", "loom_embeddings": "counter", "loom_embedding_latency_seconds": "histogram",
            "loom_models_loaded": "gauge", "loom_model_load_latency_seconds": "histogram", "loom_model_loads": "counter",
            "loom_gpu_memory_used_bytes": "gauge", "loom_gpu_memory_total_bytes": "gauge", "loom_queue_waiting": "gauge", "loom_batch_sequences": "gauge",
            "loom_batch_steps": "counter", "loom_batch_rows": "counter", "loom_batches": "counter", "loom_batch_items": "counter", "loom_captures": "counter",
            "loom_capture_bytes": "counter", "loom_streams": "counter", "loom_kv_pages": "gauge", "process_resident_memory_bytes": "gauge", "loom_pages_kept_bytes": "gauge"}


def test_names_types_and_counts(new_server, tiny):
    s = new_server("--log-level", "error")
    try:
        c, m, b = s.client, tiny("llama-gqa"), tiny("bert")
        before = families(c)
        assert {n: before[n].type for n in PROMISED} == PROMISED
        c.post("/generate", json=dict(model=m, prompt=[1, 2, 3], max_tokens=5, temperature=0, capture={}))
        c.post("/generate/batch", json=dict(model=m, prompts=[[1], [2]], max_tokens=2, temperature=0))
        c.post("/generate/stream", json=dict(model=m, prompt=[1, 2, 3], max_tokens=3, temperature=0))
        c.post("/embed", json=dict(model=b, text="x"))
        c.post("/embed/batch", json=dict(model=b, texts=["x", "y", "z"]))
        c.get("/none/such"), c.get("/none/other"), c.post("/embed", json={}), c.get("/models/" + m), c.get("/models/" + b)
        f = families(c)
        assert value(f, "loom_tokens_generated", "loom_tokens_generated_total", model=m) == 5 + 4 + 3
        assert value(f, "loom_embeddings", "loom_embeddings_total", model=b) == 4
        assert value(f, "loom_requests", "loom_requests_total", endpoint="/generate", method="POST", status="200") == 1
        assert value(f, "loom_requests", "loom_requests_total", endpoint="/embed", status="422") == 1
        assert value(f, "loom_requests", "loom_requests_total", endpoint="none", method="GET", status="404") == 2
        assert value(f, "loom_requests", "loom_requests_total", endpoint="/models/*", status="200") == 2
        assert value(f, "loom_models_loaded") == 2 and value(f, "loom_model_loads", "loom_model_loads_total", status="ok") == 2
        assert value(f, "loom_generation_latency_seconds", "loom_generation_latency_seconds_count") == 4
        assert value(f, "loom_request_latency_seconds", "loom_request_latency_seconds_count", endpoint="/generate") == 1
        assert value(f, "loom_captures", "loom_captures_total") == 1 and value(f, "loom_capture_bytes", "loom_capture_bytes_total") > 0
        assert value(f, "loom_batches", "loom_batches_total") == 2 and value(f, "loom_batch_items", "loom_batch_items_total") == 5
        assert value(f, "loom_streams", "loom_streams_total") == 1 and value(f, "loom_batch_steps", "loom_batch_steps_total", model=m) >= 10
        for h in ("loom_request_latency_seconds", "loom_generation_latency_seconds", "loom_model_load_latency_seconds"):
            sums = {}
            for x in f[h].samples:  # buckets grow to the count
                if x.name.endswith("_bucket"):
                    key = x.labels.get("endpoint")
                    assert x.value >= sums.get(key, 0)
                    sums[key] = x.value
            assert sum(sums.values()) == value(f, h, h + "_count")
        # as many answers as requests: none is lost
        total = value(f, "loom_requests", "loom_requests_total")
        assert total == 11 and value(families(c), "loom_requests", "loom_requests_total") == total + 1
    finally:
        assert s.stop() == 0


def test_hostile_model_names_stay_one_label(new_server, tiny, tmp_path):
    import shutil
    name = tmp_path / 'a"b\\c\nd{x="1"}'
    shutil.copytree(tiny("llama-gqa"), name)
    s = new_server("--log-level", "error")
    try:
        assert s.client.post("/generate", json=dict(model=str(name), prompt=[1], max_tokens=1)).status_code == 200
        f = families(s.client)
        assert value(f, "loom_tokens_generated", "loom_tokens_generated_total", model=str(name)) == 1
    finally:
        assert s.stop() == 0
