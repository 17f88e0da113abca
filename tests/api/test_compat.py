"""What clients of The Loom rely on: a client written against its calls, over HTTP and over a unix socket, and the keys and types that the contract marks
as compatible. Nothing here is Loom's own addition."""
import json

import httpx
import numpy as np
import pytest
from conftest import MODELS
from test_transport import Daemon

NUMBER = (int, float)


class LoomClient:
    """The Loom's client in its own terms: plain JSON, lists, base64 by hand."""

    def __init__(self, http):
        self.http = http

    def _json(self, r):
        r.raise_for_status()
        return r.json()

    def health(self): return self._json(self.http.get("/health"))
    def list_models(self): return self._json(self.http.get("/models"))
    def list_loaders(self): return self._json(self.http.get("/loaders"))
    def probe(self, model): return self._json(self.http.get(f"/loaders/probe/{model}"))
    def load(self, model, **kw): return self._json(self.http.post("/models/load", json=dict(model=model, **kw)))
    def unload(self, model): return self._json(self.http.delete("/models/" + model.replace("/", "--")))
    def generate(self, model, prompt, **kw): return self._json(self.http.post("/generate", json=dict(model=model, prompt=prompt, **kw)))
    def generate_batch(self, model, prompts, **kw): return self._json(self.http.post("/generate/batch", json=dict(model=model, prompts=prompts, **kw)))
    def embed(self, model, text, **kw): return self._json(self.http.post("/embed", json=dict(model=model, text=text, **kw)))
    def embed_batch(self, model, texts, **kw): return self._json(self.http.post("/embed/batch", json=dict(model=model, texts=texts, **kw)))
    def analyze(self, model, text, **kw): return self._json(self.http.post("/analyze", json=dict(model=model, text=text, **kw)))

    def generate_stream(self, model, prompt, **kw):
        with self.http.stream("POST", "/generate/stream", json=dict(model=model, prompt=prompt, **kw)) as r:
            r.raise_for_status()
            event = None
            for line in r.iter_lines():
                if line.startswith("event: "):
                    event = line[7:]
                elif line.startswith("data: "):
                    yield event, json.loads(line[6:])


def has(obj, **types):
    for key, kind in types.items():
        assert key in obj, f"{key} is missing of {list(obj)}"
        kinds = kind if isinstance(kind, tuple) else (kind,)
        assert isinstance(obj[key], kinds) and not (isinstance(obj[key], bool) and bool not in kinds), (key, obj[key])


NONE = type(None)


@pytest.fixture(scope="module")
def served(loom_bin, tmp_path_factory):
    # a hub cache, so that ids have the form org/name
    cache = tmp_path_factory.mktemp("hub")
    for org, name, src in (("acme", "tiny-llama", "llama-gqa"), ("acme", "tiny-bert", "bert")):
        repo = cache / f"models--{org}--{name}"
        (repo / "snapshots").mkdir(parents=True)
        (repo / "refs").mkdir()
        (repo / "refs/main").write_text("0" * 40)
        (repo / "snapshots" / ("0" * 40)).symlink_to(MODELS / src)
    d = Daemon(loom_bin, "--transport", "both", "--host", "127.0.0.1", "--port", "0", "--unix-socket", str(cache / "loom.sock"), "--log-level", "error",
               HF_HUB_CACHE=cache, HF_HUB_OFFLINE="1")
    yield d
    assert d.stop() == 0


@pytest.fixture(params=["http", "unix"])
def loom(request, served):
    http = served.http() if request.param == "http" else httpx.Client(base_url="http://localhost", transport=httpx.HTTPTransport(uds=served.unix), timeout=60)
    with http:
        yield LoomClient(http)


LLAMA, BERT = "acme/tiny-llama", "acme/tiny-bert"


def test_health_models_loaders(loom):
    h = loom.health()
    has(h, status=str, model_loaded=(str, NONE), gpu_info=dict, config=dict)
    assert h["status"] == "healthy"
    has(h["gpu_info"], has_gpu=bool, default_device=(str, int), allowed_devices=list, memory_fraction=NUMBER, gpus=list)
    has(h["config"], max_loaded_models=int, default_layers=list)
    r = loom.load(LLAMA, dtype="auto", device="cpu")
    has(r, model_id=str, device=str, dtype=str, hidden_size=int, num_layers=int, load_time_seconds=NUMBER, loader_type=str, quantization=(str, NONE))
    assert r["model_id"] == LLAMA
    m = loom.list_models()
    has(m, loaded_models=list, max_models=int, auto_unload_minutes=NUMBER)
    has(m["loaded_models"][0], model_id=str, device=str, dtype=str, hidden_size=int, num_layers=int, loader_type=str, quantization=(str, NONE),
        idle_seconds=NUMBER, auto_unload_in=(*NUMBER, NONE))
    assert loom.health()["model_loaded"] == LLAMA
    lo = loom.list_loaders()
    has(lo, loaders=dict, fallback_order=list)
    assert {"transformers", "sentence_transformers", "custom"} <= set(lo["loaders"])
    for v in lo["loaders"].values():
        has(v, name=str, type=str, description=str)
    for form in (LLAMA, LLAMA.replace("/", "--"), LLAMA.replace("/", "%2F")):
        p = loom.probe(form)
        has(p, model_id=str, configured_loader=(str, NONE), detected_loader=str, can_load=dict, selected_loader=str)
        assert p["selected_loader"] == "transformers" and p["can_load"]["transformers"] is True
        assert p["model_id"] == LLAMA
    assert loom.unload(LLAMA) == {"status": "unloaded", "model_id": LLAMA}
    assert LLAMA not in [x["model_id"] for x in loom.list_models()["loaded_models"]]
    assert loom.http.delete("/models/" + LLAMA.replace("/", "--")).status_code == 404


