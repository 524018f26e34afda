"""The OpenAI path against a local server that checks the request, answers errors, nonsense, or nothing."""

from __future__ import annotations

import base64
import contextlib
import email.parser
import email.policy
import io
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from diorama import inpaint
from diorama.errors import DioramaError, DownloadError, ModelError
from diorama.inpaint import openai_images

KEY = "sk-test-never-to-be-seen"
SIZES = openai_images.SIZES
RED = (200, 30, 40)
Reply = tuple[int, bytes]


class Service(ThreadingHTTPServer):
    """Keeps the last request; `reply` makes the answer from its fields."""

    daemon_threads = True
    reply: Callable[[dict[str, bytes]], Reply]
    path = ""
    authorization = ""
    fields: dict[str, bytes]
    requests = 0


class Handler(BaseHTTPRequestHandler):
    server: Service

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
        fields = {
            str(part.get_param("name", header="content-disposition")): part.get_payload(decode=True)
            for part in message.iter_parts()
        }
        self.server.path, self.server.authorization = self.path, self.headers["Authorization"]
        self.server.fields = fields
        self.server.requests += 1
        status, answer = self.server.reply(fields)
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # who asked has given up
            self.wfile.write(answer)

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    server = Service(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{server.server_address[1]}/v1/")
    for proxy in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(proxy, raising=False)
    monkeypatch.setattr(openai_images, "SIZES", ((128, 128), (192, 128), (128, 192)))  # the real ones take a second
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def _encoded(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return json.dumps({"created": 1, "data": [{"b64_json": base64.b64encode(buffer.getvalue()).decode()}]}).encode()


def paint(fields: dict[str, bytes]) -> Reply:
    """The whole picture in red: only the hole may become so."""
    width, height = map(int, fields["size"].split(b"x"))
    return 200, _encoded(Image.new("RGB", (width, height), RED))


def scene() -> tuple[NDArray[np.uint8], NDArray[np.bool_], NDArray[np.bool_]]:
    rng = np.random.default_rng(3)
    rgb = rng.integers(0, 200, (60, 90, 3), dtype=np.uint8)
    hole = np.zeros((60, 90), bool)
    hole[20:40, 30:50] = True
    known = np.ones_like(hole)
    known[:, :30] = False
    rgb[~known] = (255, 0, 255)
    return rgb, hole, known


def test_the_request_holds_the_picture_and_a_mask_and_the_answer_fills_the_hole_only(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openai_images, "SIZES", SIZES)
    service.reply = paint
    rgb, hole, known = scene()
    out = inpaint.fill(rgb, hole, known, model="openai")
    assert np.array_equal(out[~hole], rgb[~hole])
    assert (out[hole] == RED).all()

    assert service.path == "/v1/images/edits"
    assert service.authorization == f"Bearer {KEY}"
    assert set(service.fields) == {"model", "prompt", "n", "size", "image", "mask"}
    assert service.fields["model"].decode() == openai_images.MODEL
    assert service.fields["size"] == b"1536x1024"
    sent, mask = (Image.open(io.BytesIO(service.fields[name])) for name in ("image", "mask"))
    assert (sent.format, sent.mode, sent.size) == ("PNG", "RGB", (1536, 1024))
    assert (mask.format, mask.mode, mask.size) == ("PNG", "RGBA", (1536, 1024))
    alpha = np.asarray(mask)[..., 3]
    assert set(np.unique(alpha)) == {0, 255}
    # The hole and what isn't known are transparent, the rest is to be kept.
    assert (alpha[:, : 1536 * 30 // 90 - 1] == 0).all()
    assert (alpha[1024 * 22 // 60 : 1024 * 38 // 60, 1536 * 32 // 90 : 1536 * 48 // 90] == 0).all()
    assert (alpha[: 1024 * 18 // 60, 1536 * 52 // 90 :] == 255).all()
    # Nothing of the unknown part is sent.
    assert not np.asarray(sent)[:, : 1536 * 25 // 90].any()


def test_words_of_what_is_behind_go_with_it(service: Service) -> None:
    rgb, hole = np.full((40, 60, 3), 90, np.uint8), np.zeros((40, 60), bool)
    hole[10:20, 20:40] = True
    service.reply = paint
    inpaint.fill(rgb, hole, ~hole, model="openai", prompt="behind Chair:\x00 a\nbrick wall " + 9999 * "x")
    sent = service.fields["prompt"].decode()
    assert sent.startswith(openai_images.PROMPT)
    assert "behind Chair: a brick wall xxx" in sent
    assert len(sent) < len(openai_images.PROMPT) + openai_images.MAX_WORDS + 60


@pytest.mark.parametrize(("size", "wanted"), [((90, 60), b"128x192"), ((64, 64), b"128x128"), ((8, 200), b"192x128")])
def test_each_shape_gets_the_canvas_most_like_it(service: Service, size: tuple[int, int], wanted: bytes) -> None:
    service.reply = paint
    rgb = np.zeros((*size, 3), np.uint8)
    hole = np.zeros(size, bool)
    hole[2:5, 2:5] = True
    out = inpaint.fill(rgb, hole, ~hole, model="openai")
    assert service.fields["size"] == wanted
    assert (out[hole] == RED).all()


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "refused the key"), (403, "refused the key"), (429, "too many requests"), (500, "problem of its own"),
     (503, "problem of its own"), (400, "refused the picture"), (302, "refused the picture")],
)  # fmt: skip
def test_refusals_are_sentences_without_the_key(
    service: Service, status: int, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    service.reply = lambda _: (status, json.dumps({"error": {"message": f"bad key {KEY}"}}).encode())
    with pytest.raises(ModelError, match=words) as caught:
        inpaint.fill(*scene(), model="openai")
    _has_no_key(caught.value, caplog.text)


GARBAGE = [
    b"", b"<html>", b"[]", b"{}", b'{"data": []}', b'{"data": [{"url": "http://x"}]}', b'{"data": [{"b64_json": 7}]}',
    b'{"data": [{"b64_json": "%%%"}]}', b'{"data": [{"b64_json": "aGVsbG8="}]}', b"\xff\xfe\x00",
]  # fmt: skip


@pytest.mark.parametrize("body", GARBAGE)
def test_nonsense_is_no_picture(service: Service, body: bytes) -> None:
    service.reply = lambda _: (200, body)
    with pytest.raises(ModelError, match="holds no picture"):
        inpaint.fill(*scene(), model="openai")


def test_a_damaged_or_huge_picture_is_refused(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = json.loads(_encoded(Image.effect_noise((64, 64), 90)))["data"][0]["b64_json"]
    half = base64.b64encode(base64.b64decode(whole)[:600]).decode()
    service.reply = lambda _: (200, json.dumps({"data": [{"b64_json": half}]}).encode())
    with pytest.raises(ModelError, match="holds no picture"):
        inpaint.fill(*scene(), model="openai")
    service.reply = lambda _: (200, _encoded(Image.new("1", (5000, 5000))))
    with pytest.raises(ModelError, match="holds no picture"):
        inpaint.fill(*scene(), model="openai")
    monkeypatch.setattr(openai_images, "MAX_ANSWER", 1000)
    service.reply = lambda _: (200, b" " * 5000)
    with pytest.raises(ModelError, match="too large"):
        inpaint.fill(*scene(), model="openai")


def test_an_answer_of_another_size_is_fitted(service: Service) -> None:
    service.reply = lambda _: (200, _encoded(Image.new("RGB", (300, 200), RED)))
    rgb, hole, known = scene()
    assert (inpaint.fill(rgb, hole, known, model="openai")[hole] == RED).all()


def test_a_service_that_hangs_is_given_up(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(openai_images, "TIMEOUT", httpx.Timeout(0.3))

    def hang(fields: dict[str, bytes]) -> Reply:
        time.sleep(1.5)
        return paint(fields)

    service.reply = hang
    with pytest.raises(DownloadError, match="too long") as caught:
        inpaint.fill(*scene(), model="openai")
    _has_no_key(caught.value, caplog.text)


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "nonsense", "ftp://x", "http://[", "http://127.0.0.1:99999"])
def test_a_service_that_is_not_there(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    with pytest.raises(DownloadError, match="can't be reached") as caught:
        inpaint.fill(*scene(), model="openai")
    _has_no_key(caught.value, "")


def test_without_a_key_nothing_is_sent_and_auto_never_takes_it(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert inpaint.choose("openai")[0] == "openai"
    assert inpaint.choose()[0] == "bundled"
    monkeypatch.setenv("OPENAI_API_KEY", " ")
    with pytest.raises(ModelError, match="OPENAI_API_KEY"):
        inpaint.fill(*scene(), model="openai")
    rgb, hole, known = scene()
    flat = np.zeros(hole.shape, np.float32)
    with pytest.raises(ModelError, match="OPENAI_API_KEY"):
        openai_images.fill(rgb, hole, known, flat, flat)
    assert service.requests == 0


def test_where_nothing_may_be_sent_the_bundled_fill_serves(service: Service) -> None:
    """Everything known stands in front of the hole."""
    rgb = np.full((20, 20, 3), 90, np.uint8)
    hole = np.zeros((20, 20), bool)
    hole[:, 10:] = True
    behind = np.where(hole, 1, 50).astype(np.float32)
    out = inpaint.fill(rgb, hole, ~hole, disparity=behind, model="openai")
    assert service.requests == 0
    assert (out[hole] == 90).all()


def _has_no_key(error: DioramaError, log: str) -> None:
    seen: BaseException | None = error
    while seen is not None:
        assert KEY not in f"{seen!r} {seen}"
        seen = seen.__cause__
    assert KEY not in log
    assert error.hint
