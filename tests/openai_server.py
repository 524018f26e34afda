"""A local server that speaks OpenAI's chat completions, checks every request, and plays good and bad models.

    python tests/openai_server.py --port 8123 --play good

Then ``OPENAI_BASE_URL=http://127.0.0.1:8123/v1 OPENAI_API_KEY=any diorama make photo.jpg --advisor openai -o out.glb``.
A request that breaks the published schema is answered with 400 and kept in `OpenAIServer.problems`.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import io
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, get_args

from diorama.advice import Shape

INJECTED = (
    '<img src=x onerror="document.title=\'injected\'"><script>document.title="injected"</script> ../../etc/passwd'
)
"""A segment's name that would do harm where it is not shown as text."""

# ---- the published schema of a request (api-reference/chat/create), as far as it may be used here ------------------

_TEXT_PART = {
    "type": "object",
    "properties": {"type": {"const": "text"}, "text": {"type": "string", "minLength": 1}},
    "required": ["type", "text"],
    "additionalProperties": False,
}
_IMAGE_PART = {
    "type": "object",
    "properties": {
        "type": {"const": "image_url"},
        "image_url": {
            "type": "object",
            "properties": {
                "url": {"type": "string", "pattern": "^data:image/(jpeg|png|webp);base64,[A-Za-z0-9+/]+=*$"},
                "detail": {"enum": ["auto", "low", "high"]},
            },
            "required": ["url"],
            "additionalProperties": False,
        },
    },
    "required": ["type", "image_url"],
    "additionalProperties": False,
}
_MESSAGE = {
    "oneOf": [
        {
            "type": "object",
            "properties": {"role": {"enum": ["system", "developer"]}, "content": {"type": "string", "minLength": 1}},
            "required": ["role", "content"],
            "additionalProperties": False,
        },
        {
            "type": "object",
            "properties": {
                "role": {"const": "user"},
                "content": {"type": "array", "minItems": 1, "items": {"oneOf": [_TEXT_PART, _IMAGE_PART]}},
            },
            "required": ["role", "content"],
            "additionalProperties": False,
        },
    ]
}
_JSON_SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "pattern": "^[a-zA-Z0-9_-]{1,64}$"},
        "description": {"type": "string"},
        "strict": {"type": ["boolean", "null"]},
        "schema": {"type": "object"},
    },
    "required": ["name", "schema"],
    "additionalProperties": False,
}
REQUEST: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "model": {"type": "string", "minLength": 1},
        "messages": {"type": "array", "minItems": 1, "items": _MESSAGE},
        "response_format": {
            "type": "object",
            "properties": {"type": {"const": "json_schema"}, "json_schema": _JSON_SCHEMA},
            "required": ["type", "json_schema"],
            "additionalProperties": False,
        },
        "max_completion_tokens": {"type": "integer", "minimum": 1},
        "max_tokens": {"type": "integer", "minimum": 1},
        "temperature": {"type": "number", "minimum": 0, "maximum": 2},
    },
    "required": ["model", "messages"],
    "additionalProperties": False,
}

# What "strict" schemas may use (guides/structured-outputs): every object closed, every field required.
STRICT: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$ref": "#/$defs/node",
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "type": {"enum": ["object", "array", "string", "number", "integer", "boolean", "null"]},
                "properties": {"type": "object", "additionalProperties": {"$ref": "#/$defs/node"}},
                "required": {"type": "array", "items": {"type": "string"}},
                "additionalProperties": {"const": False},
                "items": {"$ref": "#/$defs/node"},
                "enum": {"type": "array", "minItems": 1},
                "anyOf": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/node"}},
                "description": {"type": "string"},
            },
            "additionalProperties": False,
            "if": {"properties": {"type": {"const": "object"}}, "required": ["type"]},
            "then": {"required": ["properties", "required", "additionalProperties"]},
        }
    },
}


def problems_of(body: Any) -> list[str]:
    """What is wrong with a request; nothing for one that OpenAI would take."""
    import jsonschema
    from PIL import Image

    found = [error.message[:200] for error in jsonschema.Draft202012Validator(REQUEST).iter_errors(body)]
    if found:
        return found
    if "response_format" in body:
        schema = body["response_format"]["json_schema"]["schema"]
        found += [error.message[:200] for error in jsonschema.Draft202012Validator(STRICT).iter_errors(schema)]
        jsonschema.Draft202012Validator.check_schema(schema)
        found += [f"not every field is required: {node}" for node in _objects(schema) if not _closed(node)]
    for url in re.findall(r"data:image/\w+;base64,([A-Za-z0-9+/=]+)", json.dumps(body)):
        with Image.open(io.BytesIO(base64.b64decode(url, validate=True))) as picture:
            picture.load()
            if dict(picture.getexif()) or "exif" in picture.info or "xmp" in picture.info or "comment" in picture.info:
                found.append("the picture carries metadata")
            if max(picture.size) > 2048:
                found.append(f"the picture is large: {picture.size}")
    return found


