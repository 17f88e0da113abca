#!/usr/bin/env python3
"""Checks docker/Dockerfile on a machine without a Docker engine: its instructions are carried out one by one in fresh root file systems
(debootstrap for the Debian base, chroot for RUN), then the container's command is started in the result as its user, asked for its health
by the HEALTHCHECK, asked for a model, and the image is weighed.

usage: docker/check.py [--target cpu] [--keep]     (as root; needs debootstrap; the CUDA base is not a Debian release: only cpu works)
"""
import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIMIT_MB = 150
SLIM = ["/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*", "/usr/share/lintian/*", "/usr/share/linda/*",
        "/usr/share/groff/*"]


def instructions(text):
    """(word, argument) of each instruction, lines joined, comments left out."""
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.M)
    for line in re.sub(r"\\\n", " ", text).splitlines():
        if line.strip():
            word, _, rest = line.strip().partition(" ")
            yield word.upper(), rest.strip()


def base(image, root):
    """What docker pull would bring: for debian:RELEASE-slim, a minimal debootstrap without the documentation that the slim images leave out."""
    m = re.fullmatch(r"debian:([a-z]+)-slim", image)
    if not m:
        sys.exit(f"check: {image} can only be pulled, and there is no Docker engine here")
    mirror = []
    for line in Path("/etc/apt/sources.list").read_text().splitlines() if Path("/etc/apt/sources.list").exists() else []:
        if line.startswith("deb "):
            mirror = [re.sub(r"^deb (\[.*?\] )?", "", line).split()[0]]
            break
    (root / "etc/dpkg/dpkg.cfg.d").mkdir(parents=True)
    (root / "etc/dpkg/dpkg.cfg.d/docker").write_text("".join(f"path-exclude {p}\n" for p in SLIM) + "path-include /usr/share/doc/*/copyright\n")
    subprocess.run(["debootstrap", "--variant=minbase", m[1], str(root), *mirror], check=True, stdout=subprocess.DEVNULL)
    for pattern in SLIM:
        for p in root.glob(pattern.lstrip("/")):
            shutil.rmtree(p) if p.is_dir() and not p.is_symlink() else p.unlink()
    for p in [*root.glob("var/lib/apt/lists/*"), *root.glob("var/cache/apt/archives/*.deb"), *root.glob("var/log/*.log"), *root.glob("var/cache/apt/*.bin")]:
        shutil.rmtree(p) if p.is_dir() else p.unlink()
    apt = Path("/etc/apt")  # how this machine reaches the archive
    if any((apt / "sources.list.d").glob("*.sources")):
        (root / "etc/apt/sources.list").unlink(missing_ok=True)
    for name in ("sources.list", "sources.list.d", "apt.conf", "apt.conf.d", "trusted.gpg.d"):
        if (apt / name).is_dir():
            shutil.copytree(apt / name, root / "etc/apt" / name, dirs_exist_ok=True)
        elif (apt / name).exists():
            shutil.copy(apt / name, root / "etc/apt" / name)
    return root


