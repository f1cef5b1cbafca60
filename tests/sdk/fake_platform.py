"""A fake platform with prepared answers, over real HTTP."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit


@dataclass
class Request:
    """A request that the fake platform received."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: Any


@dataclass
class FakePlatform:
    """Answers each request with the next of ``answers``, or else with the matching route.

    Attributes:
        answers: Queue of answers: status, headers and content.
        routes: Answers by method and path, which may be a shell pattern. An answer is JSON, or text, or a
            function of the request that returns JSON, text, or a tuple of status, headers and JSON.
        requests: The requests so far.
        url: URL of the server.
    """

    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    routes: dict[tuple[str, str], Any] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    url: str = ""

    def answer(self, status: int, body: Any = None, **headers: str) -> None:
        """Queue an answer; ``Retry_After=…`` sends the header Retry-After."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.answers.append((status, {k.replace("_", "-"): v for k, v in headers.items()}, content))

    def respond(self, request: Request) -> tuple[int, dict[str, str], bytes]:
        """Return the answer to a request."""
        self.requests.append(request)
        if self.answers:
            return self.answers.pop(0)
        body = next(
            (
                body
                for (method, pattern), body in self.routes.items()
                if method == request.method and fnmatchcase(request.path, pattern)
            ),
            None,
        )
        if body is None:
            error = {
                "code": "RESOURCE_NOT_FOUND",
                "message": f"{request.method} {request.path}: nothing here",
            }
            return 404, {}, json.dumps({"error": error | {"request_id": "req_1"}}).encode()
        if callable(body):
            body = body(request)
        if isinstance(body, tuple):
            status, headers, document = body
            return status, headers, json.dumps(document).encode()
        if isinstance(body, str):
            return 200, {"Content-Type": "text/plain"}, body.encode()
        return 200, {}, json.dumps(body).encode()

    @property
    def last(self) -> Request:
        """The latest request."""
        return self.requests[-1]


def parse_body(content: bytes, kind: str) -> Any:
    """Return a form or JSON as a Python object."""
    if kind == "application/x-www-form-urlencoded":
        return dict(parse_qsl(content.decode(), strict_parsing=True))
    return json.loads(content) if content else None


@contextmanager
def serve() -> Iterator[FakePlatform]:
    """Serve a fake platform on a free port inside a ``with`` block."""
    platform = FakePlatform()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            url = urlsplit(self.path)
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            request = Request(
                self.command,
                url.path,
                parse_qs(url.query, keep_blank_values=True),
                {name.lower(): value for name, value in self.headers.items()},
                parse_body(content, self.headers.get_content_type()),
            )
            status, headers, body = platform.respond(request)
            self.send_response(status)
            for name, value in ({"Content-Type": "application/json"} | headers).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle  # noqa: N815 - http.server's names

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    platform.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield platform
    server.shutdown()
    thread.join()
    server.server_close()
