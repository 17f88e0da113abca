"""sentence-transformers folders, cross-encoders and SPLADE models of tests/st, against what sentence-transformers computed on them."""
import json
import shutil
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


def test_the_transformer_in_a_folder_of_its_own(post, tmp_path):
    folder = next(p for p in MODELS if p.name == "cls-unit")
    shutil.copytree(folder, tmp_path / "older")
    (tmp_path / "older" / "0_Transformer").mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "sentence_bert_config.json"):
        (tmp_path / "older" / name).rename(tmp_path / "older" / "0_Transformer" / name)
    modules = json.loads((folder / "modules.json").read_text())
    modules[0]["path"] = "0_Transformer"
    (tmp_path / "older" / "modules.json").write_text(json.dumps(modules))
    mine, older = (post("/embed", model=str(p), text="Hello", prompt_name="query") for p in (folder, tmp_path / "older"))
    assert older.status_code == 200, older.text
    assert older.json()["embedding"] == mine.json()["embedding"]


def test_long_texts_are_cut_on_the_side_that_the_tokenizer_names(post, tmp_path):
    folder = next(p for p in MODELS if p.name == "cls-unit")
    shutil.copytree(folder, tmp_path / "left")
    config = json.loads((folder / "tokenizer_config.json").read_text())
    (tmp_path / "left" / "tokenizer_config.json").write_text(json.dumps(dict(config, truncation_side="left")))
    tail = "the end of it"
    long, short = (post("/embed", model=str(tmp_path / "left"), text=t).json() for t in ("y" * 300 + tail, "y" * (78 - len(tail)) + tail))
    assert long["metadata"]["truncated"] and not short["metadata"]["truncated"]
    assert long["embedding"] == short["embedding"]


def test_a_table_of_words(post):
    folder = next(p for p in MODELS if p.name == "static")
    whole = post("/embed", model=str(folder), text="Hello", normalize=True, dimensions=7).json()
    assert whole["shape"] == [7] and abs(np.linalg.norm(whole["embedding"]) - 1) < 1e-6 and whole["metadata"]["input_tokens"] == 5
    r = post("/embed", model=str(folder), text="Hello", capture={"site": "hidden", "positions": "all", "layers": "all"})
    assert r.status_code == 200 and r.json()["captures"]["hidden"]["shape"] == [1, 5, 26]
    r = post("/embed", model=str(folder), text="Hello", capture={"site": "attn_out"})
    assert r.status_code == 422 and "attn_out" in r.json()["error"]["message"]
    r = post("/generate", model=str(folder), prompt="Hello")
    assert r.status_code == 422 and "generate" in r.json()["error"]["message"]
    shared = next(p for p in MODELS if p.name == "static-shared")
    batch = post("/embed/batch", model=str(shared), texts=["Hello", "x" * 90]).json()
    assert batch["embeddings"] == [post("/embed", model=str(shared), text=t).json()["embedding"] for t in ("Hello", "x" * 90)]


def test_what_does_not_fit_together_is_refused(post):
    bert = Path(__file__).parent.parent / "models" / "bert"
    r = post("/rerank", **dict(model=str(bert), query="a", texts=["b"]))
    assert r.status_code == 422 and "no classifier" in r.json()["error"]["message"]
    folder = next(p for p in MODELS if p.name == "concat-dense")
    r = post("/embed", **dict(model=str(folder), text="a", pooling="mean"))
    assert r.status_code == 422 and "90" in r.json()["error"]["message"]
    r = post("/rerank", **dict(model=str(folder), query="a", texts=[]))
    assert r.status_code == 422


JINA = Path(__file__).parent.parent / "models" / "jina_embeddings_v3-flash"
TASKS = ["retrieval.query", "retrieval.passage", "separation", "classification", "text-matching"]


def test_tasks_have_adapters_of_their_own_and_share_a_batch(post):
    plain = post("/embed", model=str(JINA), text="Hello").json()["embedding"]
    vectors = [post("/embed", model=str(JINA), text="Hello", task=t, prompt_name="").json()["embedding"] for t in TASKS]
    assert len({tuple(v) for v in [plain, *vectors]}) == 6
    assert post("/embed/batch", model=str(JINA), texts=["Hello", "x" * 50], task=TASKS[2]).json()["embeddings"][0] == vectors[2]


def test_a_task_brings_its_prompt_unless_another_is_named(post, tmp_path):
    with_prompt = post("/embed", model=str(JINA), text="Q: Hello", task=TASKS[0], prompt_name="").json()["embedding"]
    assert post("/embed", model=str(JINA), text="Hello", task=TASKS[0]).json()["embedding"] == with_prompt
    shutil.copytree(JINA, tmp_path / "jina")
    (tmp_path / "jina" / "modules.json").write_text(json.dumps([
        dict(idx=0, name="0", path="", type="custom_st.Transformer"), dict(idx=1, name="1", path="1_Pooling", type="sentence_transformers.models.Pooling"),
        dict(idx=2, name="2", path="2_Normalize", type="sentence_transformers.models.Normalize")]))
    (tmp_path / "jina" / "1_Pooling").mkdir()
    (tmp_path / "jina" / "1_Pooling" / "config.json").write_text(json.dumps(dict(word_embedding_dimension=20, pooling_mode_mean_tokens=True)))
    (tmp_path / "jina" / "config_sentence_transformers.json").write_text(json.dumps(dict(prompts={TASKS[0]: "find: ", "other": "so: "})))
    named = {p: post("/embed", model=str(tmp_path / "jina"), text="Hello", task=TASKS[0], **p_name).json()["embedding"]
             for p, p_name in (("find: ", {}), ("so: ", dict(prompt_name="other")), ("", dict(prompt_name="")))}
    for prompt, vector in named.items():
        full = post("/embed", model=str(JINA), text=prompt + "Hello", task=TASKS[0], prompt_name="", normalize=True).json()["embedding"]
        assert np.abs(np.array(full) - np.array(vector)).max() < 1e-6


def test_unknown_tasks_are_refused_with_those_there_are(post, server):
    r = post("/embed", model=str(JINA), text="x", task="separate")
    assert r.status_code == 422 and r.json()["error"]["param"] == "task"
    assert r.json()["detail"] == 'no task is named "separate"; this model has adapters for: ' + ", ".join(TASKS)
    r = post("/embed", model=str(MODELS[0]), text="x", task="separation")
    assert r.status_code == 422 and "this model has adapters for: none" in r.json()["detail"]
    assert server.client.get("/models/" + str(JINA)).json()["tasks"] == TASKS
