"""JSON as RFC 8259 says, over HTTP: every document of tests/corpus/json.txt as a body and inside of one (tools/make-json-cases.py writes it). What is no
JSON is 400 and says where; what is JSON but no request is 422; and a good request is answered as before."""
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT / "tests/corpus/json.txt"


def cases():
    for line in CORPUS.read_text().splitlines():
        name, _, data = line.partition(" ")
        yield name, bytes.fromhex(data)


def test_the_corpus_is_what_its_script_writes(tmp_path):
    subprocess.run([sys.executable, ROOT / "tools/make-json-cases.py", tmp_path / "json.txt"], check=True)
    assert (tmp_path / "json.txt").read_bytes() == CORPUS.read_bytes()


@pytest.mark.parametrize("inside", [False, True])
def test_every_case(server, post, tiny, inside):
    good = dict(model=tiny("llama-gqa"), prompt=[7, 8, 9], max_tokens=3, temperature=0, hidden_state_layers="all")
    before = post("/generate", **good).json()["hidden_states"]
    for name, data in cases():
        if inside and (name.startswith("i_refused_top") or data.startswith((b"[" * 64, b'{"a":' * 63))):
            continue  # taken there, or one level deeper than may be
        body = b'{"x": ' + data + b"}" if inside else data
        r = server.client.post("/generate", content=body, headers={"Content-Type": "application/json"})
        error = r.json()["error"]
        if name.startswith(("y_", "i_taken")):
            assert r.status_code == 422, (name, data, r.text)
            assert error["param"] == "x" if inside else error["param"] != "", (name, data, r.text)
        else:
            assert r.status_code == 400 and error["code"] == "bad_request", (name, data, r.text)
            assert any(w in error["message"] for w in ("line ", "at byte ", "nested", "empty")), (name, r.text)
    assert post("/generate", **good).json()["hidden_states"] == before


def test_large_documents(server, post, tiny):
    """Many of everything: answered in time, and told from what is too much."""
    keys = b"{" + b",".join(b'"key%d": %d' % (i, i) for i in range(200_000)) + b"}"
    alike = b"{" + b",".join(b'"%s": 0' % (b"a" * 16 + b"%08x" % (i * 0x10000)) for i in range(50_000)) + b"}"
    for body, status in ((keys, 422), (alike, 422), (b"[" + b"0," * 1_000_000 + b"0]", 422), (b'{"x": "' + b"y" * (8 << 20) + b'"}', 422),
                         (b'{"' + b"k" * (1 << 20) + b'": 1}', 422), (b"[" + b"1" * (1 << 20) + b"]", 400), (b"[0." + b"1" * (1 << 20) + b"]", 422),
                         (b'["' + b"\\u0041" * 500_000 + b'"]', 422), (b'{"x": ' + b" " * (4 << 20) + b"}", 400)):
        r = server.client.post("/generate", content=body, headers={"Content-Type": "application/json"})
        assert r.status_code == status, (body[:40], r.text[:300])
        assert len(r.content) < 2000  # what was sent is not sent back
    r = post("/generate", model=tiny("llama-gqa"), prompt=[1, 2], max_tokens=1)
    assert r.status_code == 200


def test_text_is_text(post, tiny):
    """NUL, marks and nonsense in text arrive at the tokenizer as they are, and come back whole."""
    for text in ("a\0b", "\ufeff", "\uffff", "\U0010ffff", "e\u0301", "\u202e", "a\x7fb", "\x01\x1f", "👩‍👩‍👧‍👦", "\u0300" * 1000, "\r\n\t"):
        r = post("/tokenize", model=tiny("llama-gqa"), text=text, add_special_tokens=False)
        assert r.status_code == 200, r.text
        back = post("/detokenize", model=tiny("llama-gqa"), ids=r.json()["ids"]).json()["text"]
        assert back == text, (text, json.dumps(back))
