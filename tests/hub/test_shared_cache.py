"""One cache for Loom and for huggingface_hub: what either writes the other finds, also while both write."""
import os
import stat
import subprocess
import sys

from hubcases import cache, check_cache, env, hub, hub_server, leftovers, loom, model_files  # noqa: F401 (fixtures)

PYTHON = sys.executable


def python(env, code, *args):
    r = subprocess.run([PYTHON, "-c", code, *args], env=env, capture_output=True, text=True, timeout=600)
    assert r.returncode == 0, r.stderr
    return r.stdout.strip()


def tree(root):
    """Everything below root: kind, mode, content or target."""
    found = {}
    for p in sorted(root.rglob("*")):
        st = p.lstat()
        kind = "link" if stat.S_ISLNK(st.st_mode) else "dir" if stat.S_ISDIR(st.st_mode) else "file"
        found[str(p.relative_to(root))] = (kind, oct(stat.S_IMODE(st.st_mode)),
                                           os.readlink(p) if kind == "link" else p.read_bytes() if kind == "file" else None)
    return found


FETCH_EACH = """
import sys, huggingface_hub as h
for name in sys.argv[2:]:
    h.hf_hub_download(sys.argv[1], name)
"""


def test_the_same_bytes_under_the_same_names(hub, loom, env, tmp_path):
    files = {**model_files("llama-base"), "1_Pooling/config.json": b"{}", "README.md": b"hello"}
    hub.add("org/llama", files, lfs=["model.safetensors"])
    wanted = ["config.json", "tokenizer.json", "1_Pooling/config.json", "model.safetensors"]
    assert loom("pull", "org/llama", *wanted, HF_HUB_CACHE=str(tmp_path / "ours")).returncode == 0
    python({**env, "HF_HUB_CACHE": str(tmp_path / "theirs")}, FETCH_EACH, "org/llama", *wanted)
    assert tree(tmp_path / "ours") == tree(tmp_path / "theirs")


def test_the_same_note_of_what_is_absent(hub, loom, env, tmp_path):
    hub.add("org/llama", model_files("llama-base"), lfs=["model.safetensors"])
    assert loom("pull", "org/llama", HF_HUB_CACHE=str(tmp_path / "ours")).returncode == 0
    python({**env, "HF_HUB_CACHE": str(tmp_path / "theirs")}, """
import huggingface_hub as h
try:
    h.hf_hub_download("org/llama", "generation_config.json")
except h.errors.EntryNotFoundError:
    pass
""")
    ours, theirs = tree(tmp_path / "ours"), tree(tmp_path / "theirs")
    for name, value in theirs.items():
        assert ours[name] == value, name
    assert any(".no_exist" in n for n in theirs)


def test_python_finds_what_loom_fetched(hub, loom, env, cache):
    hub.add("org/llama", model_files("llama-base"), lfs=["model.safetensors"])
    r = loom("pull", "org/llama")
    assert r.returncode == 0, r.stderr
    out = python({**env, "HF_HUB_OFFLINE": "1"}, """
import huggingface_hub as h
print(h.snapshot_download("org/llama", local_files_only=True))
print(h.try_to_load_from_cache("org/llama", "model.safetensors"))
print(h.hf_hub_download("org/llama", "config.json", local_files_only=True))
assert h.try_to_load_from_cache("org/llama", "modules.json") is h._CACHED_NO_EXIST
info = h.scan_cache_dir()
assert not info.warnings, info.warnings
print([r.repo_id for r in info.repos])
""").split("\n")
    path = r.stdout.strip()
    assert out == [path, path + "/model.safetensors", path + "/config.json", "['org/llama']"]
    python(env, """
import huggingface_hub as h
v = h.HfApi().verify_repo_checksums("org/llama")
assert v.checked_count == 3 and not v.mismatches and not v.extra_paths and not v.missing_paths, v
""")
    hub.log.clear()
    python(env, FETCH_EACH, "org/llama", "config.json", "model.safetensors")
    assert not hub.requests(method="GET")  # asked for the etags, found the blobs


