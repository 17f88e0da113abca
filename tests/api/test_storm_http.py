"""Many clients over HTTP load, use and unload five models where two may be in memory; and the soak script, for a moment."""
import hashlib
import json
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx

from test_http import until

ROOT = Path(__file__).resolve().parents[2]
NAMES = ["llama-gqa", "gpt2", "qwen2", "mistral", "qwen3"]
SECONDS = float(os.environ.get("LOOM_STORM_SECONDS", "4"))


def test_64_clients_5_models_room_for_2(new_server, tiny):
    body = lambda name: dict(model=tiny(name), prompt="Hello", max_tokens=3, temperature=0, hidden_state_layers="all", hidden_state_format="base64")
    digest = lambda r: hashlib.sha256(json.dumps([r["token_ids"], {k: v["data"] for k, v in r["hidden_states"].items()}]).encode()).hexdigest()
    s = new_server("--log-level", "error", "--max-models", "5")
    right = {n: digest(s.client.post("/generate", json=body(n)).json()) for n in NAMES}
    assert s.stop() == 0 and len(set(right.values())) == 5
    s = new_server("--log-level", "error", "--max-models", "2", "--drain-seconds", "1")
    over, wrong, counts, lock = threading.Event(), [], {}, threading.Lock()

    def client(seed):
        rng = random.Random(seed)
        with httpx.Client(base_url=s.url, timeout=600) as c:
            while not over.is_set():
                n, dice = rng.choice(NAMES), rng.random()
                if dice < 0.8:
                    r = c.post("/generate", json=body(n))
                    if r.status_code == 200 and digest(r.json()) != right[n]:
                        wrong.append(n)
                    documented = (200, 429, 503)
                elif dice < 0.9:
                    r = c.post("/models/load", json=dict(model=tiny(n), **rng.choice([{}, dict(dtype="float32"), dict(loader="transformers")])))
                    documented = (200, 503)
                else:
                    r = c.delete("/models/" + tiny(n))
                    documented = (200, 404, 409)
                with lock:
                    counts[r.status_code] = counts.get(r.status_code, 0) + 1
                if r.status_code not in documented:
                    wrong.append(f"{r.status_code} {r.text[:200]}")
                if rng.random() < 0.05 and sum(m["state"] == "ready" for m in c.get("/models").json()["loaded_models"]) > 2:
                    wrong.append("more than two models")
    threads = [threading.Thread(target=client, args=(i,)) for i in range(64)]
    for t in threads:
        t.start()
    time.sleep(SECONDS)
    until(lambda: counts.get(200, 0) > 20, 600)
    over.set()
    for t in threads:
        t.join(600)
        assert not t.is_alive(), "a client waits for ever"
    assert not wrong, wrong[:5]
    assert s.client.get("/health").json()["status"] == "healthy"
    assert s.stop() == 0


def test_the_soak_script(loom_bin):
    r = subprocess.run([sys.executable, str(ROOT / "tests/soak/soak.py"), "--requests", "300", "--bin", loom_bin], capture_output=True, text=True, timeout=1200)
    assert r.returncode == 0, r.stdout + r.stderr
