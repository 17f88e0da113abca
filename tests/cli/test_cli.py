"""The loom program: exit statuses, messages, and the same answers as over HTTP."""
import json
import subprocess

import pytest


def run(loom_bin, *args, text=None):
    return subprocess.run([loom_bin, *args], input=text, capture_output=True, text=True, timeout=900)


def test_help_and_version(loom_bin):
    assert "usage: loom" in run(loom_bin, "--help").stdout
    assert run(loom_bin, "--version").stdout.startswith("loom ")
    for c in ("serve", "config", "generate", "embed", "tokenize", "detokenize", "plan", "probe", "bench"):
        r = run(loom_bin, c, "--help")
        assert r.returncode == 0 and "usage: loom " + c in r.stdout


@pytest.mark.parametrize("args,status,says", [
    (["genrate"], 2, "did you mean \"generate\""), (["serve", "--prot", "1"], 2, "did you mean --port"), (["serve", "--port", "x"], 2, "0..65535"),
    (["serve", "--port"], 2, "needs a value"), (["plan"], 2, "which model"), (["plan", "nope"], 1, "no such model"), (["plan", "a", "b"], 2, "unexpected"),
    (["generate", "x"], 2, "which prompt"), (["serve", "--log-level", "loud"], 2, "debug, info"), (["generate", "nope", "--prompt", "x"], 1, "no such model"),
    (["serve", "--device", "tpu"], 2, "cpu or cuda"),
])
def test_wrong_usage(loom_bin, args, status, says):
    r = run(loom_bin, *args)
    assert r.returncode == status and says in r.stderr and r.stderr.count("\n") == 1 and r.stdout == ""


def test_captures_one_by_one_or_as_a_list(loom_bin, tiny):
    def captures(*args):
        r = run(loom_bin, "generate", tiny("llama-gqa"), "--prompt", "hi", "-n", "2", "--temperature", "0", "--no-hidden-states", *args)
        assert r.returncode == 0, r.stderr
        return json.loads(r.stdout)["captures"]
    one, two, three = '{"name": "a"}', '{"name": "b", "site": "logits"}', '{"name": "c", "layers": "all"}'
    got = captures("--capture", one, "--capture", two, "--capture", three)
    assert list(got) == ["a", "b", "c"] and got == captures("--capture", f"[{one}, {two}]", "--capture", three) == captures(f"--capture=[{one},{two},{three}]")
    r = run(loom_bin, "generate", tiny("llama-gqa"), "--prompt", "hi", "--capture", "{")
    assert r.returncode == 2 and r.stderr.startswith("loom: --capture: not valid JSON") and r.stderr.count("\n") == 1


def test_generate_is_as_over_http(loom_bin, post, tiny, tmp_path):
    body = dict(prompt="hello", max_tokens=5, temperature=0, hidden_state_layers="all")
    http = post("/generate", model=tiny("llama-gqa"), **body).json()
    r = run(loom_bin, "generate", tiny("llama-gqa"), "--prompt", "hello", "-n", "5", "--temperature", "0", "--layers", "all", "--device", "cpu")
    assert r.returncode == 0, r.stderr
    mine = json.loads(r.stdout)
    assert mine["token_ids"] == http["token_ids"] and mine["hidden_states"] == http["hidden_states"]
    out = tmp_path / "s.safetensors"
    r = run(loom_bin, "generate", tiny("llama-gqa"), "--prompt", "hello", "-n", "0", "--no-hidden-states", "--capture", '{"layers":"all","positions":"all"}',
            "--out", str(out))
    assert r.returncode == 0, r.stderr
    from safetensors.numpy import load_file
    assert load_file(out)["captures.hidden"].shape[0] == 4


