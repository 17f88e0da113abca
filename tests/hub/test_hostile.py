"""A hub, a store or a wire that misbehaves: an error that names it, nothing written outside the repo's folder, nothing wrong inside, and a
good download right after on the same cache."""
import hashlib
import json
import os
import ssl
import subprocess
import threading
import time

import pytest
from fakehub import Hub
from hubcases import cache, check_cache, env, hub, hub_server, leftovers, loom, model_files  # noqa: F401 (fixtures)

WEIGHTS = "model.safetensors"


@pytest.fixture
def llama(hub):
    files = {**model_files("llama-base"), WEIGHTS: os.urandom(300_000)}
    return hub.add("org/llama", files, lfs=[WEIGHTS])


def names_outside(cache):
    """What lies in the cache that no download may make."""
    return [str(p) for p in cache.rglob("*") if p.relative_to(cache).parts[0] not in (".locks", "CACHEDIR.TAG", "models--org--llama")]


def fails_then_works(hub, loom, cache, words, faults, sticky=True, partial=False, **more):
    """The pull fails and says `words`; the cache is right and the ref has not come; without the fault it works."""
    hub.faults.update(faults)
    hub.sticky.update(faults if sticky else ())
    before = sorted(p.name for p in cache.parent.parent.iterdir()) if cache.parent.parent.exists() else []
    r = loom("pull", "org/llama", **more)
    assert r.returncode == 1 and len(r.stderr.strip().splitlines()[-1:]) == 1, r.stderr
    assert words in r.stderr, r.stderr
    assert "signature" not in r.stderr and "hf_test" not in r.stderr
    check_cache(cache)
    assert not names_outside(cache)
    assert not (cache / "models--org--llama/refs/main").exists()
    if not partial:
        assert not leftovers(cache)
    assert [n for n in (sorted(p.name for p in cache.parent.parent.iterdir())) if n not in before] in ([], ["hf"])
    hub.faults.clear()
    hub.sticky.clear()
    r = loom("pull", "org/llama")
    assert r.returncode == 0, r.stderr
    check_cache(cache)
    assert not leftovers(cache)


# ---- the API's answer

@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../b", "..", ".", "a//b", "a/", "", "a\\b", "C:\\x", "C:x", "\\\\host\\s", "a\u0000b",
                                  "a\nb", "x" * 300, "d/" * 600 + "x", "config.json", "\x7f"])
def test_hostile_names(hub, llama, loom, cache, name):
    hub.extra_names = [name]
    r = loom("pull", "org/llama")
    words = "the same name twice" if name == "config.json" else "a name that may not be a file's path"
    assert r.returncode == 1 and words in r.stderr, r.stderr
    assert not cache.exists()
    hub.extra_names = ["ok/Config.json", "CONFIG.JSON", "é.txt"]
    assert loom("pull", "org/llama").returncode == 0


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"sha": 5, "siblings": []}', b'{"sha": "../../x", "siblings": []}',
                                  b'{"sha": "' + b"A" * 40 + b'", "siblings": []}', b'{"sha": "' + b"a" * 40 + b'"}',
                                  b'{"sha": "' + b"a" * 40 + b'", "siblings": {}}', b'{"sha": "' + b"a" * 40 + b'", "siblings": [5]}',
                                  b'{"sha": "' + b"a" * 40 + b'", "siblings": [{"rfilename": 5}]}', b"[" * 1000, b"\xff\xfe", b'{"sha":1,"sha":2}'])
def test_hostile_lists(hub, llama, loom, cache, body):
    hub.faults["api"] = [("body", body)]
    r = loom("pull", "org/llama")
    assert r.returncode == 1 and "the hub's" in r.stderr, r.stderr
    assert not cache.exists()


def test_a_list_without_end(hub, llama, loom, cache):
    hub.faults["api"] = [("body", b" " * (33 << 20))]
    r = loom("pull", "org/llama")
    assert r.returncode == 1 and "over 33554432 bytes" in r.stderr, r.stderr


def test_lists_that_say_little(hub, llama, loom, cache):
    """A mirror that knows no sizes or hashes: HEAD says them."""
    body = {"sha": llama.commit, "siblings": [{"rfilename": n} for n in llama.files]}
    hub.faults["api"] = [("body", json.dumps(body).encode())]
    r = loom("pull", "org/llama")
    assert r.returncode == 0, r.stderr
    check_cache(cache)


