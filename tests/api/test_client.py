"""The Python client in python/loom_client, every call."""
import numpy as np
import pytest
from loom_client import Client, Error, StreamError


@pytest.fixture
def loom(server):
    with Client(server.url) as c:
        yield c


def test_generate_and_its_tensors(loom, tiny):
    m = tiny("llama-gqa")
    want = loom.generate(m, [1, 2, 3], max_tokens=4, temperature=0, hidden_state_format="list", hidden_state_layers="all", return_full_sequence=True,
                         return_attention=True, capture=dict(name="c", layers="all", positions="all"))
    for fmt in ({}, dict(hidden_state_format="base64")):
        got = loom.generate(m, [1, 2, 3], max_tokens=4, temperature=0, hidden_state_layers="all", return_full_sequence=True, return_attention=True,
                            capture=dict(name="c", layers="all", positions="all"), **fmt)
        assert got["text"] == want["text"]
        for group in ("hidden_states", "sequence_hidden_states", "attention_weights", "captures"):
            assert got[group].keys() == want[group].keys()
            for k, v in want[group].items():
                assert got[group][k].shape == v.shape and got[group][k].tobytes() == v.tobytes()
    half = loom.generate(m, [1], max_tokens=1, temperature=0, hidden_state_dtype="bfloat16")["hidden_states"]["-1"]
    full = loom.generate(m, [1], max_tokens=1, temperature=0)["hidden_states"]["-1"]
    assert np.allclose(half, full, rtol=1e-2) and loom.generate(m, [1], max_tokens=1, hidden_state_dtype="float16")["hidden_states"]["-1"].dtype == np.float16


def test_streams(loom, tiny):
    m = tiny("llama-gqa")
    whole = loom.generate(m, "hello", max_tokens=5, temperature=0, return_full_sequence=True)
    got = list(loom.stream(m, "hello", max_tokens=5, temperature=0, stream_hidden_states=True, return_hidden_states=True))
    assert "".join(t.text for t in got) == whole["text"] == got[-1].done["text"] and [t.id for t in got[:-1]] == whole["token_ids"]
    assert np.stack([t.hidden_states["-1"][0] for t in got[:-1]]).tobytes() == whole["sequence_hidden_states"]["-1"].tobytes()
    assert got[-1].is_finished and got[-1].done["hidden_states"]["-1"].shape == (1, 42)
    for t in loom.stream(tiny("qwen2"), [1], max_tokens=10000, temperature=0):
        break  # leaving stops the work
    with pytest.raises(Error):
        next(loom.stream(m, [10 ** 6]))


def test_batches_and_vectors(loom, tiny):
    m, b = tiny("llama-gqa"), tiny("bert")
    many = loom.generate_batch(m, [[1, 2], [3]], max_tokens=2, temperature=0, return_hidden_states=True, capture=dict(name="c"))
    one = loom.generate(m, [3], max_tokens=2, temperature=0, capture=dict(name="c"))
    assert many["results"][1]["hidden_states"]["-1"].tobytes() == one["hidden_states"]["-1"].tobytes()
    assert many["results"][1]["captures"]["c"].tobytes() == one["captures"]["c"].tobytes()
    e = loom.embed(b, "hello", capture=dict(name="c"))
    assert e["embedding"].shape == (40,) and e["captures"]["c"].shape == (1, 1, 40)
    v = loom.embed_batch(b, ["hello", "two words"], capture=dict(name="c"))
    assert v["embeddings"][0].tobytes() == e["embedding"].tobytes() and v["captures"][0]["c"].tobytes() == e["captures"]["c"].tobytes()
    assert abs(loom.analyze(b, "hello")["mean"] - e["embedding"].astype(np.float64).mean()) < 1e-9


def test_the_rest(loom, tiny, server):
    m = tiny("llama-gqa")
    assert loom.load(m)["hidden_size"] == 42 and loom.model(m)["sites"]["hidden"]["width"] == 42
    assert loom.health()["status"] == "healthy" and m in [x["model_id"] for x in loom.models()["loaded_models"]]
    assert loom.probe(m)["selected_loader"] == "transformers" and "gguf" in loom.loaders()["loaders"]
    ids = loom.tokenize(m, "hello")["ids"]
    assert loom.detokenize(m, ids) == "hello"
    assert "loom_requests_total" in loom.metrics() and loom.openapi()["openapi"] == "3.1.0"
    assert loom.unload(m)["status"] == "unloaded"
    with pytest.raises(Error) as e:
        loom.unload(m)
    assert e.value.status == 404 and e.value.code == "not_found" and e.value.request_id
    with pytest.raises(Error) as e:
        loom.generate(m, "x", max_token=3)
    assert e.value.param == "max_token" and "did you mean" in str(e.value)
    assert issubclass(StreamError, Exception)
