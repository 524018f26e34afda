"""Hosts, origins, headers, and errors that give nothing away."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from diorama.server import create_app

ADDRESS = "http://127.0.0.1:5000"
JOBS = "/api/v1/jobs"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    app = create_app(tmp_path_factory.mktemp("data"), hosts=["[::1]", "diorama.test"], fetch=False)

    @app.get("/broken", include_in_schema=False)
    def broken() -> None:
        raise RuntimeError("a secret path: /etc/shadow")

    # Not entered: no worker is started where none is needed.
    yield TestClient(app, base_url=ADDRESS, raise_server_exceptions=False)
    app.state.context.store.close()


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:5000", "localhost:81", "LOCALHOST", "[::1]:5000", "[::1]", "diorama.test:5000"]
)
def test_own_names_are_answered(client: TestClient, host: str) -> None:
    assert client.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example:5000",
        "evil.example:5000@127.0.0.1",
        "127.0.0.1@evil.example",
        "127.0.0.1:5000:80",
        "127.0.0.1/..",
        "127.0.0.1\tx",
        "[::1",
        "[::2]",
        "0.0.0.0",
        "127.0.0.1 ",
        "",
    ],
)
def test_other_names_are_not(client: TestClient, host: str) -> None:
    answer = client.get("/healthz", headers={"Host": host})
    assert answer.status_code == 400
    assert answer.json()["code"] == "host-not-allowed"
    assert answer.headers["content-type"] == "application/problem+json"


def test_two_hosts_are_one_too_many(client: TestClient) -> None:
    answer = client.get("/healthz", headers=[("Host", "127.0.0.1"), ("Host", "evil.example")])
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:8000"},
        {"Origin": "http://127.0.0.1"},
        {"Origin": "http://localhost:5000"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://127.0.0.1:5000", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"},
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["POST", "DELETE", "PUT", "PATCH"])
def test_other_sites_may_not_write(client: TestClient, method: str, headers: dict[str, str]) -> None:
    answer = client.request(method, f"{JOBS}/{'a' * 22}", headers=headers)
    assert answer.status_code == 403
    assert answer.json()["code"] == "cross-origin"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://127.0.0.1:5000"},
        {"Origin": "http://127.0.0.1:5000", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
    ],
    ids=str,
)
def test_our_own_page_and_programs_may(client: TestClient, headers: dict[str, str]) -> None:
    assert client.delete(f"{JOBS}/{'a' * 22}", headers=headers).status_code == 404


def test_nobody_else_may_read(client: TestClient) -> None:
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    for answer in (client.get(JOBS, headers=asked), client.options(JOBS, headers=asked)):
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize("path", ["/", "/jobs/x", "/docs", "/healthz", JOBS, "/nowhere", "/static/docs.html"])
def test_every_answer_carries_the_headers(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "microphone=()" in headers["permissions-policy"]
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "base-uri 'none'" in policy
    assert "unsafe" not in policy
    assert "http:" not in policy
    assert headers["cache-control"]
    assert "server" not in headers


def test_the_documentation_asks_nobody_else(client: TestClient) -> None:
    page = client.get("/docs").text
    assert not re.findall(r"""(?:src|href)=["'](?!/)""", page)
    for address in re.findall(r"""(?:src|href)=["'](/[^"']+)""", page):
        assert client.get(address).status_code == 200, address


def test_the_api_describes_itself(client: TestClient) -> None:
    described = client.get("/openapi.json").json()
    assert "HTTPValidationError" not in described["components"]["schemas"]
    for path, operations in described["paths"].items():
        for operation in operations.values():
            assert operation["summary"], path
            assert operation["description"], path
            assert operation["tags"], path
            for status, answer in operation["responses"].items():
                if status >= "400":
                    assert list(answer["content"]) == ["application/problem+json"], (path, status)


def test_what_goes_wrong_inside_stays_inside(client: TestClient) -> None:
    answer = client.get("/broken")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "shadow" not in answer.text
    assert answer.json()["hint"]


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nowhere", 404), ("PUT", JOBS, 405), ("POST", "/healthz", 405)]
)
def test_wrong_addresses_are_problems_too(client: TestClient, method: str, path: str, status: int) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert answer.json()["detail"].endswith(".")
    if status == 405:
        assert answer.headers["allow"]


def test_a_body_without_a_type_is_not_taken_for_json(client: TestClient) -> None:
    answer = client.post(f"{JOBS}/{'a' * 22}/validate", content=b'{"step": "original"}')
    assert answer.status_code == 422
