"""The OpenAPI document, made whole: examples of every request and answer, and what its parameters mean.

The examples are real: `python benchmarks/api_examples.py` takes a photo through the API and keeps what was sent and
answered, shortened, in `examples.json`.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from pathlib import Path
from typing import Any

from fastapi import FastAPI

EXAMPLES = Path(__file__).with_name("examples.json")

PARAMETERS = {
    "job_id": "The job's `id`.",
    "segment_id": "The segment's `id`.",
    "product_id": "The file's `id`, as it was answered when it was asked for.",
    "name": "The file's `name` in the job's `files`, such as `original/scene.glb`; or the example's name.",
}
"""What a path's parts mean, of all routes alike."""


def install(app: FastAPI) -> None:
    """Complete what `app` says of itself at `/openapi.json`."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = complete(FastAPI.openapi(app))
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """Add the examples and the parameters' meanings to an OpenAPI document, in place."""
    kept = json.loads(EXAMPLES.read_text(encoding="utf-8"))
    examples = {name: {"value": value} for name, value in kept["schemas"].items()}
    for status, value in kept["problems"].items():
        examples[f"Problem{status}"] = {"summary": HTTPStatus(int(status)).phrase, "value": value}
    document["components"]["examples"] = examples
    for methods in document["paths"].values():
        for route in methods.values():
            _complete_route(route, kept, examples)
    return document


def _complete_route(route: dict[str, Any], kept: dict[str, Any], examples: dict[str, Any]) -> None:
    operation = route["operationId"]
    for parameter in route.get("parameters", []):
        name = parameter["name"]
        parameter.setdefault("description", PARAMETERS.get(name, ""))
        value = kept["parameters"].get(f"{operation}.{name}", kept["parameters"].get(name))
        if value is not None:
            parameter["example"] = value
    for media, content in route.get("requestBody", {}).get("content", {}).items():
        value = kept["requests"].get(operation, {}).get(media)
        if value is not None:
            content["example"] = value
    for status, answer in route["responses"].items():
        if answer["description"] == "Successful Response":  # FastAPI's own words say nothing
            answer["description"] = "Done." if status == "204" else "As it is now."
        for media, content in answer.get("content", {}).items():
            named = f"Problem{status}" if media.endswith("problem+json") else _schema_name(content)
            if named in examples:
                content["examples"] = {named: {"$ref": f"#/components/examples/{named}"}}
            elif operation in kept["answers"]:
                content["example"] = kept["answers"][operation]


def _schema_name(content: dict[str, Any]) -> str:
    return str(content.get("schema", {}).get("$ref", "")).rpartition("/")[2]
