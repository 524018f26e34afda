"""Several users: tokens, who is let in, and that nobody reaches another's jobs."""

from __future__ import annotations

import hmac
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

import workplace
from diorama.errors import ServerError
from diorama.server import create_app, serve, serving, users
from diorama.server.security import COOKIE, PLAIN_COOKIE
from diorama.server.users import SOLE, Users, from_environment

ANNA, BEN, OWNER = "anna-" * 5, "ben--" * 5, "owner" * 5
JOBS = "/api/v1/jobs"
ADDRESS = "http://127.0.0.1:5000"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    known = Users({"anna": ANNA, "ben": BEN, SOLE: OWNER})
    app = create_app(tmp_path_factory.mktemp("data"), fetch=False, users=known)
    yield TestClient(app, base_url=ADDRESS, follow_redirects=False)
    app.state.context.store.close()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def upload(client: TestClient, token: str) -> str:
    headers = bearer(token) | {"Content-Type": "image/png"}
    answer = client.post(JOBS, content=workplace.quick_photo(), headers=headers)
    assert answer.status_code == 201
    return str(answer.json()["id"])


def test_everybody_sees_their_own_jobs_alone(client: TestClient) -> None:
    mine = {token: upload(client, token) for token in (ANNA, BEN, OWNER)}
    for token, job in mine.items():
        listed = client.get(JOBS, headers=bearer(token)).json()["jobs"]
        assert [entry["id"] for entry in listed] == [job]
        assert client.get(f"{JOBS}/{job}", headers=bearer(token)).status_code == 200


def job_routes(client: TestClient) -> list[tuple[str, str]]:
    """Every route of the API that is about one job."""
    document = client.get("/openapi.json", headers=bearer(ANNA)).json()
    return [(method, path) for path, methods in document["paths"].items() if "{job_id}" in path for method in methods]


def test_another_s_job_is_not_there_whatever_is_asked_of_it(client: TestClient) -> None:
    job, absent = upload(client, ANNA), "a" * 22
    routes = [*job_routes(client), ("head", f"{JOBS}/{{job_id}}/files/{{name}}")]
    assert len(routes) > 20
    for method, path in routes:
        answers = []
        for asked in (job, absent):
            address = path.format(job_id=asked, segment_id=1, product_id="x", name="original/scene.glb")
            answers.append(client.request(method, address, headers=bearer(BEN), json={}))
        assert [answer.status_code for answer in answers] == [404, 404], (method, path)
        assert without_id(answers[0]) == without_id(answers[1]), "who asks could tell that the job exists"
    assert client.get(f"{JOBS}/{job}", headers=bearer(ANNA)).json()["state"] == "queued"


def without_id(answer: Any) -> Any:
    if not answer.content:
        return None
    return {name: value for name, value in answer.json().items() if name != "request_id"}


def test_a_server_without_users_shows_all(tmp_path: Path) -> None:
    app = create_app(tmp_path, fetch=False, users=Users({"anna": ANNA}))
    job = upload(TestClient(app, base_url=ADDRESS), ANNA)
    app.state.context.store.close()
    app = create_app(tmp_path, fetch=False)
    client = TestClient(app, base_url=ADDRESS)
    assert [entry["id"] for entry in client.get(JOBS).json()["jobs"]] == [job]
    assert client.get(f"{JOBS}/{job}").status_code == 200
    app.state.context.store.close()


def test_probes_need_no_token_and_nothing_else_goes_without(client: TestClient) -> None:
    client.cookies.clear()
    assert client.get("/healthz").status_code == 200
    for path in ("/", JOBS, "/metrics", "/docs", "/openapi.json", "/static/js/main.js", "/healthz/", "/login"):
        assert client.get(path).status_code == 401, path


def test_a_person_types_the_token(client: TestClient) -> None:
    client.cookies.clear()
    page = client.get("/", headers={"Accept": "text/html"})
    assert page.status_code == 401
    assert '<form method="post" action="/login">' in page.text
    assert "form-action 'self'" in page.headers["content-security-policy"]
    assert page.headers["referrer-policy"] == "same-origin"
    wrong = client.post("/login", data={"token": "no"}, headers={"Accept": "text/html"})
    assert wrong.status_code == 401
    assert "set-cookie" not in wrong.headers
    assert client.post("/login", data={"token": ANNA + "x" * 5000}).status_code == 401
    elsewhere = client.post("/login", data={"token": ANNA}, headers={"Origin": "https://evil.example"})
    assert elsewhere.status_code == 403
    answer = client.post("/login", data={"token": f" {ANNA} "})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith(f"{PLAIN_COOKIE}=")
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert client.get("/").status_code == 200
    client.cookies.clear()


