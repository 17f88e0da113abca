"""A client of Loom: every call of its HTTP interface, tensors as numpy arrays.

    from loom_client import Client
    with Client("http://localhost:8080") as loom:            # or Client(unix_socket="/tmp/loom.sock")
        a = loom.generate("HuggingFaceTB/SmolLM2-135M-Instruct", "Once upon a time", max_tokens=20, hidden_state_layers="all")
        a["text"], a["hidden_states"]["-1"]                   # str, numpy [1, H]
        for t in loom.stream("…", "Once"): print(t.text, end="")
        loom.embed("sentence-transformers/all-MiniLM-L6-v2", "a text")["embedding"]

Tensors travel as safetensors where the route allows it: the same bits, no decimal text in between.
"""
import base64
import json
import struct
from dataclasses import dataclass, field
from typing import Any, Iterator
from urllib.parse import quote

import httpx
import numpy as np

__all__ = ["Client", "Error", "StreamError", "Token"]

_DTYPES = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "float32": np.dtype("<f4"), "float16": np.dtype("<f2")}


class Error(Exception):
    """The server refused or failed: status, code, param and message of its answer."""

    def __init__(self, status: int, error: dict, request_id: str = ""):
        super().__init__(f"{status} {error.get('code')}: {error.get('message')}")
        self.status, self.code, self.param, self.message = status, error.get("code"), error.get("param"), error.get("message")
        self.request_id = request_id


class StreamError(Exception):
    """A stream that had begun did not end well."""

    def __init__(self, event: dict):
        super().__init__(f"{event.get('code')}: {event.get('error')}")
        self.code, self.message = event.get("code"), event.get("error")


@dataclass
class Token:
    """One event of a stream. The last has is_finished, no text, and the whole answer in `done`."""
    text: str
    id: int | None
    is_finished: bool = False
    finish_reason: str | None = None
    hidden_states: dict = field(default_factory=dict)
    done: dict | None = None


def _floats(raw: bytes, dtype: str) -> np.ndarray:
    if dtype in ("BF16", "bfloat16"):
        return (np.frombuffer(raw, "<u2").astype(np.uint32) << 16).view(np.float32)
    return np.frombuffer(raw, _DTYPES[dtype])


def _tensor(t: dict) -> np.ndarray:
    """A tensor object of the contract as an array."""
    if t.get("encoding") == "base64":
        return _floats(base64.b64decode(t["data"]), t["dtype"]).reshape(t["shape"])
    return np.array(t["data"], np.float32).reshape(t["shape"])  # null becomes nan


_GROUPS = ("hidden_states", "sequence_hidden_states", "attention_weights", "captures")


def _arrays(answer: dict) -> dict:
    for group in _GROUPS:
        if isinstance(answer.get(group), dict):
            answer[group] = {k: _tensor(t) for k, t in answer[group].items()}
    return answer


def _safetensors(raw: bytes) -> tuple[dict, dict[str, np.ndarray]]:
    """The answer's JSON and the tensors by name."""
    n = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8:8 + n])
    answer = json.loads(header.pop("__metadata__")["answer"])
    out = {}
    for name, t in header.items():
        begin, end = t["data_offsets"]
        out[name] = _floats(raw[8 + n + begin:8 + n + end], t["dtype"]).reshape(t["shape"])
    return answer, out


def _put(answer: dict, name: str, value: np.ndarray, index: int | None) -> None:
    group, _, key = name.partition(".")
    if group == "embedding":
        if index is None:
            answer["embedding"] = value
        else:
            answer.setdefault("embeddings", []).append(value)
        return
    target = answer
    if index is not None:
        target = answer["results"][index] if "results" in answer else answer[group][index]
    (target[group] if group in target else target)[key] = value