def test_generate_in_each_format(loom):
    import base64
    r = loom.generate(LLAMA, "hello", max_tokens=4, temperature=0, return_full_sequence=True, return_attention=True)
    has(r, text=str, token_count=int, hidden_states=dict, sequence_hidden_states=dict, attention_weights=dict, metadata=dict)
    has(r["metadata"], inference_time_ms=NUMBER, tokens_generated=int, tokens_per_second=NUMBER, input_tokens=int, temperature=NUMBER, model_id=str,
        full_sequence=bool)
    t = r["hidden_states"]["-1"]
    has(t, data=list, shape=list, dtype=str)
    assert t["shape"] == [1, 42] and t["dtype"] == "float32" and len(t["data"]) == 42
    s = r["sequence_hidden_states"]["-1"]
    assert s["shape"] == [4, 42] and np.array(s["data"]).shape == (4, 42) and s["data"][-1] == t["data"]
    a = r["attention_weights"]["-1"]
    assert len(a["shape"]) == 3 and a["shape"][0] == 1
    b = loom.generate(LLAMA, "hello", max_tokens=4, temperature=0, hidden_state_format="base64")["hidden_states"]["-1"]
    assert b["encoding"] == "base64" and np.frombuffer(base64.b64decode(b["data"]), "<f4").tolist() == np.array(t["data"], np.float32).tolist()
    every = loom.generate(LLAMA, "hello", max_tokens=1, temperature=0, hidden_state_layers="all")["hidden_states"]
    assert {"-1", "-2", "-3"} <= set(every)
    bare = loom.generate(LLAMA, "hello", max_tokens=1, return_hidden_states=False)
    has(bare, hidden_states=NONE, sequence_hidden_states=NONE, attention_weights=NONE)
    v1 = loom.http.post("/v1/generate", json=dict(model=LLAMA, prompt="hello", max_tokens=4, temperature=0)).json()
    assert v1["text"] == r["text"]


def test_stream_events(loom):
    e = list(loom.generate_stream(LLAMA, "hello", max_tokens=5, temperature=0, return_hidden_states=True))
    tokens = [x for n, x in e if n == "token"]
    assert [n for n, _ in e] == ["token"] * len(tokens) + ["done"] and len(tokens) == e[-1][1]["token_count"] + 1
    for t in tokens:
        has(t, token=str, token_id=int, is_finished=bool, finish_reason=(str, NONE))
    assert tokens[-1]["is_finished"] and tokens[-1]["token"] == "" and tokens[-1]["token_id"] == tokens[-2]["token_id"]
    has(e[-1][1], text=str, token_count=int, metadata=dict, hidden_states=dict)
    assert e[-1][1]["text"] == loom.generate(LLAMA, "hello", max_tokens=5, temperature=0)["text"]


def test_batches_embeddings_analysis(loom):
    r = loom.generate_batch(LLAMA, ["hello", "there"], max_tokens=3, temperature=0)
    has(r, results=list, total_tokens=int, total_time_ms=NUMBER, prompts_processed=int)
    has(r["results"][0], text=str, token_count=int, metadata=dict)
    for pooling in ("last_token", "mean", "first_token"):
        e = loom.embed(BERT, "hello world", pooling=pooling, normalize=True)
        has(e, embedding=list, shape=list, metadata=dict)
        has(e["metadata"], pooling=str, inference_time_ms=NUMBER, input_tokens=int, model_id=str, normalized=bool)
        assert e["shape"] == [40] and abs(np.linalg.norm(e["embedding"]) - 1) < 1e-6
    many = loom.embed_batch(BERT, ["a", "b c"])
    has(many, embeddings=list, shapes=list, total_time_ms=NUMBER, texts_processed=int)
    assert many["shapes"] == [[40], [40]]
    a = loom.analyze(BERT, "hello")
    has(a, mean=NUMBER, std=NUMBER, min=NUMBER, max=NUMBER, l2_norm=NUMBER, sparsity=NUMBER, percentile_25=NUMBER, percentile_50=NUMBER,
        percentile_75=NUMBER, shape=list, layer=int, dtype=str, embedding_shape=list, metadata=dict)


def test_errors_have_a_detail(loom):
    r = loom.http.post("/generate", json=dict(model="acme/none", prompt="x"))
    assert r.status_code == 404 and isinstance(r.json()["detail"], str)
    r = loom.http.post("/generate", json=dict(model=LLAMA))
    assert r.status_code == 422 and "prompt" in r.json()["detail"]
    assert loom.http.get("/nope").status_code == 404