@pytest.mark.parametrize("index", [b"[]", b"{}", b'{"weight_map": []}', b'{"weight_map": {}}', b'{"weight_map": {"a": 5}}',
                                   b'{"weight_map": {"a": "../../etc/passwd"}}', b'{"weight_map": {"a": "/etc/passwd.safetensors"}}',
                                   b'{"weight_map": {"a": "none.safetensors"}}', b'{"weight_map": {"a": "config.json"}}', b"{", b"\xff"])
def test_hostile_index(hub, loom, cache, index):
    hub.add("org/llama", {"config.json": b"{}", "model.safetensors.index.json": index})
    r = loom("pull", "org/llama")
    assert r.returncode == 1 and "model.safetensors.index.json" in r.stderr, r.stderr
    check_cache(cache)
    assert not names_outside(cache) and not (cache / "models--org--llama/refs").exists()


def test_an_index_with_very_many_shards(hub, loom, cache):
    shards = {"s%d.safetensors" % i: b"" for i in range(4200)}
    hub.add("org/llama", {"config.json": b"{}", **shards,
                          "model.safetensors.index.json": json.dumps({"weight_map": {n: n for n in shards}}).encode()})
    r = loom("pull", "org/llama")
    assert r.returncode == 1 and "more than 4096 shards" in r.stderr


def test_hostile_modules(hub, loom, cache):
    hub.add("org/llama", {**model_files("llama-base"), "modules.json": b'[{"path": "../../../x", "type": "a.Pooling"}]'})
    r = loom("pull", "org/llama")
    assert r.returncode == 1 and "modules.json: [0].path" in r.stderr


# ---- headers

@pytest.mark.parametrize("head,words", [
    ({"X_Linked_Etag": '"../../x"'}, "its ETag is not"), ({"X_Linked_Etag": '""'}, "its ETag is not"), ({"X_Linked_Etag": "a" * 300}, "makes no sense"),
    ({"X_Linked_Etag": '"' + "A" * 64 + '"'}, "its ETag is not"), ({"X_Linked_Etag": '"' + "a" * 64 + '"'}, "not the one listed"),
    ({"X_Linked_Etag": None, "ETag": None}, "its ETag is not"), ({"X_Repo_Commit": "../.."}, "another commit"), ({"X_Repo_Commit": None}, "is HF_ENDPOINT a hub?"),
    ({"X_Repo_Commit": "b" * 40}, "another commit"), ({"X_Repo_Commit": "c" * 100}, "makes no sense"), ({"X_Linked_Size": "-5"}, "makes no sense"),
    ({"X_Linked_Size": "99999999999999999999"}, "makes no sense"), ({"X_Linked_Size": "299999"}, "not the one listed"),
    ({"X_Linked_Size": "1e5"}, "makes no sense")])
def test_hostile_headers(hub, llama, loom, cache, head, words):
    fails_then_works(hub, loom, cache, words, {"HEAD " + WEIGHTS: [("set", head)]})


def test_a_size_that_no_disk_has(hub, llama, loom, cache):
    size = 10 ** 13
    body = {"sha": llama.commit, "siblings": [{"rfilename": n, "size": size if n == WEIGHTS else len(d)} for n, d in llama.files.items()]}
    hub.faults["api"] = [("body", json.dumps(body).encode())]
    fails_then_works(hub, loom, cache, "over 50 GB", {"HEAD " + WEIGHTS: [("set", {"X_Linked_Size": str(size)})]})


def test_weak_etags_are_etags(hub, llama, loom, cache):
    hub.faults["HEAD config.json"] = [("set", {"ETag": 'W/"%s"' % llama.etag("config.json")})]
    assert loom("pull", "org/llama").returncode == 0
    check_cache(cache)


def test_headers_without_end(hub, llama, loom, cache):
    fails_then_works(hub, loom, cache, "bytes of headers", {"HEAD config.json": ["headers"]})


@pytest.mark.parametrize("raw", [b"\x00\x01\x02", b"HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", b"", b"220 smtp\r\n"])
def test_no_http(hub, llama, loom, cache, raw):
    fails_then_works(hub, loom, cache, "127.0.0.1", {"HEAD config.json": [("raw", raw)]})


# ---- bodies

@pytest.mark.parametrize("fault,words", [(("wrong bytes", 0), "another hash"), (("short", 0), "again and again"), (("long", 0), "more than the"),
                                         (("endless", 0), "more than the"), (("gzip", 0), "encoded body"), (("wrong range", 0), "another range")])
def test_bodies_that_are_wrong(hub, llama, loom, cache, fault, words):
    fails_then_works(hub, loom, cache, words, {"store": [("cut at", 0.5), fault, ("cut at", 0.5), fault] if fault[0] == "wrong range" else [fault]})


