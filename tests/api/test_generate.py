"""POST /generate and /embed over real HTTP: formats, keys, captures, and the numbers that transformers computed."""
import base64
import json
import struct
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from conftest import tensors

LLAMA = "llama-gqa"


def gen(tiny, **more):
    return dict(model=tiny(LLAMA), prompt=[5, 6, 7, 8, 9], max_tokens=4, temperature=0, **more)


PROMPTS = [(name, i) for name in ("llama-gqa", "gpt2", "qwen3", "mistral", "llama-mha-tied", "llama-base") for i in range(3)]


@pytest.mark.parametrize("name,i", PROMPTS + [("llama-gqa", 3)])
def test_states_are_those_of_transformers(post, tiny, expected, name, i):
    e = expected(name)
    ids = [int(x) for x in e[f"ids.{i}"].reshape(-1)]
    r = post("/generate", model=tiny(name), prompt=ids, max_tokens=0, return_hidden_states=False, hidden_state_format="safetensors",
             capture=dict(name="h", layers="all", positions="all"))
    got, want = tensors(r)["captures.h"], e[f"hidden.{i}"].reshape(-1, len(ids), e[f"hidden.{i}"].shape[-1])
    assert got.shape == want.shape
    for a, b in zip(got, want):
        assert np.abs(a - b).max() <= 2e-5 * np.abs(b).max()


def test_bidirectional_states(post, tiny, expected):
    e = expected("bert")
    ids = [int(x) for x in e["ids.2"].reshape(-1)]
    text = "x"
    r = post("/embed", model=tiny("bert"), text=text, pooling="none")
    assert r.status_code == 200 and r.json()["shape"][1] == 40
    r = post("/generate", model=tiny("bert"), prompt=ids, max_tokens=0, return_hidden_states=False, hidden_state_format="safetensors",
             capture=dict(name="h", layers="all", positions="all"))
    got, want = tensors(r)["captures.h"], e["hidden.2"].reshape(-1, len(ids), 40)
    assert np.abs(got - want).max() <= 2e-5 * np.abs(want).max()


def test_answer_has_every_promised_key(post, tiny):
    a = post("/generate", **gen(tiny)).json()
    assert set(a) >= {"text", "token_count", "token_ids", "finish_reason", "hidden_states", "metadata"}
    assert set(a["metadata"]) >= {"inference_time_ms", "tokens_generated", "tokens_per_second", "input_tokens", "temperature", "model_id",
                                  "full_sequence", "compute", "device"}
    t = a["hidden_states"]["-1"]
    assert t["shape"] == [1, 42] and t["dtype"] == "float32" and t["layer"] == 3 and t["site"] == "hidden" and len(t["data"]) == 42
    assert t["positions"] == [5 + a["token_count"] - 2]
    assert a["token_count"] == len(a["token_ids"])


def test_keys_are_as_the_client_wrote_them(post, tiny):
    a = post("/generate", **gen(tiny, hidden_state_layers=[0, -1, 3, -4])).json()
    assert list(a["hidden_states"]) == ["0", "-1", "3", "-4"]
    assert a["hidden_states"]["0"]["data"] == a["hidden_states"]["-4"]["data"]
    assert a["hidden_states"]["3"]["data"] == a["hidden_states"]["-1"]["data"]
    a = post("/generate", **gen(tiny, hidden_state_layers="all")).json()
    assert list(a["hidden_states"]) == ["-4", "-3", "-2", "-1"]


def test_three_formats_hold_the_same_numbers(post, tiny):
    more = dict(hidden_state_layers=[1, -1], return_full_sequence=True, return_attention=True, capture=dict(name="c", layers="all", positions="all"))
    plain = post("/generate", **gen(tiny, **more)).json()
    b64 = post("/generate", **gen(tiny, hidden_state_format="base64", **more)).json()
    raw = post("/generate", **gen(tiny, hidden_state_format="safetensors", **more))
    st = tensors(raw)
    assert raw.headers["content-type"] == "application/octet-stream"
    for group in ("hidden_states", "sequence_hidden_states", "attention_weights", "captures"):
        for key, t in plain[group].items():
            listed = np.array(t["data"], np.float32).reshape(t["shape"])
            coded = np.frombuffer(base64.b64decode(b64[group][key]["data"]), "<f4").reshape(t["shape"])
            assert b64[group][key]["encoding"] == "base64"
            assert listed.tobytes() == coded.tobytes() == st[f"{group}.{key}"].tobytes()
    n = struct.unpack("<Q", raw.content[:8])[0]
    answer = json.loads(json.loads(raw.content[8:8 + n])["__metadata__"]["answer"])
    assert answer["text"] == plain["text"] and "data" not in answer["captures"]["c"]
    assert np.array(plain["sequence_hidden_states"]["-1"]["data"]).shape == (4, 42)
    last = plain["sequence_hidden_states"]["-1"]["data"][-1]
    assert last == plain["hidden_states"]["-1"]["data"]


@pytest.mark.parametrize("dtype,size", [("float16", 2), ("bfloat16", 2), ("float32", 4)])
def test_dtype_labels_the_bytes(post, tiny, dtype, size):
    t = post("/generate", **gen(tiny, hidden_state_format="base64", hidden_state_dtype=dtype)).json()["hidden_states"]["-1"]
    assert t["dtype"] == dtype and len(base64.b64decode(t["data"])) == 42 * size


