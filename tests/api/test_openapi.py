"""The whole API against its own OpenAPI document, with requests that schemathesis makes up: never a 5xx, every error in its schema, every answer in
its own. A fixed seed and a bounded number of examples."""
import os

import hypothesis
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance, content_type_conformance
from conftest import MODELS, Server

MODEL = str(MODELS / "llama-gqa")


def aim(case, n):
    """Most requests go to a model that is there, and none of them for long."""
    body = case.body
    if isinstance(body, dict) and "model" in body and n % 4:
        body["model"] = MODEL
    if isinstance(body, dict) and "max_tokens" in body and isinstance(body["max_tokens"], (int, type(None))):
        body["max_tokens"] = min(body["max_tokens"] or 3, 20)
    elif isinstance(body, dict) and ("prompt" in body or "prompts" in body):
        body["max_tokens"] = 3


def test_every_operation():
    s = Server("--log-level", "error", "--max-models", "30")
    examples = int(os.environ.get("LOOM_EXAMPLES", 12))
    checks = (not_a_server_error, status_code_conformance, response_schema_conformance, content_type_conformance)
    count = {}
    for result in schemathesis.openapi.from_url(s.url + "/openapi.json").get_all_operations():
        op = result.ok()

        @settings(max_examples=examples, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck),
                  phases=[hypothesis.Phase.generate])
        @hypothesis.given(case=op.as_strategy())
        def one(case):
            n = count[op.label] = count.get(op.label, 0) + 1
            aim(case, n)
            response = case.call()
            if response.status_code != 200 or op.path != "/generate/stream":
                case.validate_response(response, checks=checks)
        one()
    paths = s.client.get("/openapi.json").json()["paths"]
    assert set(count) == {f"{m.upper()} {p}" for p, ops in paths.items() for m in ops} - {"GET /openapi.json"}
    assert s.client.post("/generate", json=dict(model=MODEL, prompt=[1], max_tokens=1)).status_code == 200
    assert s.stop() == 0


def test_the_document_names_every_route(server):
    doc = server.client.get("/openapi.json").json()
    assert doc["openapi"] == "3.1.0" and doc["info"]["title"] == "Loom"
    for path, ops in doc["paths"].items():
        for method, op in ops.items():
            assert op["summary"] and "200" in op["responses"]
            r = server.client.request("OPTIONS", path.replace("{model_id}", "x"))
            assert method.upper() in r.headers["allow"]
    generate = doc["paths"]["/generate"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert generate["required"] == ["model", "prompt"] and generate["additionalProperties"] is False
    assert generate["properties"]["max_tokens"]["default"] == 256 and generate["properties"]["temperature"]["maximum"] == 2
    assert doc["paths"]["/v1/generate"]["post"]["requestBody"]["content"]["application/json"]["schema"]["additionalProperties"] is True


def test_v1_is_lenient_and_says_400(post, tiny):
    body = dict(model=tiny("llama-gqa"), prompt=[1, 2], max_tokens=1)
    assert post("/v1/generate", **body, user="somebody", n=1).status_code == 200
    assert post("/generate", **body, user="somebody").status_code == 422
    r = post("/v1/generate", **{**body, "max_tokens": -1})
    assert r.status_code == 400 and r.json()["error"]["code"] == "invalid_parameter"