def test_behind_https_only_the_secure_cookie_counts(client: TestClient) -> None:
    client.cookies.clear()
    proxied = {"X-Forwarded-Proto": "https"}
    answer = client.post("/login", data={"token": ANNA}, headers=proxied)
    assert "secure" in answer.headers["set-cookie"].lower()
    client.cookies.clear()
    assert client.get("/", headers=proxied | {"Cookie": f"{COOKIE}={ANNA}"}).status_code == 200
    assert client.get("/", headers=proxied | {"Cookie": f"{PLAIN_COOKIE}={ANNA}"}).status_code == 401


def test_tokens_come_from_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(f"# the others\n\nben : {BEN}\n")
    found = from_environment(
        {"DIORAMA_TOKEN": OWNER, "DIORAMA_TOKENS": f"anna:{ANNA}", "DIORAMA_TOKENS_FILE": str(file)}
    )
    assert [found.who(token) for token in (OWNER, ANNA, BEN, "", "x" * 30)] == [SOLE, "anna", "ben", None, None]
    assert not from_environment({})
    assert not from_environment({"DIORAMA_TOKEN": "", "DIORAMA_TOKENS": " , "})


@pytest.mark.parametrize(
    "environment",
    [
        {"DIORAMA_TOKEN": "short"},
        {"DIORAMA_TOKEN": "with spaces in it, which get lost"},
        {"DIORAMA_TOKENS": "no-colon-in-this-one-at-all"},
        {"DIORAMA_TOKENS": f":{ANNA}"},
        {"DIORAMA_TOKENS": f"a/b:{ANNA}"},
        {"DIORAMA_TOKENS": f"anna:{ANNA},anna:{BEN}"},
        {"DIORAMA_TOKENS": f"anna:{ANNA},ben:{ANNA}"},
        {"DIORAMA_TOKENS_FILE": "/no/such/file"},
    ],
    ids=str,
)
def test_what_can_t_be_used_is_said_without_showing_a_token(environment: dict[str, str]) -> None:
    with pytest.raises(ServerError) as caught:
        from_environment(environment)
    assert caught.value.hint
    for token in (ANNA, BEN, "get lost", "no-colon"):
        assert token not in str(caught.value)


def test_tokens_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every token is compared, each by `hmac.compare_digest`, wherever the right one stands."""
    original, seen = hmac.compare_digest, list[tuple[bytes, bytes]]()

    def compared(given: bytes, wanted: bytes) -> bool:
        seen.append((given, wanted))
        return original(given, wanted)

    monkeypatch.setattr(users.hmac, "compare_digest", compared)
    known = Users({"anna": ANNA, "ben": BEN, SOLE: OWNER})
    for token in (ANNA, OWNER, "nobody's"):
        seen.clear()
        known.who(token)
        assert len(seen) == 3
        assert all(len(given) == len(wanted) == 32 for given, wanted in seen)
    assert ANNA not in repr(known)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7"])
def test_open_to_others_it_starts_with_a_token_alone(
    host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DIORAMA_TOKEN", "DIORAMA_TOKENS", "DIORAMA_TOKENS_FILE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ServerError, match="DIORAMA_TOKEN") as caught:
        serve(host, 0, tmp_path, fetch=False)
    assert "--lan" in caught.value.hint
    monkeypatch.setenv("DIORAMA_TOKEN", "too short")
    with pytest.raises(ServerError, match="shorter"):
        serve(host, 0, tmp_path, fetch=False)


def test_the_qr_code_is_its_owner_s(tmp_path: Path) -> None:
    from diorama.server.lan import Lan

    app = create_app(tmp_path, fetch=False, lan=Lan("http://127.0.0.1", OWNER), users=Users({"anna": ANNA}))
    client = TestClient(app, base_url=ADDRESS)
    assert client.get("/api/v1/lan/qr.svg", headers=bearer(OWNER)).status_code == 200
    assert client.get("/api/v1/lan/qr.svg", headers=bearer(ANNA)).status_code == 404
    app.state.context.store.close()


def test_other_host_names_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIORAMA_HOSTS", "diorama.example, pictures.example")
    app = create_app(tmp_path, fetch=False)
    client = TestClient(app, base_url=ADDRESS)
    for host, status in (("diorama.example", 200), ("pictures.example:443", 200), ("other.example", 400)):
        assert client.get("/healthz", headers={"Host": host}).status_code == status
    app.state.context.store.close()


def test_the_address_told_is_one_that_is_answered() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        for host, told in (("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("192.0.2.7", "192.0.2.7")):
            assert serving._address(host, listener) == f"http://{told}:{port}"