def test_loom_loads_what_python_fetched(hub, loom, env, cache):
    hub.add("org/llama", {**model_files("llama-gqa"), "README.md": b"hello"}, lfs=["model.safetensors"])
    python(env, "import huggingface_hub as h; h.snapshot_download('org/llama')")
    hub.log.clear()
    r = loom("generate", "org/llama", "--prompt", "ab", "--max-tokens", "2")
    assert r.returncode == 0, r.stderr
    assert hub.log == []  # trees/ says that nothing is missing


def test_loom_completes_what_python_began(hub, loom, env, cache):
    hub.add("org/llama", {**model_files("llama-gqa"), "generation_config.json": b"{}"}, lfs=["model.safetensors"])
    python(env, FETCH_EACH, "org/llama", "config.json", "model.safetensors", "tokenizer.json")
    hub.log.clear()
    # the hub is away: what is there must do
    r = loom("generate", "org/llama", "--prompt", "ab", "--max-tokens", "2", HF_ENDPOINT="http://127.0.0.1:1")
    assert r.returncode == 0, r.stderr
    r = loom("generate", "org/llama", "--prompt", "ab", "--max-tokens", "2", HF_HUB_OFFLINE="1")
    assert r.returncode == 0 and hub.log == []
    # so it must when the repo is gone, or is no longer for us
    gone, hub.repos = hub.repos, {}
    assert loom("generate", "org/llama", "--prompt", "ab", "--max-tokens", "2").returncode == 0
    hub.repos = gone
    hub.gated.add("org/llama")
    assert loom("generate", "org/llama", "--prompt", "ab", "--max-tokens", "2").returncode == 0
    hub.gated.clear()
    # but not when what answers is no hub
    hub.faults["api"] = [("body", b"<html>")]
    r = loom("generate", "org/llama", "--prompt", "ab", "--max-tokens", "2")
    assert r.returncode == 1 and "the hub's answer" in r.stderr
    hub.log.clear()
    r = loom("generate", "org/llama", "--prompt", "ab", "--max-tokens", "2")
    assert r.returncode == 0, r.stderr
    assert [r[2].rsplit("/", 1)[1] for r in hub.requests("hub", "GET") if "resolve" in r[2]] == ["generation_config.json"]
    hub.log.clear()
    assert loom("generate", "org/llama", "--prompt", "ab", "--max-tokens", "2").returncode == 0
    assert hub.log == []
    check_cache(cache)


def test_both_at_once(hub, loom_bin, env, cache):
    files = {**model_files("llama-base"), "model.safetensors": os.urandom(1 << 20), "vocab.txt": os.urandom(60000)}
    hub.add("org/llama", files, lfs=["model.safetensors"])
    hub.chunk, hub.pause = 1 << 16, 0.02
    code = "import huggingface_hub as h; h.snapshot_download('org/llama')"
    runs = [subprocess.Popen(c, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            for c in ([PYTHON, "-c", code], [loom_bin, "pull", "org/llama"], [loom_bin, "pull", "org/llama"], [PYTHON, "-c", code])]
    for p in runs:
        _, err = p.communicate(timeout=600)
        assert p.returncode == 0, err
    bodies = [r for r in hub.requests("store", "GET")]
    assert len(bodies) == 1  # the lock made one of them fetch and three wait
    check_cache(cache)
    assert not leftovers(cache)


def test_a_python_lock_is_waited_for(hub, loom_bin, env, cache):
    """The lock file is the same, and so is the way of locking it."""
    import hashlib
    files = model_files("llama-base")
    hub.add("org/llama", files, lfs=["model.safetensors"])
    lock = cache / ".locks/models--org--llama" / (hashlib.sha256(files["model.safetensors"]).hexdigest() + ".lock")
    lock.parent.mkdir(parents=True)
    holder = subprocess.Popen([PYTHON, "-c", "import sys, filelock\nwith filelock.FileLock(sys.argv[1]):\n print('held', flush=True)\n sys.stdin.read()",
                               str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    p = subprocess.Popen([loom_bin, "pull", "org/llama"], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        p.wait(0.7)
        raise AssertionError("the lock was not honoured")
    except subprocess.TimeoutExpired:
        assert not hub.requests("store")
    holder.communicate()
    assert p.wait(300) == 0
    check_cache(cache)