def test_one_wrong_range_is_overcome(hub, llama, loom, cache):
    hub.faults["store"] = [("cut at", 0.5), ("wrong range", 0)]
    assert loom("pull", "org/llama").returncode == 0
    check_cache(cache)


def test_small_files_are_checked_too(hub, llama, loom, cache):
    fails_then_works(hub, loom, cache, "another hash", {"GET config.json": [("wrong bytes", 0)]})


def test_one_wrong_file_leaves_what_was_there(hub, llama, loom, cache):
    assert loom("pull", "org/llama").returncode == 0
    hub.add("org/llama", {**llama.files, "tokenizer.json": b"{}", WEIGHTS: os.urandom(1000)}, lfs=[WEIGHTS])
    hub.faults["store"] = [("wrong bytes", 0)] * 2
    assert loom("pull", "org/llama").returncode == 1
    assert (cache / "models--org--llama/refs/main").read_text() == llama.commit
    check_cache(cache)


@pytest.mark.parametrize("at", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_broken_bodies_go_on(hub, llama, loom, cache, at):
    hub.faults["store"] = [("cut at", at)] * 3
    r = loom("pull", "org/llama")
    assert r.returncode == 0, r.stderr
    check_cache(cache)
    ranges = [r[3].get("Range") for r in hub.requests("store")]
    assert len(ranges) == 4 and ranges[0] is None
    if at > 0:
        assert ranges[1] and ranges[1] != "bytes=0-"


def test_a_body_that_breaks_always(hub, llama, loom, cache):
    fails_then_works(hub, loom, cache, "127.0.0.2 broke off", {"store": [("cut at", 0.01)]}, partial=True)


def test_the_hub_sends_all_instead_of_the_rest(hub, llama, loom, cache):
    hub.faults["store"] = [("cut at", 0.5), ("ignore range", 0)]
    assert loom("pull", "org/llama").returncode == 0
    check_cache(cache)


def test_chunked_bodies(hub, llama, loom, cache):
    hub.faults["store"] = [("chunked", 0)]
    hub.faults["GET config.json"] = [("chunked", 0)]
    assert loom("pull", "org/llama").returncode == 0
    check_cache(cache)


def test_bodies_that_stand_still(hub, llama, loom, cache):
    hub.faults["store"] = [("stall", 900)]  # longer than this waits for the program
    assert loom("pull", "org/llama", HF_HUB_DOWNLOAD_TIMEOUT="1").returncode == 0
    check_cache(cache)


@pytest.mark.parametrize("left", ["shorter", "wrong", "longer", "whole", "whole and wrong", "link"])
def test_what_lies_there_from_before(hub, llama, loom, cache, left, tmp_path):
    data = llama.files[WEIGHTS]
    partial = cache / "models--org--llama/blobs" / (hashlib.sha256(data).hexdigest() + ".incomplete")
    partial.parent.mkdir(parents=True)
    (tmp_path / "victim").write_bytes(b"precious")
    if left == "link":
        partial.symlink_to(tmp_path / "victim")
    else:
        partial.write_bytes({"shorter": data[:1000], "wrong": b"x" * 1000, "longer": data + b"x", "whole": data, "whole and wrong": data[:-1] + b"x"}[left])
    r = loom("pull", "org/llama")
    assert (tmp_path / "victim").read_bytes() == b"precious"
    if left == "link":
        assert r.returncode == 1
        partial.unlink()
        assert loom("pull", "org/llama").returncode == 0
    assert left == "link" or r.returncode == 0, r.stderr
    check_cache(cache)
    assert not leftovers(cache)
    ranges = [q[3].get("Range") for q in hub.requests("store")]
    assert ranges == {"shorter": ["bytes=1000-"], "wrong": ["bytes=1000-", None], "longer": [None], "whole": [], "whole and wrong": [None],
                      "link": [None]}[left]


# ---- statuses

def test_answers_that_pass(hub, llama, loom, cache):
    hub.faults["api"] = [("status", 500), ("status", 503)]
    hub.faults["HEAD config.json"] = [("429", 0), ("ratelimit", 0)]
    hub.faults["HEAD tokenizer.json"] = ["cut"]
    hub.faults["store"] = [("status", 502), ("status", 504), ("status", 408)]
    r = loom("pull", "org/llama")
    assert r.returncode == 0, r.stderr
    check_cache(cache)


@pytest.mark.parametrize("fault,words", [(("429", 3600), "try again in 3600 s"), (("ratelimit", 120), "try again in 120 s"), (("status", 500), "answers 500"),
                                         (("error", (403, None, "Access to this resource is disabled.")), "Access to this resource is disabled"),
                                         (("error", (400, None, "x" * 1000)), "answers 400"), (("error", (404, "Weird", None)), 'no model "org/llama"'),
                                         (("error", (401, None, "Invalid credentials in Authorization header")), "does not know the token"),
                                         ("cut", "broke off"), (("hang", 900), "stopped answering")])
def test_answers_that_do_not(hub, llama, loom, cache, fault, words):
    r = loom("pull", "org/llama", HF_HUB_DOWNLOAD_TIMEOUT="1", HF_HUB_ETAG_TIMEOUT="1") if not (hub.faults.update(api=[fault]) or hub.sticky.add("api")) else None
    assert r.returncode == 1 and words in r.stderr, r.stderr
    assert "\x1b" not in r.stderr and not cache.exists()


def test_a_wait_is_as_long_as_the_hub_says(hub, llama, loom):
    hub.faults["api"] = [("429", 1)]
    start = time.monotonic()
    assert loom("pull", "org/llama").returncode == 0
    assert time.monotonic() - start >= 1


def test_a_file_that_is_listed_but_gone(hub, llama, loom, cache):
    """Optional: noted as absent. Needed: an error."""
    hub.faults["HEAD tokenizer.json"] = [("error", (404, "EntryNotFound", None))]
    r = loom("pull", "org/llama")  # without X-Repo-Commit the 404 may be of anybody
    assert r.returncode == 1 and "has no file tokenizer.json" in r.stderr, r.stderr


def test_nobody_there(hub, loom):
    r = loom("pull", "org/llama", HF_ENDPOINT="http://127.0.0.1:1")
    assert r.returncode == 1 and "127.0.0.1 cannot be reached" in r.stderr, r.stderr
    r = loom("pull", "org/llama", HF_ENDPOINT="http://no-such-host.invalid")
    assert r.returncode == 1 and "cannot be reached" in r.stderr, r.stderr
    r = loom("pull", "org/llama", http_proxy="http://127.0.0.1:1")
    assert r.returncode == 1


@pytest.mark.parametrize("name,value", [("HF_ENDPOINT", "ftp://x"), ("HF_ENDPOINT", "http://user:secret@x"), ("HF_ENDPOINT", "no url"),
                                        ("HF_ENDPOINT", "http://x/?a"), ("HF_HUB_ETAG_TIMEOUT", "soon"), ("HF_TOKEN", "a\nb")])
def test_bad_variables(hub, loom, name, value):
    r = loom("pull", "org/llama", **{name: value})
    assert r.returncode == 1 and name in r.stderr and "secret" not in r.stderr


# ---- redirects

def elsewhere(hub, name):
    """A second server on another port of the hub's own host, which must learn nothing."""
    return hub.start(name, "127.0.0.1", None)


def test_redirects_within_the_hub_keep_the_token(hub, llama, loom):
    hub.repos["new/name"] = llama
    hub.faults["api"] = [("relative", "/api/models/new/name/revision/main?blobs=true")]
    hub.faults["HEAD config.json"] = [("relative", "/new/name/resolve/%s/config.json" % llama.commit)]
    assert loom("pull", "org/llama", HF_TOKEN="hf_test").returncode == 0
    assert all(r[3]["Authorization"] == "Bearer hf_test" for r in hub.requests("hub"))


def test_the_token_does_not_go_to_another_port(hub, llama, loom, cache):
    other = elsewhere(hub, "other")
    hub.faults["GET config.json"] = [("redirect", "%s/org/llama/resolve/%s/config.json" % (other, llama.commit))]
    r = loom("pull", "org/llama", HF_TOKEN="hf_test")
    assert r.returncode == 0, r.stderr
    seen = hub.requests("other")
    assert seen and not any("Authorization" in q[3] or "hf_test" in str(q) for q in seen)
    check_cache(cache)


def test_the_token_does_not_come_back(hub, llama, loom, cache):
    """Hub, other host, hub: what another host sent us to is not asked for in our name."""
    hub.faults["store"] = [("redirect", hub.url + "/org/llama/resolve/%s/config.json" % llama.commit)]
    loom("pull", "org/llama", HF_TOKEN="hf_test")
    last = [r for r in hub.requests("hub", "GET") if r[2].endswith("config.json") and "Authorization" not in r[3]]
    assert last


@pytest.mark.parametrize("to,words", [
    ("ftp://127.0.0.1/x", "no http or https URL"), ("file:///etc/passwd", "no http or https URL"), ("gopher://x/", "no http or https URL"), ("", "something"),
    ("http://", "no http or https URL"), ("http://hf_user:pw@127.0.0.1/x", "a user name"), ("http://169.254.169.254/latest/meta-data", "inside this machine"),
    ("http://0.0.0.0/x", "inside this machine"), ("http://[fe80::1]/x", ""), ("http://[::ffff:169.254.169.254]/x", "inside this machine"),
    ("http://0251.0376.0251.0376/x", "inside this machine"), ("http://2852039166/x", "inside this machine"), ("http://a\\b/", "no URL"),
    ("x" * 9000, "makes no sense")])
def test_redirects_that_are_refused(hub, llama, loom, cache, to, words):
    fails_then_works(hub, loom, cache, words, {"GET " + WEIGHTS: [("redirect", to)]}, HF_TOKEN="hf_test")


def test_redirects_without_end(hub, llama, loom, cache):
    url = "/org/llama/resolve/%s/config.json" % llama.commit
    fails_then_works(hub, loom, cache, "over 5 redirects", {"HEAD config.json": [("relative", url)]})


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    d = tmp_path_factory.mktemp("tls")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=loom",
                    "-addext", "subjectAltName=IP:127.0.0.1,IP:127.0.0.2", "-keyout", d / "both.pem", "-out", d / "cert.pem"], check=True, capture_output=True)
    with open(d / "both.pem", "ab") as f:
        f.write((d / "cert.pem").read_bytes())
    return d


