"""sentence-transformers folders, cross-encoders and SPLADE models of tests/st, against what sentence-transformers computed on them."""
import json
from pathlib import Path

import numpy as np
import pytest

MODELS = sorted(p.parent for p in (Path(__file__).parent.parent / "st").glob("*/expected.json"))
BOUND = 2e-5  # of the largest number; unit vectors: 2e-6


def close(mine, ref):
    a, b = np.array(mine, dtype=np.float64), np.array(ref, dtype=np.float64)
    assert a.shape == b.shape
    bound = 2e-6 if abs(np.linalg.norm(b) - 1) < 1e-4 else BOUND * max(np.abs(b).max(), 1e-3)
    assert np.abs(a - b).max() <= bound


def embed(post, folder, case):
    body = {k: v for k, v in case.items() if k != "answer"}
    r = post("/embed", **dict(body, model=str(folder)))
    assert r.status_code == 200, r.text
    return r.json()


@pytest.mark.parametrize("folder", MODELS, ids=lambda p: p.name)
def test_as_sentence_transformers(post, folder):
    x = json.loads((folder / "expected.json").read_text())
    for case in x["cases"]:
        ref = case["answer"]
        if x["kind"] == "rerank":
            r = post("/rerank", **dict({k: v for k, v in case.items() if k != "answer"}, model=str(folder)))
            assert r.status_code == 200, r.text
            results = r.json()["results"]
            assert [e["score"] for e in results] == sorted((e["score"] for e in results), reverse=True)
            mine = {e["index"]: e["score"] for e in results}
            close([mine[i] for i in range(len(ref))], ref)
            continue
        answer = embed(post, folder, case)
        assert answer["shape"] == [len(ref)]
        if x["kind"] == "sparse":
            dense = np.zeros(len(ref))
            dense[answer["embedding"]["indices"]] = answer["embedding"]["values"]
            assert answer["metadata"]["pooling"] == "splade"
            close(dense, ref)
        else:
            close(answer["embedding"], ref)


def test_batches_are_the_same_bits(post):
    folder = next(p for p in MODELS if p.name == "concat-dense")
    texts = ["Hello", "two", "x" * 70]
    many = post("/embed/batch", **dict(model=str(folder), texts=texts)).json()["embeddings"]
    assert many == [post("/embed", **dict(model=str(folder), text=t)).json()["embedding"] for t in texts]


def test_what_does_not_fit_together_is_refused(post):
    bert = Path(__file__).parent.parent / "models" / "bert"
    r = post("/rerank", **dict(model=str(bert), query="a", texts=["b"]))
    assert r.status_code == 422 and "no classifier" in r.json()["error"]["message"]
    folder = next(p for p in MODELS if p.name == "concat-dense")
    r = post("/embed", **dict(model=str(folder), text="a", pooling="mean"))
    assert r.status_code == 422 and "90" in r.json()["error"]["message"]
    r = post("/rerank", **dict(model=str(folder), query="a", texts=[]))
    assert r.status_code == 422
