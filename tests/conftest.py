"""A Loom server on a free port of the loopback, and the tiny models, for tests/api and tests/cli."""
import os
import re
import subprocess
import time
from pathlib import Path

import httpx
import numpy as np
import pytest
from safetensors.numpy import load, load_file

os.environ["HF_HUB_OFFLINE"] = os.environ["TRANSFORMERS_OFFLINE"] = "1"  # no test asks the real hub
ROOT = Path(__file__).resolve().parent.parent
BIN = os.environ.get("LOOM_BIN", str(ROOT / os.environ.get("BUILD", "build") / "loom"))
MODELS = ROOT / "tests/models"


class Server:
    def __init__(self, *args):
        self.p = subprocess.Popen([BIN, "serve", "--host", "127.0.0.1", "--port", "0", "--device", "cpu", *args], stderr=subprocess.PIPE, text=True)
        for line in self.p.stderr:
            m = re.search(r"listening on (http://\S+)", line)
            if m:
                self.url = m.group(1)
                break
        else:
            raise RuntimeError("the server did not start")
        self.port = int(self.url.rsplit(":", 1)[1])
        self.client = httpx.Client(base_url=self.url, timeout=600)

    def stop(self):
        self.client.close()
        self.p.terminate()
        self.p.stderr.close()
        return self.p.wait(300)


@pytest.fixture(scope="session")
def server():
    s = Server("--log-level", "error", "--max-models", "30")
    yield s
    assert s.stop() == 0


@pytest.fixture(scope="session")
def new_server():
    return Server


@pytest.fixture
def post(server):
    def call(route, **body):
        return server.client.post(route, json=body)
    return call


@pytest.fixture(scope="session")
def loom_bin():
    return BIN


@pytest.fixture(scope="session")
def tiny():
    return lambda name: str(MODELS / name)


@pytest.fixture(scope="session")
def expected():
    return lambda name: load_file(MODELS / name / "expected.safetensors")


def tensors(response):
    assert response.status_code == 200, response.text
    return load(response.content)