@pytest.mark.parametrize("name", ["llama-gqa", "bert"])
def test_bench_ops_counts_each_op(loom_bin, tiny, name):
    r = run(loom_bin, "bench", tiny(name), "--ops", "--json", "--rounds", "2", "--threads", "2", "--device", "cpu")
    assert r.returncode == 0, r.stderr
    page = json.loads(r.stdout)
    ops = {x["op"]: x for x in page["prefill"]}
    assert page["roof"]["flops"] > 0 and page["roof"]["read_bytes"] > 0
    assert {"embed", "norm", "attend", "add"} <= ops.keys() and all(x["seconds"] > 0 and x["bytes"] > 0 for x in ops.values())
    assert all(x["flops"] > 0 for x in (ops["attend"], ops["attn.qkv"])) and (name == "bert") == (page["single_row"] == [])
    assert "roofs:" in run(loom_bin, "bench", tiny(name), "--ops", "--rounds", "1").stdout


def test_bench_load_drives_a_server(loom_bin, new_server, tiny):
    s = new_server("--log-level", "error")
    try:
        url = str(s.client.base_url).rstrip("/")
        for model, kind in (("llama-gqa", "generate"), ("bert", "embed")):
            r = run(loom_bin, "bench", tiny(model), "--load", url, "--kind", kind, "--clients", "3", "--requests", "9", "--prompt-tokens", "5", "--max-tokens",
                    "4", "--json")
            got = json.loads(r.stdout)
            assert r.returncode == 0 and got["answered"] == 9 and got["failed"] == 0 and got["answer_ms"]["p50"] > 0
            assert (got["tokens_per_second"] > 0) == (kind == "generate")
        r = run(loom_bin, "bench", tiny("llama-gqa"), "--load", url, "--requests", "2", "--prompt-tokens", "5", "--max-tokens", "0", "--format", "safetensors",
                "--capture", '{"layers":"all","positions":"all"}')
        assert r.returncode == 0 and "2 answered, 0 failed" in r.stdout
        r = run(loom_bin, "bench", "no/such", "--load", url)
        assert r.returncode == 1 and "404" in r.stderr
    finally:
        assert s.stop() == 0


@pytest.mark.parametrize("args,says", [(["--load", "http://example.com"], "127.0.0.1"), (["--load", "http://127.0.0.1:1", "--kind", "x"], "generate, stream or embed"),
                                       (["--load", "http://127.0.0.1.example.com:80"], "127.0.0.1")])
def test_bench_load_refuses(loom_bin, args, says):
    r = run(loom_bin, "bench", "m", *args)
    assert r.returncode != 0 and says in r.stderr


def test_bench_decoder(loom_bin, tiny):
    r = run(loom_bin, "bench", tiny("llama-gqa"), "--prompt", "40", "--rounds", "1", "--json", "--device", "cpu")
    got = json.loads(r.stdout)
    only = json.loads(run(loom_bin, "bench", tiny("llama-gqa"), "--only", "decode", "--rounds", "1", "--json").stdout)
    assert "decode" in only and "prefill" not in only and run(loom_bin, "bench", tiny("llama-gqa"), "--only", "x").returncode == 2
    assert got["prefill"]["40"]["tokens_per_second"] > 0 and got["streams"]["32"] > 0


def test_embed_tokenize_plan_probe(loom_bin, post, tiny):
    r = run(loom_bin, "embed", tiny("bert"), text="one\ntwo words\n")
    lines = [json.loads(x) for x in r.stdout.splitlines()]
    assert r.returncode == 0 and [x["shape"] for x in lines] == [[40], [40]]
    assert lines[1]["embedding"] == post("/embed", model=tiny("bert"), text="two words").json()["embedding"]
    r = run(loom_bin, "tokenize", tiny("llama-gqa"), text='{"text":"hi"}\n{"text":"é"}\n')
    ids = [json.loads(x)["ids"] for x in r.stdout.splitlines()]
    r = run(loom_bin, "detokenize", tiny("llama-gqa"), text="".join(json.dumps(dict(ids=i)) + "\n" for i in ids))
    assert [json.loads(x)["text"] for x in r.stdout.splitlines()] == ["hi", "é"]
    r = run(loom_bin, "tokenize", tiny("llama-gqa"), text='{"txt":"hi"}\n')
    assert r.returncode == 1 and "line 1" in r.stderr and "did you mean \"text\"" in r.stderr
    assert "tap      hidden" in run(loom_bin, "plan", tiny("gpt2")).stdout
    r = run(loom_bin, "probe", tiny("bert"))
    assert r.returncode == 0 and "transformers" in r.stdout
