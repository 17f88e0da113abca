"""kill -9 at random moments of a download, 50 times: the next start goes on where it was, and the cache is never wrong."""
import math
import os
import random
import signal
import subprocess
import time

from hubcases import cache, check_cache, env, hub, hub_server, loom, model_files  # noqa: F401 (fixtures)

KILLS = 50
SHARDS = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]


def new_commit(hub, number):
    """The same repo with other weights: two shards, so that two files come at a time."""
    index = b'{"weight_map": {"a": "%s", "b": "%s"}}' % tuple(s.encode() for s in SHARDS)
    files = {k: v for k, v in model_files("llama-base").items() if k != "model.safetensors"}
    files.update({"model.safetensors.index.json": index, "vocab.txt": b"%d" % number, **{s: random.randbytes(50_000) for s in SHARDS}})
    return hub.add("org/llama", files, lfs=SHARDS)


def check_names(folder, commits):
    """Every ref stands for a whole snapshot, every snapshot's files are those of its commit."""
    for ref in (folder / "refs").glob("*"):
        repo = commits[ref.read_text()]
        snapshot = folder / "snapshots" / repo.commit
        assert {str(p.relative_to(snapshot)) for p in snapshot.rglob("*")} == set(repo.files)
    for snapshot in (folder / "snapshots").glob("*"):
        for p in snapshot.rglob("*"):
            assert p.read_bytes() == commits[snapshot.name].files[str(p.relative_to(snapshot))]


def test_killed_at_any_moment(hub, loom, loom_bin, env, cache):
    random.seed(os.environ.get("LOOM_TEST_SEED", "kill"))
    folder = cache / "models--org--llama"
    commits, killed = {}, 0
    hub.chunk = 1 << 12
    repo = new_commit(hub, 0)
    commits[repo.commit] = repo
    assert loom("pull", "org/llama").returncode == 0
    whole = hub.n_chunk  # pieces of a whole download: the moments are counted in those, which no busy machine moves
    repo = new_commit(hub, n_commit := 1)
    commits[repo.commit] = repo
    while killed < KILLS:
        until = hub.allow(random.randrange(1, whole))
        p = subprocess.Popen([loom_bin, "pull", "org/llama"], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while p.poll() is None and hub.n_chunk < until:
            time.sleep(0.001)
        time.sleep(random.uniform(0, 0.004))
        if p.poll() is None:
            p.send_signal(signal.SIGKILL)
            p.wait()
            killed += 1
        else:
            assert p.returncode == 0
            n_commit += 1
            repo = new_commit(hub, n_commit)
            commits[repo.commit] = repo
        check_cache(cache)
        check_names(folder, commits)
    resumed = [r for r in hub.requests("store") if "Range" in r[3]]
    assert len(resumed) > KILLS // 4
    hub.chunk = 0
    hub.allow(math.inf)
    assert loom("pull", "org/llama").returncode == 0
    assert (folder / "refs/main").read_text() == repo.commit
    check_cache(cache)
    check_names(folder, commits)


def test_a_server_that_ends_stops_its_download(hub, loom_bin, env, cache, new_server):
    """SIGTERM while a model is being fetched: the request gets its answer, the process ends in time, the next one goes on."""
    import threading

    import httpx
    hub.add("org/llama", model_files("llama-base"), lfs=["model.safetensors"])
    hub.faults["store"] = [("stall", 900)]  # half of the weights, and then nothing
    old = dict(os.environ)
    os.environ.clear()
    os.environ.update(env)
    try:
        s = new_server("--log-level", "info")
    finally:
        os.environ.clear()
        os.environ.update(old)
    answers = []
    t = threading.Thread(target=lambda: answers.append(httpx.post(s.url + "/models/load", json={"model": "org/llama"}, timeout=600)))
    t.start()
    while True:
        seen = httpx.get(s.url + "/models", timeout=600).json()["loaded_models"]
        assert not seen or seen[0]["state"] == "loading", seen
        if any(p.stat().st_size > 0 for p in cache.rglob("*.incomplete")) and seen[0]["phase"] == "downloading" and 0 < seen[0]["progress"] < 1:
            break
        time.sleep(0.02)
    assert s.stop() == 0
    t.join()
    assert answers[0].status_code == 503, answers[0].text
    check_cache(cache)
    r = subprocess.run([loom_bin, "pull", "org/llama"], env=env, capture_output=True, text=True)
    assert r.returncode == 0
    assert hub.requests("store")[-1][3].get("Range")