def _objects(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        if node.get("type") == "object":
            yield node
        for value in node.values():
            yield from _objects(value)
    elif isinstance(node, list):
        for value in node:
            yield from _objects(value)


def _closed(node: dict[str, Any]) -> bool:
    return set(node["required"]) == set(node["properties"]) and node["additionalProperties"] is False


# ---- answers ---------------------------------------------------------------------------------------------------


def segment_ids(body: dict[str, Any]) -> list[int]:
    """The segments that a question lists."""
    text = _question(body)
    return [int(id) for id in re.findall(r'^\{"id":(\d+),', text, re.MULTILINE)]


def is_scene(body: dict[str, Any]) -> bool:
    """Whether it is the first of the two questions."""
    return '"caption"' in _question(body)


def _question(body: dict[str, Any]) -> str:
    return next(part["text"] for part in body["messages"][-1]["content"] if part["type"] == "text")


def good(body: dict[str, Any]) -> dict[str, Any]:
    """A whole and sensible answer: it keeps to the schema of the request."""
    ids = segment_ids(body)
    why = {"reason": "It looks like it.", "confidence": 0.8}
    if is_scene(body):
        shapes = get_args(Shape)
        segments = [
            {
                "id": id,
                "name": f"Thing {id}",
                "kind": None,
                "shape": shapes[id % len(shapes)],
                "material": "painted wood",
                "roughness": 0.7,
                "metallic": 0.0,
                "behind": "a plain wall in the same light",
                **why,
            }
            for id in ids
        ]
        return {
            "caption": {"value": "A thing in front of a wall", **why},
            "fov": {"value": 62.0, **why},
            "subject_distance": {"value": 1.5, **why},
            "roll": None,
            "segments": segments,
            "merges": [],
        }
    return {
        "depth_range": {"value": 5.0, **why},
        "cut_threshold": None,
        "smoothing": None,
        "camera_travel": None,
        "second_look": None,
        "texture": [{"action": "sharpen", "amount": 0.3, "segment": None, "prompt": "", **why}],
        "fusion": [{"action": "close-back", "segments": ids[:1], "amount": 0.4, **why}],
    }


def partial(body: dict[str, Any]) -> dict[str, Any]:
    """Half of it: a caption or one number, and a segment without the rest."""
    if is_scene(body):
        return {"caption": "A thing", "segments": [{"id": segment_ids(body)[0], "name": "Half a thing"}]}
    return {"depth_range": 6}


def out_of_range(body: dict[str, Any]) -> dict[str, Any]:
    """Numbers, names and segments that can't be, beside one that can."""
    ids = segment_ids(body)
    if is_scene(body):
        return {
            "caption": {"value": "Fine", "reason": "", "confidence": 7},
            "fov": {"value": 400, "reason": "wide", "confidence": 1},
            "subject_distance": {"value": -3, "reason": "behind", "confidence": 1},
            "roll": {"value": "sideways", "reason": "", "confidence": 1},
            "segments": [
                {"id": 999_999, "name": "Nobody"},
                {"id": ids[0], "kind": "spaceship", "shape": "klein bottle", "roughness": 12, "metallic": -1},
            ],
            "merges": [{"ids": [ids[0], 999_999], "name": "Wrong"}, {"ids": [ids[0]], "name": "Alone"}],
        }
    return {
        "depth_range": 1e9,
        "cut_threshold": -5,
        "smoothing": [1, 2],
        "camera_travel": True,
        "texture": [{"action": "explode", "amount": 1}, {"action": "denoise", "amount": 44}, "sharpen"],
        "fusion": [{"action": "join", "segments": [ids[0]], "amount": 1}, {"action": "plane", "segments": "all"}],
    }


def not_numbers(body: dict[str, Any]) -> str:
    """NaN and infinity, which JSON doesn't have and Python's reader takes."""
    if is_scene(body):
        id = segment_ids(body)[0]
        return (
            '{"caption": {"value": "Fine"}, "fov": {"value": NaN}, "roll": Infinity, "subject_distance": 1e999, '
            f'"segments": [{{"id": {id}, "roughness": NaN, "name": "Still here", "confidence": NaN}}]}}'
        )
    return '{"depth_range": NaN, "smoothing": -Infinity, "texture": [{"action": "denoise", "amount": NaN}]}'


def injection(body: dict[str, Any]) -> dict[str, Any]:
    """HTML, script, a path and control characters wherever text may stand."""
    answer = good(body)
    if is_scene(body):
        answer["caption"]["value"] = INJECTED
        for item in answer["segments"]:
            item.update(name=INJECTED + "\x1b[31m\x00", material=INJECTED, behind=INJECTED, reason=INJECTED)
    else:
        answer["texture"][0].update(prompt=INJECTED, reason=INJECTED)
    return answer


def _completion(content: str | None, **message: Any) -> dict[str, Any]:
    return {
        "id": "chatcmpl-test",
        "object": "chat.completion",
        "created": 1,
        "model": "test",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": content, "refusal": None, **message},
                "finish_reason": "stop",
                "logprobs": None,
            }
        ],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }


ANSWERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "good": lambda body: _completion(json.dumps(good(body))),
    "partial": lambda body: _completion(json.dumps(partial(body))),
    "fenced": lambda body: _completion(f"Sure! Here it is:\n```json\n{json.dumps(good(body), indent=1)}\n```\nEnjoy."),
    "refusal": lambda _body: _completion(None, refusal="I can't help with that."),
    "prose": lambda _body: _completion("This is a lovely photo of {a thing} in front of a wall."),
    "out-of-range": lambda body: _completion(json.dumps(out_of_range(body))),
    "nan": lambda body: _completion(not_numbers(body)),
    "injection": lambda body: _completion(json.dumps(injection(body))),
    "empty": lambda _body: _completion(""),
    "no-completion": lambda _body: {"hello": "world"},
}
PLAYS = (*ANSWERS, "huge", "401", "429", "429-once", "500", "hang", "cut", "drip", "no-schema", "redirect", "echo-key")
"""What the server can play."""


class OpenAIServer(ThreadingHTTPServer):
    """At ``http://127.0.0.1:port/v1``; `play` may be changed at any time."""

    daemon_threads = True

    def __init__(self, play: str = "good", port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.play = play
        self.bodies: list[dict[str, Any]] = []  # requests that kept to the schema
        self.keys: list[str] = []  # their keys
        self.problems: list[str] = []
        self.requests = 0
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, *_args: Any) -> None:
        """Who asked has given up: nothing to print."""


@contextlib.contextmanager
def serving(play: str = "good", port: int = 0) -> Iterator[OpenAIServer]:
    """A running server."""
    server = OpenAIServer(play, port)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: OpenAIServer
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        server = self.server
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        server.requests += 1
        if self.path != "/v1/chat/completions":
            return self._json(404, {"error": {"message": f"no {self.path}"}})
        scheme, _, key = (self.headers["Authorization"] or "").partition(" ")
        body = json.loads(raw)
        problems = problems_of(body) + ([] if scheme == "Bearer" and key else ["no key"])
        if problems:
            server.problems += problems
            return self._json(400, {"error": {"message": "; ".join(problems)}})
        server.bodies.append(body)
        server.keys.append(key)
        return self._play(server.play, body, key)

    def _play(self, play: str, body: dict[str, Any], key: str) -> None:
        # Real servers repeat keys in their errors.
        error = {"error": {"message": f"Incorrect API key provided: {key}", "type": "invalid_request_error"}}
        if play in ANSWERS:
            self._json(200, ANSWERS[play](body))
        elif play == "echo-key":
            self._json(200, _completion(json.dumps({**good(body), "caption": f"Your key is {key}"})))
        elif play == "huge":
            self._huge()
        elif play in ("401", "500"):
            self._json(int(play), error)
        elif play == "429":
            self._json(429, error, {"Retry-After": "3600"})
        elif play == "429-once":
            first = len(self.server.bodies) % 2 == 1
            self._json(
                429 if first else 200, error if first else _completion(json.dumps(good(body))), {"Retry-After": "1"}
            )
        elif play == "no-schema":
            knows = "response_format" not in body
            self._json(200 if knows else 400, _completion(json.dumps(good(body))) if knows else error)
        elif play == "redirect":
            self._json(307, error, {"Location": "http://127.0.0.1:9/v1/chat/completions"})
        elif play == "hang":
            self.server.closing.wait(60)
            self.close_connection = True
        elif play == "cut":
            self._head(200, 100_000)
            self.wfile.write(b'{"choices": [')
            self.close_connection = True
        elif play == "drip":
            self._head(200, 100_000)
            while not self.server.closing.wait(0.1):
                self.wfile.write(b" ")
                self.wfile.flush()

    def _huge(self) -> None:
        """10 MB of text, whole as JSON."""
        head, tail = json.dumps(_completion("@")).encode().split(b"@")
        length = 10 << 20
        self._head(200, len(head) + length + len(tail))
        self.wfile.write(head)
        for _ in range(length >> 16):
            self.wfile.write(b"a" * (1 << 16))
        self.wfile.write(tail)

    def _json(self, status: int, answer: Any, headers: dict[str, str] | None = None) -> None:
        raw = json.dumps(answer).encode()
        self._head(status, len(raw), headers)
        self.wfile.write(raw)

    def _head(self, status: int, length: int, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(length))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_args: object) -> None:
        pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=8123)
    parser.add_argument("--play", choices=PLAYS, default="good")
    given = parser.parse_args()
    with serving(given.play, given.port) as server:
        print(f"{server.url} plays '{given.play}'", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                time.sleep(3600)


if __name__ == "__main__":
    main()
