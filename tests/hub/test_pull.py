"""loom pull and first use against a hub that behaves: what is fetched, where it goes, who learns of the token."""
import json
import os
import subprocess
import threading

import httpx
import pytest
from hubcases import MODELS, cache, check_cache, env, hub, hub_server, leftovers, loom, model_files  # noqa: F401 (fixtures)


def names(hub, method="GET"):
    return sorted(r[2].split("/resolve/")[1].split("/", 1)[1] for r in hub.requests("hub", method) if "/resolve/" in r[2])


def snapshot(cache, repo):
    folder = cache / ("models--" + repo.replace("/", "--"))
    return folder / "snapshots" / (folder / "refs/main").read_text()


def test_only_what_is_needed_is_fetched(hub, loom, cache):
    files = {**model_files("llama-base"), "README.md": b"# hi", "pytorch_model.bin": b"\x80\x04pickle", "training_args.bin": b"\x80\x04",
             "onnx/model.onnx": b"x", "model.fp16.safetensors": b"x", ".gitattributes": b""}
    hub.add("org/llama", files, lfs=["model.safetensors", "pytorch_model.bin"])
    r = loom("pull", "org/llama")
    assert r.returncode == 0, r.stderr
    assert r.stdout.strip() == str(snapshot(cache, "org/llama"))
    assert names(hub) == ["config.json", "model.safetensors", "tokenizer.json"]
    assert r.stderr.count("fetched ") == 3 and "\r" not in r.stderr
    check_cache(cache)
    assert not leftovers(cache)
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        assert (snapshot(cache, "org/llama") / name).read_bytes() == files[name]


def test_a_model_that_is_here_costs_no_request(hub, loom, cache):
    hub.add("org/llama", model_files("llama-gqa"), lfs=["model.safetensors"])
    first = loom("generate", "org/llama", "--prompt", "ab", "--max-tokens", "3", "--temperature", "0")
    assert first.returncode == 0, first.stderr
    hub.log.clear()
    again = loom("generate", "org/llama", "--prompt", "ab", "--max-tokens", "3", "--temperature", "0")
    offline = loom("generate", "org/llama", "--prompt", "ab", "--max-tokens", "3", "--temperature", "0", HF_HUB_OFFLINE="1")
    assert json.loads(first.stdout)["token_ids"] == json.loads(again.stdout)["token_ids"] == json.loads(offline.stdout)["token_ids"]
    assert hub.log == []


def test_pull_again_asks_and_moves_the_ref(hub, loom, cache):
    old = hub.add("org/llama", model_files("llama-base"), lfs=["model.safetensors"])
    assert loom("pull", "org/llama").returncode == 0
    files = {**model_files("llama-base"), "generation_config.json": b'{"eos_token_id": 2}'}
    new = hub.add("org/llama", files, lfs=["model.safetensors"])
    new.refs[old.commit] = old.commit
    hub.log.clear()
    assert loom("pull", "org/llama").returncode == 0
    assert names(hub) == ["generation_config.json"]  # the rest has the same blobs
    assert (cache / "models--org--llama/refs/main").read_text() == new.commit
    assert sorted(p.name for p in (cache / "models--org--llama/snapshots").iterdir()) == sorted([old.commit, new.commit])
    check_cache(cache)


def test_revisions(hub, loom, cache):
    repo = hub.add("org/llama", model_files("llama-base"), lfs=["model.safetensors"])
    repo.refs.update({"v1.0": repo.commit, "refs/pr/7": repo.commit})
    for rev in ("v1.0", "refs/pr/7", repo.commit):
        r = loom("pull", "org/llama@" + rev)
        assert r.returncode == 0, r.stderr
    refs = cache / "models--org--llama/refs"
    assert (refs / "v1.0").read_text() == (refs / "refs/pr/7").read_text() == repo.commit
    assert not (refs / repo.commit).exists() and not (refs / "main").exists()
    assert any("/revision/refs%2Fpr%2F7" in r[2] for r in hub.log)
    r = loom("pull", "org/llama@nope")
    assert r.returncode == 1 and 'has no revision "nope"' in r.stderr
    hub.log.clear()
    assert loom("plan", "org/llama@" + repo.commit).returncode == 0 and hub.log == []


