"""The OpenAPI document is whole: every route and schema is described, with examples that are true."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from fastapi.testclient import TestClient

import waiting
from diorama.server import create_app
from diorama.server.openapi import EXAMPLES
from workplace import QUICK, quick_photo

ADDRESS = "http://127.0.0.1:5000"
JOBS = "/api/v1/jobs"
AGAIN = "run `python benchmarks/api_examples.py`: it makes the examples anew"
WRITES = {"post", "put", "patch", "delete"}
BINARY = re.compile(r"(image|model|application/octet-stream|\*)")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    app = create_app(tmp_path_factory.mktemp("data"), slots=1, fetch=False)
    with TestClient(app, base_url=ADDRESS) as client:
        yield client


@pytest.fixture(scope="module")
def document(client: TestClient) -> dict[str, Any]:
    return dict(client.get("/openapi.json").json())


def routes(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(m, path, route) for path, methods in document["paths"].items() for m, route in methods.items()]


def check(value: Any, schema: dict[str, Any], document: dict[str, Any], where: str) -> None:
    """Whether the value is as the schema says, and holds nothing that it doesn't name."""
    whole = {**schema, "components": {"schemas": document["components"]["schemas"]}}
    try:
        jsonschema.Draft202012Validator(whole).validate(value)
    except jsonschema.ValidationError as error:
        pytest.fail(f"{where}: {error.message} ({'.'.join(map(str, error.absolute_path))}); {AGAIN}")
    unknown(value, schema, document, where)


def unknown(value: Any, schema: dict[str, Any], document: dict[str, Any], where: str) -> None:
    """Fail at a field that no schema names."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    for option in schema.get("anyOf", []):
        if "$ref" in option and value is not None:
            unknown(value, option, document, where)
    if isinstance(value, dict) and "properties" in schema:
        extra = set(value) - set(schema["properties"])
        assert not extra or "additionalProperties" in schema, f"{where}: {extra}; {AGAIN}"
        for name, part in value.items():
            unknown(part, schema["properties"].get(name, {}), document, f"{where}.{name}")
    elif isinstance(value, list):
        for part in value:
            unknown(part, schema.get("items") or {}, document, where)


def test_every_route_says_what_it_does(document: dict[str, Any]) -> None:
    for method, path, route in routes(document):
        where = f"{method} {path}"
        assert route.get("tags"), where
        assert route["summary"], where
        assert not route["summary"].endswith("."), where
        assert len(route.get("description", "")) > 15, where
        for parameter in route.get("parameters", []):
            assert parameter.get("description"), (where, parameter["name"])
            assert "example" in parameter, (where, parameter["name"])
            check(parameter["example"], parameter["schema"], document, f"{where} {parameter['name']}")
        for status, answer in route["responses"].items():
            assert answer["description"], (where, status)


def test_every_route_names_its_errors(document: dict[str, Any]) -> None:
    for method, path, route in routes(document):
        named, where = set(route["responses"]), f"{method} {path}"
        assert "{" not in path or {"404", "422"} <= named, where
        assert method not in WRITES or "403" in named, where
        assert "requestBody" not in route or "422" in named, where
        for status, answer in route["responses"].items():
            if status[0] in "45":
                content = answer["content"]["application/problem+json"]
                problem = document["components"]["examples"][f"Problem{status}"]["value"]
                assert list(content["examples"]) == [f"Problem{status}"]
                assert problem["status"] == int(status)
                check(problem, content["schema"], document, where)


def test_every_request_and_answer_has_an_example_that_fits(document: dict[str, Any]) -> None:
    for method, path, route in routes(document):
        bodies = [("request", media, content) for media, content in _contents(route.get("requestBody", {}))]
        bodies += [
            (status, media, content)
            for status, answer in route["responses"].items()
            for media, content in _contents(answer)
            if status[0] == "2"
        ]
        for kind, media, content in bodies:
            where = f"{method} {path} {kind} {media}"
            if BINARY.match(media):
                continue
            assert {"example", "examples"} & set(content), f"{where} has no example; {AGAIN}"
            for example in _values(content, document):
                if media != "text/event-stream":
                    check(example, content.get("schema", {}), document, where)


def _contents(part: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return list(part.get("content", {}).items())


def _values(content: dict[str, Any], document: dict[str, Any]) -> list[Any]:
    named = [document["components"]["examples"][name]["value"] for name in content.get("examples", {})]
    return [*named, *([content["example"]] if "example" in content else [])]


def test_every_schema_is_described_and_has_an_example(document: dict[str, Any]) -> None:
    examples = document["components"]["examples"]
    for name, schema in document["components"]["schemas"].items():
        assert schema["description"], name
        for field, part in schema["properties"].items():
            assert part.get("description"), f"{name}.{field} has no description"
        assert name in examples, f"{name} has no example; {AGAIN}"
        check(examples[name]["value"], {"$ref": f"#/components/schemas/{name}"}, document, name)


def test_no_example_is_left_over(document: dict[str, Any]) -> None:
    kept = json.loads(EXAMPLES.read_text(encoding="utf-8"))
    operations = {route["operationId"] for _, _, route in routes(document)}
    assert set(kept["schemas"]) <= set(document["components"]["schemas"])
    assert set(kept["requests"]) | set(kept["answers"]) <= operations
    text = EXAMPLES.read_text(encoding="utf-8")
    assert str(Path.home()) not in text
    assert "/tmp/" not in text


def test_the_examples_are_what_the_server_answers(client: TestClient, document: dict[str, Any]) -> None:
    """The same fields, of the same kinds, in what costs little to ask for."""
    query = {"name": "cup.png", "settings": json.dumps(QUICK)}
    job = client.post(JOBS, params=query, content=quick_photo(), headers={"Content-Type": "image/png"}).json()
    one = f"{JOBS}/{job['id']}"
    waiting.finished(client, one)
    stroke = document["paths"][f"{JOBS}/{{job_id}}/corrections"]["post"]["requestBody"]["content"]["application/json"]
    live = {
        "JobOut": client.get(one).json(),
        "JobsOut": client.get(JOBS).json(),
        "ModelsOut": client.get("/api/v1/models").json(),
        "HealthOut": client.get("/healthz").json(),
        "EstimateOut": client.get(f"{one}/advice/estimate").json(),
        "ProductsOut": client.get(f"{one}/products").json(),
        "CorrectionsOut": client.post(f"{one}/corrections", json=stroke["example"]).json(),
        "Problem": client.get(f"{JOBS}/none").json(),
    }
    for name, answer in live.items():
        check(answer, {"$ref": f"#/components/schemas/{name}"}, document, f"live {name}")
        example = document["components"]["examples"][name]["value"]
        assert set(example) == set(answer), f"{name}: {AGAIN}"
    schema = document["paths"]["/api/v1/settings"]["get"]["responses"]["200"]["content"]["application/json"]
    settings = client.get("/api/v1/settings").json()
    assert set(schema["example"]) == set(settings)
    for name, shown in schema["example"]["properties"].items():
        assert shown == settings["properties"][name], f"{name}: {AGAIN}"
    assert (
        client.get("/api/v1/examples").json()
        == document["paths"]["/api/v1/examples"]["get"]["responses"]["200"]["content"]["application/json"]["example"]
    )
