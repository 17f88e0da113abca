"""What the hub's tests share: a hub of our own, an empty cache, loom told to use both; repos made of the tiny models; and the rules
that a cache must keep at every moment. (Not a conftest: the tests beside these import theirs by that name.)"""
import hashlib
import os
import subprocess
from pathlib import Path

import pytest
from fakehub import Hub

MODELS = Path(__file__).resolve().parent.parent / "models"


@pytest.fixture(scope="session")
def hub_server():
    h = Hub()
    yield h
    h.stop()


@pytest.fixture
def hub(hub_server):
    hub_server.reset()
    return hub_server


@pytest.fixture
def env(hub, tmp_path):
    """The environment of a client of that hub, with a home and a cache of its own."""
    e = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "LOOM_")) and
         k.lower() not in ("http_proxy", "https_proxy", "all_proxy", "transformers_offline")}
    e.update(HF_ENDPOINT=hub.url, HF_HOME=str(tmp_path / "hf"), HOME=str(tmp_path), HF_HUB_DISABLE_TELEMETRY="1", HF_HUB_DISABLE_XET="1",
             HF_HUB_DISABLE_PROGRESS_BARS="1", HF_HUB_DISABLE_UPDATE_CHECK="1", LOOM_HUB_RETRY_MS="5", HF_HUB_ETAG_TIMEOUT="120",
             HF_HUB_DOWNLOAD_TIMEOUT="120")
    return e


@pytest.fixture
def loom(loom_bin, env):
    def run(*args, timeout=600, **more):
        return subprocess.run([loom_bin, *args], env={**env, **more}, capture_output=True, text=True, timeout=timeout)
    return run


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "hf/hub"


def model_files(name):
    """A tiny model of tests/models as the files of a repo."""
    root = MODELS / name
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file() and p.name != "expected.safetensors"}


def check_cache(root):
    """Every name in the cache stands for what it says: blobs have their hash, links lead to blobs, refs to snapshots."""
    for blob in root.glob("models--*/blobs/*"):
        if blob.name.endswith(".incomplete"):
            continue
        data = blob.read_bytes()
        found = hashlib.sha256(data).hexdigest() if len(blob.name) == 64 else hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        assert found == blob.name, blob
    for link in root.glob("models--*/snapshots/**/*"):
        if not link.is_dir():
            assert link.is_symlink() and link.exists() and not os.path.isabs(os.readlink(link)), link
            assert link.resolve().parent.name == "blobs"
    for ref in root.glob("models--*/refs/**/*"):
        if ref.is_file():
            assert (ref.parents[1 if ref.parent.name == "refs" else 2] / "snapshots" / ref.read_text()).is_dir(), ref


def leftovers(root):
    return [p for p in root.rglob("*") if p.name.endswith((".incomplete", ".tmp"))]