def test_positions_layers_and_reductions(post, tiny):
    def cap(**c):
        r = post("/generate", **gen(tiny, capture=c))
        assert r.status_code == 200, r.text
        return next(iter(r.json()["captures"].values()))
    whole = cap(layers="all", positions="all")
    x = np.array(whole["data"], np.float32).reshape(whole["shape"])
    assert whole["shape"] == [4, 9, 42] and whole["layers"] == [0, 1, 2, 3] and whole["positions"] == list(range(9))
    for positions, want in (("prompt", [0, 1, 2, 3, 4]), ("generated", [5, 6, 7, 8]), ("last", [8]), ([0, -1], [0, 8]), ("1:8:3", [1, 4, 7]), ("7:", [7, 8])):
        t = cap(layers=[2], positions=positions)
        assert t["positions"] == want and t["shape"] == [1, len(want), 42]
        assert np.array(t["data"], np.float32).tobytes() == x[2, want].tobytes()
    assert cap(layers="1:3", positions="last")["layers"] == [1, 2]
    m = cap(layers=[1], positions="all", reduce="mean")
    assert m["shape"] == [1, 42] and np.allclose(np.array(m["data"]), x[1].astype(np.float64).mean(0), atol=1e-6)
    assert np.array_equal(np.array(cap(layers=[1], positions="all", reduce="max")["data"], np.float32), x[1].max(0))


def test_every_listed_site_can_be_captured(post, server, tiny):
    post("/generate", **gen(tiny))
    info = server.client.get("/models/" + tiny(LLAMA)).json()
    assert set(info["sites"]) == {"hidden", "resid_pre", "resid_mid", "resid_post", "attn_norm", "mlp_norm", "attn_out", "mlp_out", "q", "k", "v",
                                  "attn_heads", "attn_probs", "mlp_act", "final_norm", "logits"}
    c = post("/generate", **gen(tiny, capture=[dict(site=s, layers="all", positions="all") for s in info["sites"]])).json()["captures"]
    arr = {k: np.array(t["data"], np.float32).reshape(t["shape"]) for k, t in c.items()}
    for s, about in info["sites"].items():
        if s != "attn_probs":
            assert arr[s].shape[-1] == about["width"], s
    assert np.array_equal(arr["hidden"][:3], arr["resid_pre"])
    assert np.array_equal(arr["resid_mid"], arr["resid_pre"] + arr["attn_out"])
    assert np.array_equal(arr["resid_post"], arr["resid_mid"] + arr["mlp_out"])
    assert np.allclose(arr["attn_probs"].sum(-1), 1, atol=1e-5)
    assert np.array_equal(arr["final_norm"], arr["hidden"][-1])


def test_tokens_logprobs_stop_and_seed(post, tiny):
    a = post("/generate", model=tiny(LLAMA), prompt="héllo", max_tokens=6, temperature=0, return_tokens=True, logprobs=3, return_token_ids=True).json()
    assert [t["source"] for t in a["tokens"]].count("generated") == a["token_count"]
    assert [t["id"] for t in a["tokens"]] == a["prompt_token_ids"] + a["token_ids"]
    for p, i in zip(a["logprobs"], a["token_ids"]):
        assert p["token_id"] == i == p["top"][0]["token_id"] and len(p["top"]) == 3 and p["logprob"] <= 0
    one = [post("/generate", **dict(gen(tiny), temperature=1.5, seed=s, max_tokens=20)).json()["token_ids"] for s in (1, 1, 2)]
    assert one[0] == one[1] != one[2]


def test_dry_run_estimates_what_is_sent(post, tiny):
    more = dict(return_hidden_states=False, capture=dict(name="c", layers="all", positions="all"))
    d = post("/generate", **dict(gen(tiny, dry_run=True, **more), max_tokens=0)).json()
    assert d["prompt_tokens"] == 5 and d["captures"]["c"] == {"shape": [4, 5, 42], "bytes": 4 * 5 * 42 * 4}


def test_a_crowd_gets_the_bits_of_one(post, tiny):
    bodies = [dict(model=tiny(LLAMA), prompt=[(7 * i + k) % 250 for k in range(1 + 5 * i)], max_tokens=3 + i % 5, temperature=0,
                   hidden_state_format="safetensors", capture=dict(name="c", layers="all", positions="all")) for i in range(24)]
    alone = [tensors(post("/generate", **b)) for b in bodies]
    with ThreadPoolExecutor(24) as pool:
        crowd = [tensors(r) for r in pool.map(lambda b: post("/generate", **b), bodies)]
    for a, b in zip(alone, crowd):
        assert a.keys() == b.keys() and all(a[k].tobytes() == b[k].tobytes() for k in a)


def test_embed(post, tiny):
    a = post("/embed", model=tiny("bert"), text="hello world").json()
    assert a["shape"] == [40] and a["metadata"]["pooling"] == "mean" and len(a["embedding"]) == 40
    rows = post("/embed", model=tiny("bert"), text="hello world", pooling="none").json()
    x = np.array(rows["embedding"], np.float32)
    assert np.allclose(x.mean(0), a["embedding"], atol=1e-6)
    n = post("/embed", model=tiny("bert"), text="hello world", pooling="cls", normalize=True).json()
    assert abs(np.linalg.norm(n["embedding"]) - 1) < 1e-6
    assert np.allclose(np.array(n["embedding"]), x[0] / np.linalg.norm(x[0]), atol=1e-6)
    d = post("/embed", model=tiny("bert"), text="hello world", dimensions=8, encoding="base64").json()
    assert np.frombuffer(base64.b64decode(d["embedding"]), "<f4").shape == (8,)