class Stage:
    def __init__(self, root):
        self.root, self.env, self.user, self.dir = root, {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, None, "/"
        self.entry, self.cmd, self.health, self.volumes = [], [], [], []

    def command(self, args, user=True):
        spec = ["--userspec=" + self.user] if user and self.user else []
        return ["chroot", *spec, str(self.root), "/usr/bin/env", "-i", *(f"{k}={v}" for k, v in self.env.items()), "/bin/sh", "-c",
                f"cd {shlex.quote(self.dir)} && exec {shlex.join(args)}"]

    def run(self, args):
        proxies = {k: v for k, v in os.environ.items() if k.lower() in ("http_proxy", "https_proxy", "no_proxy")}
        self.env.update(proxies)
        subprocess.run(self.command(args), check=True)
        for k in proxies:
            del self.env[k]


def mounts(root, on):
    """/proc, and the files that name resolution needs. debootstrap has made the devices."""
    if on:
        subprocess.run(["mount", "-t", "proc", "proc", str(root / "proc")], check=True)
        for name in ("resolv.conf", "hosts"):
            shutil.copy("/etc/" + name, root / "etc" / name)
    elif os.path.ismount(root / "proc"):
        subprocess.run(["umount", "-l", str(root / "proc")], check=True)


def copy(stages, stage, rest):
    words = shlex.split(rest)
    source = ROOT
    if words[0].startswith("--from="):
        source = stages[words.pop(0).split("=")[1]].root
    *names, target = words
    for name in names:
        p, to = source / name.lstrip("/"), stage.root / target.lstrip("/")
        if name == ".":
            ignored = [line for line in (ROOT / ".dockerignore").read_text().split() if line]
            subprocess.run(["rsync", "-a", *("--exclude=/" + i for i in ignored), f"{p}/", f"{to}/"], check=True) if shutil.which("rsync") else \
                shutil.copytree(p, to, dirs_exist_ok=True, symlinks=True, ignore=lambda d, ns: shutil.ignore_patterns(*ignored)(d, ns) if Path(d) == ROOT else [])
        elif p.is_dir():
            shutil.copytree(p, to, dirs_exist_ok=True, symlinks=True)
        else:
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(p, to)


def build(target, work):
    args, stages, stage, current = {}, {}, None, None
    text = (ROOT / "docker/Dockerfile").read_text()
    lines = list(instructions(text))
    needed = {target} | {rest.split()[0].split("=")[1] for name, block in blocks(lines) if name == target for word, rest in block
                         if word == "COPY" and rest.startswith("--from=")}
    base_of = {}
    for word, rest in lines:
        if word == "ARG":
            name, _, value = rest.partition("=")
            args[name] = value
            continue
        if word == "FROM":
            image, name = re.fullmatch(r"(\S+) AS (\S+)", rest).groups()
            image = re.sub(r"\$\{(\w+)\}", lambda m: args[m[1]], image)
            current = name
            stage = None
            if name in needed:
                root = work / name
                if image not in base_of:
                    base_of[image] = base(image, work / ("base-" + re.sub(r"\W", "-", image)))
                subprocess.run(["cp", "-a", str(base_of[image]), str(root)], check=True)
                mounts(root, True)
                stage = stages[name] = Stage(root)
                print(f"check: stage {name} from {image}", flush=True)
            continue
        if stage is None:
            continue
        start = time.monotonic()
        if word == "COPY":
            copy(stages, stage, rest)
        elif word == "RUN":
            stage.run(shlex.split(rest))
            print(f"check: RUN {rest}: {time.monotonic() - start:.0f} s", flush=True)
        elif word == "ENV":
            stage.env.update(dict(w.split("=", 1) for w in shlex.split(rest)))
        elif word == "WORKDIR":
            stage.dir = rest
            (stage.root / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
        elif word == "USER":
            stage.user = rest
        elif word == "VOLUME":
            stage.volumes.append(rest)
        elif word == "HEALTHCHECK":
            stage.health = json.loads(rest[rest.index("CMD") + 3:])
        elif word == "ENTRYPOINT":
            stage.entry = json.loads(rest)
        elif word == "CMD":
            stage.cmd = json.loads(rest)
        elif word != "EXPOSE":
            sys.exit(f"check: {word}: an instruction that this script does not know")
    return stages


def blocks(lines):
    name, block = None, []
    for word, rest in [*lines, ("FROM", "x AS x")]:
        if word == "FROM":
            if name:
                yield name, block
            name, block = rest.split()[-1], []
        else:
            block.append((word, rest))


def try_it(stage):
    """The container's life in short: start, health, an answer, stop."""
    port = 18080
    stage.env["LOOM_PORT"] = str(port)
    stage.env["HF_HUB_OFFLINE"] = "1"
    models = stage.root / "app/.cache/huggingface/hub/models--org--tiny"
    commit = "0" * 40
    shutil.copytree(ROOT / "tests/models/llama-gqa", models / "snapshots" / commit)
    (models / "refs").mkdir()
    (models / "refs/main").write_text(commit)
    subprocess.run(["chown", "-R", "1000:1000", str(models)], check=True)
    assert stage.user and not stage.user.startswith("0"), "the image runs as root"
    p = subprocess.Popen(stage.command(stage.entry + stage.cmd), stderr=subprocess.PIPE, text=True)
    try:
        for line in p.stderr:
            print("container:", line.rstrip())
            if "listening" in line:
                break
        subprocess.run(stage.command(stage.health), check=True)
        uid = re.search(r"^Uid:\s+(\d+)", Path(f"/proc/{p.pid}/status").read_text(), re.M)[1]
        assert uid == "1000", uid
        body = json.dumps({"model": "org/tiny", "prompt": "ab", "max_tokens": 2, "temperature": 0}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{port}/generate", body, {"Content-Type": "application/json"})
        answer = json.load(urllib.request.urlopen(request, timeout=30))
        assert answer["token_count"] == 2 and answer["hidden_states"]["-1"]["shape"] == [1, 42], answer
    finally:
        p.terminate()
        p.stderr.close()
        status = p.wait(20)
    assert status == 0, status
    assert subprocess.run(stage.command(stage.health), stderr=subprocess.DEVNULL).returncode == 1, "the check passes without a server"
    shutil.rmtree(models)
    print("check: started as user 1000, healthy, answered, ended with status 0")


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--target", default="cpu")
    a.add_argument("--keep", action="store_true")
    a = a.parse_args()
    work = Path(tempfile.mkdtemp(prefix="loom-docker-"))
    stages = {}
    try:
        stages = build(a.target, work)
        try_it(stages[a.target])
        image = stages[a.target].root
        mounts(image, False)
        mb = int(subprocess.run(["du", "-sxk", "--apparent-size", str(image)], check=True, capture_output=True, text=True).stdout.split()[0]) / 1000
        base_dir = next(work.glob("base-*"))
        base_mb = int(subprocess.run(["du", "-sxk", "--apparent-size", str(base_dir)], check=True, capture_output=True, text=True).stdout.split()[0]) / 1000
        print(f"check: the image is {mb:.0f} MB, of which its base is {base_mb:.0f} MB")
        if mb > LIMIT_MB:
            sys.exit(f"check: over {LIMIT_MB} MB")
    finally:
        for root in work.iterdir():
            mounts(root, False)
        if a.keep:
            print("check: kept in", work)
        else:
            shutil.rmtree(work)


if __name__ == "__main__":
    main()