def test_tls(hub, llama, loom, cache, certificate):
    secure = Hub(certificate / "both.pem")
    try:
        secure.repos["org/llama"] = llama
        r = loom("pull", "org/llama", HF_ENDPOINT=secure.url)
        assert r.returncode == 1 and "certificate" in r.stderr.lower() and "SSL_CERT_FILE" in r.stderr, r.stderr
        trusted = dict(HF_ENDPOINT=secure.url, SSL_CERT_FILE=str(certificate / "cert.pem"), HF_TOKEN="hf_test")
        assert loom("pull", "org/llama", **{**trusted, "HF_ENDPOINT": secure.url.replace("127.0.0.1", "localhost")}).returncode == 1  # not its name
        secure.faults["GET config.json"] = [("redirect", "%s/org/llama/resolve/%s/config.json" % (hub.url, llama.commit))]
        r = loom("pull", "org/llama", **trusted)
        assert r.returncode == 1 and "from https to http" in r.stderr
        assert hub.log == []
        r = loom("pull", "org/llama", **trusted)
        assert r.returncode == 0, r.stderr
        assert all(("Authorization" in q[3]) == (q[0] == "hub") for q in secure.log)
        check_cache(cache)
    finally:
        secure.stop()


# ---- disks and locks

def test_a_disk_that_fills_up(hub, llama, loom, cache, loom_bin, env):
    r = subprocess.run(["bash", "-c", 'trap "" XFSZ; ulimit -f 200; exec "$0" pull org/llama', loom_bin], env=env, capture_output=True, text=True)
    assert r.returncode == 1 and "the disk of the Hugging Face cache is full" in r.stderr, r.stderr
    check_cache(cache)
    assert not leftovers(cache)
    assert loom("pull", "org/llama").returncode == 0


