"""Configuration from outside: the search list, what wins over what, wrong values, and the pages that the table writes."""
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def config(loom_bin, tmp_path):
    """loom config in a folder of its own, with a home of its own."""
    (tmp_path / "home/.config/loom").mkdir(parents=True)
    (tmp_path / "here").mkdir()

    def run(*args, command="config", **env):
        base = {k: v for k, v in os.environ.items() if not k.startswith(("LOOM_", "HF_"))}
        return subprocess.run([loom_bin, command, *args], cwd=tmp_path / "here", env=dict(base, HOME=str(tmp_path / "home"), **env), capture_output=True,
                              text=True, timeout=300)
    run.here, run.home = tmp_path / "here", tmp_path / "home"
    return run


def value(r, key):
    """(value, where it comes from) of a key in what loom config printed."""
    assert r.returncode == 0, r.stderr
    line = next(x for x in r.stdout.splitlines() if x.split(":")[0].strip() == key)
    text, origin = line.split("#")
    return text.split(":", 1)[1].strip(), origin.strip()


def test_every_path_of_the_search_list(config):
    places = [config.here / "config.yaml", config.here / "config.yml", config.here / "loom.yaml", config.home / ".config/loom/config.yaml",
              config.home / ".config/loom/config.yml"]
    assert value(config(), "http_port") == ("8080", "default")
    for i, p in reversed(list(enumerate(places))):  # each wins over those made before it
        p.write_text(f"server:\n  http_port: {9000 + i}\n")
        port, origin = value(config(), "http_port")
        assert port == str(9000 + i) and origin.endswith(p.name + ":2")
    other = config.here / "other.yaml"
    other.write_text("server: {http_port: 9100}\n")
    assert value(config("-c", "other.yaml"), "http_port") == ("9100", "other.yaml:1")
    etc = Path("/etc/loom")
    if os.access("/etc", os.W_OK) and not etc.exists():
        for p in places:
            p.unlink()
        try:
            etc.mkdir()
            (etc / "config.yaml").write_text("threads: 7\n")
            assert value(config(), "threads") == ("7", "/etc/loom/config.yaml:1")
        finally:
            (etc / "config.yaml").unlink(missing_ok=True)
            etc.rmdir()


def test_flags_over_environment_over_file_over_defaults(config):
    (config.here / "config.yaml").write_text("server:\n  http_port: 1\nmodels:\n  max_loaded: 2\n  auto_unload_minutes: 5\n")
    r = config("--port", "3", LOOM_PORT="2", LOOM_MAX_MODELS="4")
    assert value(r, "http_port") == ("3", "--port")
    assert value(r, "max_loaded") == ("4", "LOOM_MAX_MODELS")
    assert value(r, "auto_unload_minutes") == ("5", "config.yaml:5")
    assert value(r, "memory_fraction") == ("0.9", "default")
    r = config(LOOM_HOST="h", LOOM_AUTO_UNLOAD_MINUTES="1.5", LOOM_DEFAULT_DEVICE="1", LOOM_MEMORY_FRACTION="0.5", LOOM_SERVER__TRANSPORT="both",
               LOOM_LOGGING__LEVEL="DEBUG")
    assert [value(r, k)[0] for k in ("http_host", "auto_unload_minutes", "default_device", "memory_fraction", "transport", "level")] == \
        ["h", "1.5", "cuda:1", "0.5", "both", "debug"]


def test_the_short_flags_and_lists(config):
    r = config("-t", "unix", "-u", "/x", "-p", "5", "-d", "cpu", "--preload", "a", "--preload", "b,c", "d", LOOM_MODELS__PRELOAD="z")
    assert [value(r, k)[0] for k in ("transport", "unix_socket", "http_port", "default_device", "preload")] == ["unix", "/x", "5", "cpu", "[a, b, c, d]"]


@pytest.mark.parametrize("command", ["config", "serve"])
def test_a_wrong_value_is_one_line_and_status_2(config, command):
    bad = config.here / "config.yaml"
    for text, says in [("server:\n  http_port: x\n", 'loom: config.yaml:2: server.http_port: expected an integer 0..65535, found "x"'),
                       ("server:\n  port: 80\n", "loom: config.yaml:2: server.port: no such setting (did you mean http_port?)"),
                       ("a: [[[[" + "[" * 10000, "loom: config.yaml:1: a: no such setting"),
                       ("x: &a [1]\ny: [*a,*a,*a,*a]\n", "loom: config.yaml:1: x: no such setting")]:
        bad.write_text(text)
        r = config(command=command)
        assert r.returncode == 2 and r.stdout == "" and r.stderr == says + "\n"
    bad.write_bytes(b"\xff\xfe\x00")
    assert config(command=command).returncode == 2
    bad.write_bytes(b"# " + b"x" * (2 << 20))
    r = config(command=command)
    assert r.returncode == 2 and "config.yaml" in r.stderr and r.stderr.count("\n") == 1
    bad.unlink()
    for args, env, says in [(["-c", "gone.yaml"], {}, "gone.yaml: no such file"), (["-c", "."], {}, "not a regular file"), ([], {"LOOM_PORT": "x"}, "LOOM_PORT"),
                            (["-c", "/dev/zero"], {}, "not a regular file"), ([], {"LOOM_SERVER__PORT": "1"}, "did you mean LOOM_SERVER__"),
                            (["--port", "65536"], {}, "--port: expected an integer 0..65535"), (["--transport", "carrier-pigeon"], {}, "http, unix or both")]:
        r = config(*args, command=command, **env)
        assert r.returncode == 2 and says in r.stderr and r.stderr.count("\n") == 1 and r.stdout == "", (args, env, r.stderr)
    os.mkfifo(config.here / "config.yml")  # not a file: not looked at
    assert config().returncode == 0
    r = config("-c", "config.yml")
    assert r.returncode == 2 and "not a regular file" in r.stderr


def test_secrets_are_never_printed(config):
    for r in (config("--api-key", "hunter2"), config(LOOM_API_KEY="hunter2"), config(LOOM_SERVER__API_KEY="hunter2")):
        assert value(r, "api_key")[0] == "set" and "hunter2" not in r.stdout + r.stderr
    assert value(config(), "api_key") == ("unset", "default")


def test_commands_read_the_same_settings(config, loom_bin, tiny):
    (config.here / "config.yaml").write_text("models: {default_dtype: float64}\n")
    r = config(tiny("llama-gqa"), "--prompt", "x", command="generate")
    assert r.returncode == 2 and "config.yaml:1: models.default_dtype" in r.stderr
    (config.here / "config.yaml").write_text("gpu: {default_device: cpu}\nmodels: {default_dtype: bfloat16}\n")
    assert config(tiny("llama-gqa"), "--prompt", "x", "-n", "1", command="generate").returncode == 0


def test_the_page_is_what_the_table_says(config):
    assert config("--docs").stdout == (ROOT / "docs/configuration.md").read_text()  # loom config --docs > docs/configuration.md


def test_help(config):
    r = config("--help", command="serve")
    for flag in ("--config", "--transport", "--host", "--port", "--unix-socket", "--preload", "--device", "--threads", "--log-level", "--api-key"):
        assert flag in r.stdout
    assert "LOOM_PORT" in r.stdout and "default: 8080" in r.stdout
