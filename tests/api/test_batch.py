"""Batches: ragged, and to the bit what each item alone would get; one bad item names its index. And POST /analyze."""
import base64

import numpy as np
import pytest
from conftest import tensors


def test_generate_batch_is_single_calls(post, tiny):
    prompts = ["hello", [5, 6, 7, 8, 9], "a much longer prompt than the others, to make the batch ragged", [3], "héllo 世界"]
    body = dict(model=tiny("llama-gqa"), max_tokens=7, temperature=1.2, seed=11, return_hidden_states=True, return_full_sequence=True,
                return_attention=True, hidden_state_layers="all", logprobs=2, capture=[dict(name="c", site="attn_out", layers="all", positions="all")])
    many = post("/generate/batch", prompts=prompts, **body)
    assert many.status_code == 200, many.text
    many = many.json()
    assert set(many) == {"results", "total_tokens", "total_time_ms", "prompts_processed"} and many["prompts_processed"] == 5
    for p, got in zip(prompts, many["results"]):
        alone = post("/generate", prompt=p, **body).json()
        for a in (got, alone):
            a["metadata"].pop("inference_time_ms"), a["metadata"].pop("tokens_per_second")
        assert got == alone
    assert many["total_tokens"] == sum(r["token_count"] for r in many["results"])
    lean = post("/generate/batch", prompts=["a"], model=tiny("llama-gqa"), max_tokens=1).json()["results"][0]
    assert lean["hidden_states"] is None


def test_batch_as_safetensors(post, tiny):
    body = dict(model=tiny("llama-gqa"), max_tokens=3, temperature=0, return_hidden_states=True, hidden_state_format="safetensors",
                hidden_state_layers=[1, -1], capture=dict(name="c", positions="all"))
    t = tensors(post("/generate/batch", prompts=[[1, 2], [3, 4, 5]], **body))
    assert set(t) == {f"{i}.{n}" for i in (0, 1) for n in ("hidden_states.1", "hidden_states.-1", "captures.c")}
    one = tensors(post("/generate", prompt=[3, 4, 5], **body))
    assert all(t["1." + k].tobytes() == v.tobytes() for k, v in one.items())


def test_embed_batch_is_single_calls(post, tiny):
    texts = ["hello world", "x", "a longer text with some more words in it", "hello world", "é"]
    for more in (dict(), dict(pooling="cls", normalize=True), dict(pooling="none"), dict(dimensions=8, layer=1), dict(encoding="base64", hidden_state_dtype="float16")):
        many = post("/embed/batch", model=tiny("bert"), texts=texts, **more).json()
        assert many["texts_processed"] == 5 and many["total_time_ms"] > 0
        for t, got, shape in zip(texts, many["embeddings"], many["shapes"]):
            one = post("/embed", model=tiny("bert"), text=t, **more).json()
            assert one["embedding"] == got and one["shape"] == shape
    cap = dict(capture=dict(name="c", site="mlp_out", layers="all", positions="all"), return_tokens=True)
    many = post("/embed/batch", model=tiny("bert"), texts=texts[:3], **cap).json()
    for t, c, k in zip(texts, many["captures"], many["tokens"]):
        one = post("/embed", model=tiny("bert"), text=t, **cap).json()
        assert one["captures"] == c and one["tokens"] == k
    st = tensors(post("/embed/batch", model=tiny("bert"), texts=texts[:2], encoding="safetensors", capture=dict(name="c")))
    assert set(st) == {"0.embedding", "1.embedding", "0.captures.c", "1.captures.c"} and st["0.embedding"].shape == (40,)


@pytest.mark.parametrize("route,list_name,good", [("/generate/batch", "prompts", [1, 2]), ("/embed/batch", "texts", "hello")])
def test_a_bad_item_names_its_index(post, tiny, route, list_name, good):
    model = tiny("llama-gqa")

    def bad(items, status, param, says):
        r = post(route, model=model, **{list_name: items})
        e = r.json()["error"]
        assert r.status_code == status and e["param"] == param and says in e["message"], r.text
        assert post(route, model=model, **{list_name: [good]}).status_code == 200
    bad([good, good, 7], 422, list_name + "[2]", "expected a string")
    bad([good, ""], 422, list_name + "[1]", "no tokens") if list_name == "prompts" else None
    bad([], 422, list_name, "1..100")
    bad([good] * 101, 422, list_name, "found 101")
    bad("hello", 422, list_name, "a list of")
    bad(None, 422, list_name, "required")
    if list_name == "prompts":
        bad([good, [10 ** 6]], 422, "prompts[1]", "1000000")
        bad([good, good, [1, -2]], 422, "prompts[2]", "prompts[2][1]")
        bad([good, [1] * 10 ** 6], 422, "prompts[1]", "1000000 tokens")


def test_an_answer_too_large_together_is_refused_before_work(post, tiny):
    cap = [dict(name=str(i), layers="all", positions="all") for i in range(16)]
    r = post("/generate/batch", model=tiny("llama-gqa"), prompts=[[1] * 1000] * 100, max_tokens=1000, capture=cap)
    assert r.status_code == 413 and "send fewer" in r.json()["detail"]
    r = post("/generate/batch", model=tiny("llama-gqa"), prompts=[[1] * 1000] * 2, max_tokens=1000, capture=cap, dry_run=True).json()
    assert r["bytes"] == sum(x["bytes"] for x in r["results"]) > 0 and r["results"][0]["prompt_tokens"] == 1000


def test_analyze(post, tiny):
    body = dict(model=tiny("bert"), text="hello world")
    a = post("/analyze", **body).json()
    e = post("/embed", **body).json()
    v = np.array(e["embedding"], np.float32).astype(np.float64)
    want = dict(mean=v.mean(), std=v.std(), min=v.min(), max=v.max(), l2_norm=np.linalg.norm(v), sparsity=(np.abs(v) < 1e-6).mean(),
                percentile_25=np.percentile(v, 25), percentile_50=np.percentile(v, 50), percentile_75=np.percentile(v, 75))
    for k, x in want.items():
        assert abs(a[k] - x) <= 1e-9 * (1 + abs(x)), k
    assert a["shape"] == a["embedding_shape"] == [40] and a["layer"] == -1 and a["dtype"] == "float32"
    assert set(a["metadata"]) == set(e["metadata"])
    assert post("/analyze", **body, pooling="none", layer=1).json()["shape"][1] == 40
    assert post("/analyze", **body, pooling="meen").status_code == 422


def test_numbers_of_the_lean_formats(post, tiny):
    a = post("/embed/batch", model=tiny("bert"), texts=["hello"], encoding="base64").json()
    b = post("/embed/batch", model=tiny("bert"), texts=["hello"]).json()
    assert a["encoding"] == "base64" and a["dtype"] == "float32"
    assert np.frombuffer(base64.b64decode(a["embeddings"][0]), "<f4").tobytes() == np.array(b["embeddings"][0], np.float32).tobytes()