def sharded():
    """llama-base with its tensors in two files."""
    from safetensors.numpy import load, save
    files = model_files("llama-base")
    tensors = load(files.pop("model.safetensors"))
    parts = [dict(list(tensors.items())[i::2]) for i in range(2)]
    where = {}
    for i, part in enumerate(parts):
        name = "model-%05d-of-00002.safetensors" % (i + 1)
        files[name] = save(part, {"format": "pt"})
        where.update({t: name for t in part})
    files["model.safetensors.index.json"] = json.dumps({"metadata": {}, "weight_map": where}).encode()
    return files


def test_shards(hub, loom, cache):
    files = sharded()
    hub.add("org/shards", files, lfs=[n for n in files if n.endswith(".safetensors")])
    hub.chunk, hub.together = 1 << 14, 2  # side by side: a shard comes only while the other does
    r = loom("embed", "org/shards", "-", "--pooling", "mean")
    assert r.returncode == 0, r.stderr
    assert set(names(hub)) == {"config.json", "tokenizer.json", "model.safetensors.index.json", *(n for n in files if n.startswith("model-"))}
    hub.chunk = hub.together = 0
    check_cache(cache)
    # one shard lost: the next use fetches that one again
    shard = snapshot(cache, "org/shards") / "model-00002-of-00002.safetensors"
    shard.resolve().unlink()
    hub.log.clear()
    assert loom("embed", "org/shards", "-").returncode == 0
    assert names(hub) == ["model-00002-of-00002.safetensors"]