def test_a_cache_that_cannot_be_written(hub, llama, loom, cache, tmp_path):
    r = loom("pull", "org/llama", HF_HUB_CACHE="/proc/none")
    assert r.returncode == 1 and "Hugging Face cache" in r.stderr
    (tmp_path / "file").write_text("")
    assert loom("pull", "org/llama", HF_HUB_CACHE=str(tmp_path / "file")).returncode == 1
    r = loom("pull", "org/llama", HF_HUB_CACHE="/" + "x/" * 2040)
    assert r.returncode == 1


def test_locks_that_do_not_hold(hub, llama, loom_bin, env, cache, tmp_path):
    """flock() that lets everybody in, as on some network file systems: more is fetched, nothing is wrong."""
    (tmp_path / "f.c").write_text("int flock(int fd, int op) { (void)fd; (void)op; return 0; }\n")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", tmp_path / "f.so", tmp_path / "f.c"], check=True)
    preload = " ".join(p for p in (os.environ.get("LD_PRELOAD"), str(tmp_path / "f.so")) if p)
    hub.chunk, hub.pause = 1 << 14, 0.01
    runs = []
    for _ in range(3):
        runs.append(subprocess.Popen([loom_bin, "pull", "org/llama"], env={**env, "LD_PRELOAD": preload, "ASAN_OPTIONS": "verify_asan_link_order=0"},
                                     stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True))
        time.sleep(0.08)
    for p in runs:
        _, err = p.communicate(timeout=600)
        assert p.returncode == 0, err
    check_cache(cache)
    assert not leftovers(cache)