class Client:
    def __init__(self, base_url: str = "http://localhost:8080", *, unix_socket: str | None = None, api_key: str | None = None, timeout: float = 300):
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        transport = httpx.HTTPTransport(uds=unix_socket) if unix_socket else None
        self._http = httpx.Client(base_url=base_url, headers=headers, transport=transport, timeout=timeout)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    # ---- one call ----

    @staticmethod
    def _check(r: httpx.Response) -> httpx.Response:
        if r.status_code >= 400:
            try:
                error = r.json()["error"]
            except Exception:
                error = {"message": r.text[:500], "code": "unknown"}
            raise Error(r.status_code, error, r.headers.get("x-request-id", ""))
        return r

    def _get(self, path: str) -> httpx.Response:
        return self._check(self._http.get(path))

    def _post(self, path: str, body: dict) -> httpx.Response:
        return self._check(self._http.post(path, json=body))

    def _post_tensors(self, path: str, body: dict) -> dict:
        """Asks for safetensors unless the caller asks for something else, and puts the arrays where the JSON has them."""
        body = {"hidden_state_format": "safetensors", **body}
        r = self._post(path, body)
        if not r.headers["content-type"].startswith("application/octet-stream"):
            answer = r.json()
            for a in answer.get("results", [answer]):
                _arrays(a)
            return answer
        answer, tensors = _safetensors(r.content)
        for name, value in tensors.items():
            first, _, rest = name.partition(".")
            _put(answer, rest if first.isdigit() else name, value, int(first) if first.isdigit() else None)
        return answer

    # ---- the server ----

    def health(self) -> dict:
        return self._get("/health").json()

    def metrics(self) -> str:
        return self._get("/metrics").text

    def openapi(self) -> dict:
        return self._get("/openapi.json").json()

    def models(self) -> dict:
        return self._get("/models").json()

    def model(self, model: str) -> dict:
        return self._get("/models/" + quote(model, safe="")).json()

    def load(self, model: str, **options: Any) -> dict:
        return self._post("/models/load", {"model": model, **options}).json()

    def unload(self, model: str) -> dict:
        return self._check(self._http.delete("/models/" + quote(model, safe=""))).json()

    def loaders(self) -> dict:
        return self._get("/loaders").json()

    def probe(self, model: str) -> dict:
        return self._get("/loaders/probe/" + quote(model, safe="")).json()

    # ---- text ----

    def generate(self, model: str, prompt: str | list[int], **options: Any) -> dict:
        return self._post_tensors("/generate", {"model": model, "prompt": prompt, **options})

    def generate_batch(self, model: str, prompts: list, **options: Any) -> dict:
        return self._post_tensors("/generate/batch", {"model": model, "prompts": prompts, **options})

    def stream(self, model: str, prompt: str | list[int], **options: Any) -> Iterator[Token]:
        """Tokens as they are made; the last one carries the whole answer. Leaving the loop stops the work."""
        body = {"model": model, "prompt": prompt, "hidden_state_format": "base64", **options}
        with self._http.stream("POST", "/generate/stream", json=body) as r:
            if r.status_code >= 400:
                r.read()
                self._check(r)
            last = None
            for name, data in _events(r.iter_lines()):
                if name == "error":
                    raise StreamError(data)
                if name == "done":
                    last.done = _arrays(data)
                    yield last
                    return
                states = {k: _tensor(t) for k, t in (data.get("hidden_states") or {}).items()}
                last = Token(data["token"], data["token_id"], data["is_finished"], data["finish_reason"], states)
                if not last.is_finished:
                    yield last
            raise StreamError({"code": "cut", "error": "the stream ended without done"})

    def tokenize(self, model: str, text: str, **options: Any) -> dict:
        return self._post("/tokenize", {"model": model, "text": text, **options}).json()

    def detokenize(self, model: str, ids: list[int], **options: Any) -> str:
        return self._post("/detokenize", {"model": model, "ids": ids, **options}).json()["text"]

    # ---- vectors ----

    def embed(self, model: str, text: str, **options: Any) -> dict:
        return self._post_tensors("/embed", {"model": model, "text": text, **options})

    def embed_batch(self, model: str, texts: list[str], **options: Any) -> dict:
        return self._post_tensors("/embed/batch", {"model": model, "texts": texts, **options})

    def analyze(self, model: str, text: str, **options: Any) -> dict:
        return self._post("/analyze", {"model": model, "text": text, **options}).json()


def _events(lines: Iterator[str]) -> Iterator[tuple[str, dict]]:
    name, data = "message", []
    for line in lines:
        if line == "":
            if data:
                yield name, json.loads("\n".join(data))
            name, data = "message", []
        elif line.startswith("event:"):
            name = line[6:].strip()
        elif line.startswith("data:"):
            data.append(line[5:].lstrip(" "))
