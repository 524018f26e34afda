"""Open to the network: nobody without the token, a certificate of one's own, QR codes."""

from __future__ import annotations

import re
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient

from diorama.errors import ServerError
from diorama.server import create_app, lan
from diorama.server.lan import Lan
from diorama.server.security import COOKIE

TOKEN = "t" * 43
ADDRESS = "https://192.168.7.5:5000"


@pytest.fixture(scope="module")
def app_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    data = tmp_path_factory.mktemp("data")
    app = create_app(data, hosts=["192.168.7.5"], fetch=False, lan=Lan(ADDRESS, TOKEN))
    yield TestClient(app, base_url=ADDRESS, follow_redirects=False)
    app.state.context.store.close()


@pytest.fixture
def client(app_client: TestClient) -> TestClient:
    app_client.cookies.clear()
    return app_client


@pytest.mark.parametrize(
    "path", ["/", "/healthz", "/api/v1/jobs", "/static/js/main.js", "/docs", "/openapi.json", "/no"]
)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": f"Bearer {TOKEN[:-1]}"},
        {"Cookie": f"{COOKIE}=wrong"},
        {"Cookie": f"diorama={TOKEN}"},
        {"Cookie": f'{COOKIE}="\x00'},
    ],
    ids=str,
)
def test_without_the_token_everything_is_refused(client: TestClient, path: str, headers: dict[str, str]) -> None:
    answer = client.get(path, headers=headers)
    assert answer.status_code == 401
    assert answer.json()["code"] == "no-token"
    assert TOKEN not in answer.text
    assert client.post("/api/v1/jobs", headers=headers, content=b"x").status_code == 401


def test_a_person_without_it_is_told_in_a_sentence(client: TestClient) -> None:
    answer = client.get("/", headers={"Accept": "text/html"})
    assert answer.status_code == 401
    assert "QR code" in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


@pytest.mark.parametrize("token", ["", "wrong", TOKEN + "t", "\N{SNOWMAN}"])
def test_a_wrong_token_in_the_address_opens_nothing(client: TestClient, token: str) -> None:
    answer = client.get("/", params={"token": token})
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


def test_the_link_becomes_a_cookie_and_leaves_the_address(client: TestClient) -> None:
    answer = client.get(f"/jobs/x?step=final&token={TOKEN}")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/jobs/x?step=final"
    cookie = answer.headers["set-cookie"].lower()
    assert all(part in cookie for part in ("__host-diorama=", "httponly", "secure", "samesite=strict", "path=/"))
    assert client.get("/", headers={"Cookie": f"{COOKIE}={TOKEN}"}).status_code == 200
    assert client.get("/healthz", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200


@pytest.mark.parametrize("path", ["//evil.example/", "///evil.example", "/%5C%5Cevil.example"])
def test_the_link_leads_nowhere_else(client: TestClient, path: str) -> None:
    location = client.get(f"{ADDRESS}{path}?token={TOKEN}").headers["location"]
    assert re.fullmatch(r"/[^/\\].*", location)


def test_hosts_and_origins_are_still_checked(client: TestClient) -> None:
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    assert client.get("/", headers={**bearer, "Host": "evil.example"}).status_code == 400
    wrong = {**bearer, "Origin": "https://evil.example"}
    assert client.delete(f"/api/v1/jobs/{'a' * 22}", headers=wrong).status_code == 403


def test_the_page_gets_a_qr_code(client: TestClient, tmp_path: Path) -> None:
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    assert client.get("/api/v1/lan", headers=bearer).json() == {"address": ADDRESS}
    answer = client.get("/api/v1/lan/qr.svg", params={"path": "/jobs/x"}, headers=bearer)
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.content == lan.qr_svg(f"{ADDRESS}/jobs/x?token={TOKEN}")
    assert client.get("/api/v1/lan/qr.svg", params={"path": "evil"}, headers=bearer).status_code == 422
    app = create_app(tmp_path, fetch=False)
    alone = TestClient(app, base_url="http://127.0.0.1")
    assert alone.get("/api/v1/lan").json() == {"address": None}
    assert alone.get("/api/v1/lan/qr.svg").status_code == 404
    app.state.context.store.close()


def test_a_certificate_is_kept_until_it_won_t_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cryptography import x509

    cert, key = lan.certificate(tmp_path / "tls", ["192.168.7.5", "box.local"])
    first = cert.read_bytes()
    if sys.platform != "win32":
        assert key.stat().st_mode & 0o077 == 0
    found = x509.load_pem_x509_certificate(first)
    assert found.not_valid_after_utc - datetime.now(UTC) < timedelta(days=lan.VALID_DAYS + 1)
    assert re.fullmatch(r"([0-9A-F]{2}:){31}[0-9A-F]{2}", lan.fingerprint(cert))
    lan.certificate(tmp_path / "tls", ["192.168.7.5"])
    assert cert.read_bytes() == first
    lan.certificate(tmp_path / "tls", ["192.168.7.6"])  # another network
    second = cert.read_bytes()
    assert second != first
    monkeypatch.setattr(lan, "RENEW_DAYS", lan.VALID_DAYS + 1)  # it would end too soon
    lan.certificate(tmp_path / "tls", ["192.168.7.6"])
    assert cert.read_bytes() != second
    cert.write_text("damaged")
    lan.certificate(tmp_path / "tls", ["192.168.7.6"])
    assert b"BEGIN CERTIFICATE" in cert.read_bytes()


def test_without_the_extra_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(ServerError, match=r"diorama-3d\[lan\]"):
        lan.certificate(tmp_path, ["x"])


def test_https_is_spoken_and_the_link_told(tmp_path: Path) -> None:
    """The real server, at an address that isn't loopback's usual one, so that no network is needed."""
    code = (
        "import sys; from pathlib import Path; from diorama.server import serve\n"
        "serve('127.0.0.2', 0, Path(sys.argv[1]), lan=True, fetch=False)"
    )
    if sys.platform == "darwin":
        pytest.skip("macOS has no 127.0.0.2")
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        timer = threading.Timer(60, process.kill)
        timer.start()
        assert process.stdout is not None
        said = process.stdout.readline()
        match = re.search(r"https://127\.0\.0\.2:\d+/\?token=[\w-]{43}", said)
        assert match, said
        trusted = ssl.create_default_context(cafile=str(tmp_path / "tls" / "certificate.pem"))
        with httpx.Client(verify=trusted, follow_redirects=True) as client:
            root = match.group().partition("?")[0]
            assert client.get(root).status_code == 401
            assert client.get(match.group()).status_code == 200
            assert client.get(f"{root}api/v1/jobs").json() == {"jobs": []}
        timer.cancel()
        process.terminate()
