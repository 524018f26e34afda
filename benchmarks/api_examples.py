"""Make the examples of the HTTP API's OpenAPI document, `src/diorama/server/examples.json`.

    python benchmarks/api_examples.py

Takes scikit-image's "coffee" (CC0) through a server in this process, on an empty data folder, and keeps what was sent
and answered: lists are cut to what shows their form, numbers rounded. To be run when an answer of the API changes;
`tests/test_openapi.py` says so.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
from fastapi.testclient import TestClient

from diorama import photo
from diorama.server import create_app, problems
from diorama.server.lan import Lan
from diorama.server.openapi import EXAMPLES

JOBS = "/api/v1/jobs"
SETTINGS = {"processing_size": 512, "triangles": 50000}

LONGEST = 4  # a list that is longer is cut to its first two
MOST_SETTINGS = 3  # of the forty


class Recorder:
    """A client that keeps the examples of what it sends and gets."""

    def __init__(self, client: TestClient, document: dict[str, Any]) -> None:
        self.client = client
        self.document = document
        self.schemas: dict[str, Any] = {}
        self.requests: dict[str, Any] = {}
        self.answers: dict[str, Any] = {}
        self.problems: dict[str, Any] = {}

    def route(self, operation: str) -> tuple[str, dict[str, Any]]:
        """Method and description of a route."""
        return next(
            (method, route)
            for methods in self.document["paths"].values()
            for method, route in methods.items()
            if route["operationId"] == operation
        )

    def sent(self, operation: str, body: dict[str, Any]) -> None:
        """Keep a request's body."""
        media = "application/json"
        self.requests[operation] = {media: body}
        self._walk(self.route(operation)[1]["requestBody"]["content"][media]["schema"], body)

    def ask(self, operation: str, path: str, **how: Any) -> httpx.Response:
        """Send a request and keep it and its answer under the route's name."""
        method, route = self.route(operation)
        answer = self.client.request(method.upper(), path, **how)
        if "json" in how:
            self.sent(operation, how["json"])
        kind = answer.headers.get("content-type", "").partition(";")[0]
        if kind == problems.MEDIA_TYPE:
            self.problems.setdefault(str(answer.status_code), answer.json())
        elif kind == "application/json":
            content = route["responses"][str(answer.status_code)]["content"][kind]
            self._keep(operation, content, shortened(answer.json()))
        elif kind == "text/event-stream":
            lines = [line[:160] + ("..." if len(line) > 160 else "") for line in answer.text.splitlines()]
            self.answers.setdefault(operation, "\n".join(lines[:4]) + "\n")
        return answer

    def finished(self, job_id: str) -> dict[str, Any]:
        """The job, once its step is made."""
        while (job := self.client.get(f"{JOBS}/{job_id}").json())["state"] in ("queued", "running"):
            time.sleep(0.1)
        return dict(job)

    def _keep(self, operation: str, content: dict[str, Any], value: Any) -> None:
        if "$ref" not in content["schema"]:
            self.answers.setdefault(operation, value)
        self._walk(content["schema"], value)

    def _walk(self, schema: dict[str, Any], value: Any) -> None:
        """Keep the first value that there is of every schema with a name."""
        if value is None:
            return
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            self.schemas.setdefault(name, value)
            schema = self.document["components"]["schemas"][name]
        for option in schema.get("anyOf", []):
            self._walk(option, value)
        if isinstance(value, dict):
            for key, part in value.items():
                inside = schema.get("properties", {}).get(key) or schema.get("additionalProperties")
                if isinstance(inside, dict):
                    self._walk(inside, part)
        elif isinstance(value, list) and isinstance(schema.get("items"), dict):
            for part in value:
                self._walk(schema["items"], part)


def shortened(value: Any, key: str = "") -> Any:
    """The same with short lists, few settings and rounded numbers."""
    if isinstance(value, dict):
        items = list(value.items())
        if key in ("settings", "properties"):
            items = items[:MOST_SETTINGS]
        return {name: shortened(part, name) for name, part in items}
    if isinstance(value, list):
        numbers = all(isinstance(part, (int, float)) for part in value)
        return [shortened(part) for part in (value if len(value) <= LONGEST or numbers else value[:2])]
    if isinstance(value, float):
        return round(value, 3)
    return value