def test_sentence_transformers(hub, loom, cache):
    files = {**model_files("bert"),
             "modules.json": json.dumps([{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
                                         {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
                                         {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}]).encode(),
             "1_Pooling/config.json": json.dumps({"word_embedding_dimension": 32, "pooling_mode_cls_token": True}).encode(),
             "sentence_bert_config.json": b'{"max_seq_length": 32}', "data_config.json": b"[]"}
    hub.add("org/st", files, lfs=["model.safetensors"])
    r = loom("probe", "org/st")
    assert r.returncode == 0 and "loader        sentence_transformers" in r.stdout, r.stdout + r.stderr
    assert "not here yet" in r.stdout
    assert "model.safetensors" not in names(hub)
    r = loom("embed", "org/st", "-")
    assert r.returncode == 0, r.stderr
    assert "1_Pooling/config.json" in names(hub) and "data_config.json" not in names(hub)
    hub.log.clear()
    assert loom("embed", "org/st", "-").returncode == 0 and hub.log == []
    assert os.readlink(snapshot(cache, "org/st") / "1_Pooling/config.json").startswith("../../../blobs/")
    check_cache(cache)


def test_what_a_module_lacks_is_asked_for_once(hub, loom, cache):
    files = {**model_files("bert"), "2_Dense/pytorch_model.bin": b"x", "2_Dense/config.json": b"{}",
             "modules.json": b'[{"path": "", "type": "a.Transformer"}, {"path": "1_P", "type": "a.Pooling"}, {"path": "2_Dense", "type": "a.Dense"}]'}
    hub.add("org/dense", files, lfs=["model.safetensors"])
    assert loom("pull", "org/dense").returncode == 0
    assert "2_Dense/pytorch_model.bin" not in names(hub) and "2_Dense/config.json" in names(hub)
    hub.log.clear()
    loom("embed", "org/dense", "-")
    assert hub.log == []


def test_the_transformer_in_a_folder_of_its_own(hub, loom, cache):
    files = {f"0_Transformer/{n}": data for n, data in model_files("bert").items()}
    files["modules.json"] = b'[{"path": "0_Transformer", "type": "a.Transformer"}, {"path": "1_Pooling", "type": "a.Pooling"}]'
    files["1_Pooling/config.json"] = b'{"pooling_mode_cls_token": true}'
    hub.add("org/older", files, lfs=["0_Transformer/model.safetensors"])
    r = loom("probe", "org/older")
    assert r.returncode == 0 and "loader        sentence_transformers" in r.stdout and "not here yet" in r.stdout, r.stdout + r.stderr
    r = loom("embed", "org/older", "-")
    assert r.returncode == 0, r.stderr
    hub.log.clear()
    assert loom("embed", "org/older", "-").returncode == 0 and hub.log == []
    check_cache(cache)


def test_a_table_of_words(hub, loom, cache):
    root = MODELS.parent / "st" / "static"
    hub.add("org/static", {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}, lfs=["model.safetensors"])
    assert loom("pull", "org/static").returncode == 0
    hub.log.clear()
    r = loom("embed", "org/static", "-")
    assert r.returncode == 0 and hub.log == [], r.stderr
    check_cache(cache)


def test_gguf(hub, loom, cache):
    hub.add("org/one", {"x.Q8_0.gguf": b"GGUF" + bytes(50), "README.md": b""}, lfs=["x.Q8_0.gguf"])
    r = loom("probe", "org/one")
    assert "gguf                   yes" in r.stdout, r.stdout + r.stderr
    assert loom("pull", "org/one").returncode == 0
    assert names(hub) == ["x.Q8_0.gguf"]
    hub.add("org/many", {"x.Q8_0.gguf": b"GGUF8", "x.Q4_0.gguf": b"GGUF4"}, lfs=["x.Q8_0.gguf", "x.Q4_0.gguf"])
    r = loom("pull", "org/many")
    assert r.returncode == 1 and "holds 2 GGUF files: choose one, as `loom pull org/many" in r.stderr
    r = loom("pull", "org/many", "x.Q4_0.gguf")
    assert r.returncode == 0 and open(r.stdout.strip(), "rb").read() == b"GGUF4"


def test_weights_that_are_not_read(hub, loom, cache):
    config = {"config.json": b"{}"}
    for name, words in {"pytorch_model.bin": "only as a pickle (pytorch_model.bin)", "tf_model.h5": "what it has is tf_model.h5",
                        "adapter_model.safetensors": "is an adapter", "README.md": "has no model.safetensors"}.items():
        hub.add("org/x", {**config, name: b"x"}, lfs=[name])
        hub.log.clear()
        r = loom("pull", "org/x")
        assert r.returncode == 1 and words in r.stderr, r.stderr
        assert names(hub) == []


def test_private_gated_missing(hub, loom, env, tmp_path):
    hub.add("org/secret", model_files("llama-base"), lfs=["model.safetensors"])
    hub.private.add("org/secret")
    r = loom("pull", "org/secret")
    assert r.returncode == 1 and 'no model "org/secret" on 127.0.0.1' in r.stderr and "set HF_TOKEN" in r.stderr
    r = loom("pull", "org/secret", HF_TOKEN="hf_wrong")
    assert r.returncode == 1 and "does not know the token" in r.stderr and "hf_wrong" not in r.stderr
    (tmp_path / "hf").mkdir(exist_ok=True)
    for where in (dict(HF_TOKEN="hf_test"), dict(HUGGING_FACE_HUB_TOKEN=" hf_test\n"), dict(file=tmp_path / "hf/token"),
                  dict(file=tmp_path / "mine", HF_TOKEN_PATH=str(tmp_path / "mine"))):
        path = where.pop("file", None)
        if path:
            path.write_text("hf_test\n")
        hub.log.clear()
        r = loom("pull", "org/secret", "config.json", **where)
        assert r.returncode == 0, r.stderr
        (tmp_path / "hf/token").unlink(missing_ok=True)
        assert {r[3].get("Authorization") for r in hub.requests("hub")} == {"Bearer hf_test"}
    r = loom("pull", "org/secret", HF_TOKEN="hf_test", HF_HUB_DISABLE_IMPLICIT_TOKEN="1")
    assert r.returncode == 1
    r = loom("pull", "org/secret", HF_TOKEN="hf test")
    assert r.returncode == 1 and "HF_TOKEN holds something that is no token" in r.stderr and "hf test" not in r.stderr
    hub.private.clear()
    hub.gated.add("org/secret")
    r = loom("pull", "org/secret", "model.safetensors")
    assert r.returncode == 1 and "is gated: accept its terms at " + hub.url + "/org/secret" in r.stderr and "none is set" in r.stderr
    r = loom("pull", "org/secret", "model.safetensors", HF_TOKEN="hf_test")
    assert "the one in use has no access" in r.stderr


def test_the_token_stays_at_the_hub(hub, loom):
    hub.add("org/llama", model_files("llama-base"), lfs=["model.safetensors"])
    r = loom("pull", "org/llama", HF_TOKEN="hf_test")
    assert r.returncode == 0, r.stderr
    assert len(hub.requests("store")) == 1
    for r in hub.requests("hub"):
        assert r[3]["Authorization"] == "Bearer hf_test"
        assert r[3]["Accept-Encoding"] == "identity" and r[3]["User-Agent"].startswith("loom/")
    for r in hub.requests("store"):
        assert "Authorization" not in r[3] and "hf_test" not in str(r)


def test_offline(hub, loom, cache):
    hub.add("org/llama", model_files("llama-base"), lfs=["model.safetensors"])
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        r = loom("embed", "org/llama", "-", **{name: "1"})
        assert r.returncode == 1 and "not in the Hugging Face cache, and HF_HUB_OFFLINE is set" in r.stderr
        assert loom("pull", "org/llama", **{name: "1"}).returncode == 1
    assert hub.log == [] and not cache.exists()
    assert loom("probe", "org/llama").returncode == 0
    r = loom("embed", "org/llama", "-", HF_HUB_OFFLINE="1")
    assert r.returncode == 1 and "is not complete in the Hugging Face cache" in r.stderr


def test_offline_opens_no_connection(hub, loom, tmp_path):
    """Proven below the library: connect() and getaddrinfo() that leave a mark."""
    (tmp_path / "f.c").write_text('''#include <fcntl.h>
#include <stdlib.h>
static int mark(void) { return open(getenv("MARK"), O_CREAT | O_WRONLY, 0600); }
int connect(int fd, const void *a, unsigned n) { (void)fd; (void)a; (void)n; mark(); return -1; }
int getaddrinfo(const char *a, const char *b, const void *c, void *d) { (void)a; (void)b; (void)c; (void)d; mark(); return -2; }
''')
    subprocess.run(["cc", "-shared", "-fPIC", "-o", tmp_path / "f.so", tmp_path / "f.c"], check=True)
    more = dict(LD_PRELOAD=str(tmp_path / "f.so"), MARK=str(tmp_path / "mark"), ASAN_OPTIONS="verify_asan_link_order=0")
    for command in (["pull", "org/llama"], ["probe", "org/llama"], ["embed", "org/llama", "-"]):
        assert loom(*command, HF_HUB_OFFLINE="1", **more).returncode == 1
        assert not (tmp_path / "mark").exists()
    assert loom("pull", "org/llama", **more).returncode == 1
    assert (tmp_path / "mark").exists()  # so the mark works


def test_a_bar_on_a_terminal(hub, loom_bin, env):
    hub.add("org/llama", model_files("llama-base"), lfs=["model.safetensors"])
    hub.chunk, hub.pause = 1 << 15, 0.05
    env = {k: v for k, v in env.items() if k != "HF_HUB_DISABLE_PROGRESS_BARS"}
    main, side = os.openpty()
    p = subprocess.Popen([loom_bin, "pull", "org/llama"], env=env, stdout=subprocess.DEVNULL, stderr=side)
    os.close(side)
    shown = b""
    try:
        while part := os.read(main, 4096):
            shown += part
    except OSError:
        pass  # the other end is closed
    os.close(main)
    assert p.wait(300) == 0
    assert shown.count(b"\r[") > 3 and b"3 of 3 files" in shown and shown.endswith(b"\r\n") and b"fetched" not in shown, shown


def test_no_room_on_the_disk(hub, loom, cache):
    hub.add("org/llama", model_files("llama-base"), lfs=["model.safetensors"])
    r = loom("pull", "org/llama", LOOM_DISK_FREE_BYTES="67150000")
    assert r.returncode == 1 and "MB more in the Hugging Face cache" in r.stderr and "make room" in r.stderr
    assert not any(r[2].endswith("model.safetensors") for r in hub.requests("hub", "GET"))
    assert not leftovers(cache)
    check_cache(cache)


@pytest.fixture
def serve(loom_bin, env, new_server):
    """A server in the hub's environment."""
    started = []
    old = dict(os.environ)

    def start(*args, **more):
        os.environ.clear()
        os.environ.update({**env, **more})
        try:
            started.append(new_server("--log-level", "info", *args))
        finally:
            os.environ.clear()
            os.environ.update(old)
        return started[-1]
    yield start
    for s in started:
        assert s.stop() == 0


def test_first_use_by_many_is_one_download(hub, serve, cache):
    hub.add("org/llama", model_files("llama-gqa"), lfs=["model.safetensors"])
    s = serve()
    answers = []

    def ask():
        with httpx.Client(base_url=s.url, timeout=600) as c:
            answers.append(c.post("/generate", json={"model": "org/llama", "prompt": "ab", "max_tokens": 2, "temperature": 0}))
    threads = [threading.Thread(target=ask) for _ in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert [a.status_code for a in answers] == [200] * 8, answers[0].text
    assert len({a.json()["text"] for a in answers}) == 1
    assert names(hub).count("model.safetensors") == 1
    check_cache(cache)


def test_the_server_says_what_is_wrong(hub, serve):
    hub.add("org/gated", model_files("llama-base"), lfs=["model.safetensors"])
    hub.gated.add("org/gated")
    hub.add("org/pickle", {"config.json": b"{}", "pytorch_model.bin": b"x"})
    hub.add("org/llama", model_files("llama-base"), lfs=["model.safetensors"])
    s = serve()
    for model, status, code in (("org/gated", 403, "gated_model"), ("org/none", 404, "model_not_found"), ("org/pickle", 422, "unsupported_weights"),
                                ("org/llama@v9", 404, "revision_not_found")):
        r = s.client.post("/models/load", json={"model": model})
        assert r.status_code == status and r.json()["error"]["code"] == code, r.text
    hub.faults["api"], hub.sticky = [("status", 500)], {"api"}
    r = s.client.post("/models/load", json={"model": "org/llama"})
    assert r.status_code == 502, r.text
    hub.faults["api"] = [("429", 1000)]
    r = s.client.post("/models/load", json={"model": "org/llama"})
    assert r.status_code == 503 and r.json()["error"]["code"] == "hub_rate_limited" and "1000 s" in r.json()["detail"]
    hub.faults.clear()
    r = s.client.post("/models/load", json={"model": "org/llama"})
    assert r.status_code == 200, r.text


def test_probe_over_http_asks_for_small_files_only(hub, serve):
    hub.add("org/llama", {**model_files("llama-base"), "generation_config.json": b"{}"}, lfs=["model.safetensors"])
    s = serve()
    for path in ("org%2Fllama", "org--llama", "org/llama"):
        r = s.client.get("/loaders/probe/" + path)
        assert r.status_code == 200 and r.json()["selected_loader"] == "transformers", r.text
        assert "not here yet" in r.json()["reasons"]["transformers"]
    assert names(hub) == ["config.json", "generation_config.json", "tokenizer.json"]
    assert s.client.get("/loaders/probe/org--none").status_code == 404