def photos_way(api: Recorder) -> dict[str, str]:
    """Every route once; what stands for the parts of the paths."""
    with photo.example("coffee").open("rb") as file:
        sent = {"photo": ("coffee.png", file, "image/png")}
        job = api.ask("create_job", JOBS, files=sent, data={"settings": json.dumps(SETTINGS)}).json()["id"]
    api.requests["create_job"] = {
        "multipart/form-data": {"photo": "(the picture's bytes)", "settings": json.dumps(SETTINGS)}
    }
    one = f"{JOBS}/{job}"
    api.ask("create_job", JOBS, content=b"no photo", headers={"Content-Type": "image/png"})
    too_long = {"Content-Type": "image/png", "Content-Length": str(10**9)}
    api.ask("create_job", JOBS, content=b"no photo", headers=too_long)
    api.ask("validate_step", f"{one}/validate", json={"step": "original"})  # 409: not finished
    api.finished(job)
    api.ask("follow_job", f"{one}/events")
    stroke = {"kind": "nearer", "points": [[0.41, 0.52], [0.47, 0.55]], "radius": 0.02, "strength": 0.15}
    api.ask("add_correction", f"{one}/corrections", json=stroke)
    api.ask("put_corrections", f"{one}/corrections", json={"corrections": [stroke]})
    api.ask("list_corrections", f"{one}/corrections")
    api.ask("undo_correction", f"{one}/corrections/undo")
    api.ask("delete_corrections", f"{one}/corrections")
    api.sent("rerun_step", {"step": "original", "settings": {"depth_range": 6}})
    api.ask("validate_step", f"{one}/validate", json={"step": "original"})
    api.finished(job)
    segments = api.ask("list_segments", f"{one}/segments").json()["segments"]
    ids = [segment["id"] for segment in segments]
    api.ask("rename_segment", f"{one}/segments/{ids[0]}", json={"name": "Coffee cup"})
    api.finished(job)
    api.sent("merge_segments", {"ids": ids[:2]})
    api.sent("split_segment", {"id": ids[0], "x": 0.4, "y": 0.35})
    for name in ("JobOut", "ResultOut", "SegmentOut", "SegmentsOut"):
        api.schemas.pop(name, None)  # later ones say more
    api.ask("list_segments", f"{one}/segments")
    api.ask("get_job", one)
    made = api.ask("make_product", f"{one}/products", json={"step": "enhanced", "product": "glb", "options": {}}).json()
    while api.client.get(f"{one}/products/{made['id']}").json()["state"] in ("queued", "running"):
        time.sleep(0.1)
    for name in ("MadeOut", "ProductsOut"):
        api.schemas.pop(name, None)
    api.ask("get_product", f"{one}/products/{made['id']}")
    api.ask("list_products", f"{one}/products")
    api.ask("list_jobs", JOBS)
    api.ask("estimate_advice", f"{one}/advice/estimate")
    for operation, path in (("list_examples", "examples"), ("get_settings", "settings"), ("list_models", "models")):
        api.ask(operation, f"/api/v1/{path}")
    api.client.app.state.context.lan = Lan("https://192.168.1.5:5000", "token")  # type: ignore[attr-defined]
    api.ask("get_lan", "/api/v1/lan")
    api.ask("healthz", "/healthz")
    api.ask("readyz", "/readyz")
    api.ask("get_job", f"{JOBS}/none")
    api.ask("list_jobs", JOBS, params={"limit": 0})
    api.ask("get_job", one, headers={"Host": "example.org"})
    api.ask("delete_job", one, headers={"Origin": "https://example.org"})
    api.client.app.state.context.max_queued = 0  # type: ignore[attr-defined]
    api.ask("create_job", JOBS, params={"example": "coffee"})
    return {
        "job_id": job,
        "segment_id": ids[0],
        "product_id": made["id"],
        "create_job.example": "coffee",
        "create_job.name": "coffee.png",
        "create_job.settings": json.dumps(SETTINGS),
        "list_jobs.limit": 10,
        "get_file.name": "original/scene.glb",
        "get_file.download": True,
        "get_example.name": "coffee",
        "get_example_thumbnail.name": "coffee",
        "list_products.step": "enhanced",
        "get_qr.path": f"/jobs/{job}",
        "v": "1",
    }


def errors_that_need_bad_luck() -> dict[str, Any]:
    """What a full disk and missing weights are answered with."""
    from diorama.errors import StorageError, WeightsMissingError

    full = StorageError("The disk is full.", hint="Free some room, or set DIORAMA_DATA to another folder.")
    absent = WeightsMissingError(
        "The weights of midas-v21-small are not in the cache.", hint="Fetch them: diorama models pull midas-v21-small."
    )
    return {str(error.http_status): problems.of_error(error).model_dump() for error in (full, absent)}


def main() -> None:
    """Make the file."""
    os.environ["DIORAMA_OFFLINE"] = "1"
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        os.environ.pop(name, None)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DIORAMA_CACHE"] = f"{folder}/cache"
        app = create_app(Path(folder) / "data", slots=1, fetch=False)
        with TestClient(app, base_url="http://127.0.0.1:5000", raise_server_exceptions=False) as client:
            api = Recorder(client, app.openapi())
            parameters = photos_way(api)
    kept = {
        "schemas": dict(sorted(api.schemas.items())),
        "requests": api.requests,
        "answers": api.answers,
        "problems": dict(sorted((api.problems | errors_that_need_bad_luck()).items())),
        "parameters": parameters,
    }
    kept["schemas"]["Problem"] = kept["problems"]["404"]
    EXAMPLES.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{EXAMPLES}: {len(kept['schemas'])} schemas, {EXAMPLES.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
