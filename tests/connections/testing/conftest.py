"""Servers to test connections against."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import servers
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url


@pytest.fixture(autouse=True)
def switched_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turn connection tests on, as an operator does."""
    monkeypatch.setenv("AIRFLOW__CORE__TEST_CONNECTION", "Enabled")


def serve(start: Callable[[], servers.Server]) -> Iterator[Any]:
    server = start()
    yield make_url(server.url)
    server.stop()


@pytest.fixture(scope="module")
def postgresql() -> Iterator[Any]:
    """Return the URL of a PostgreSQL server."""
    yield from serve(servers.postgresql)


@pytest.fixture(scope="module")
def mysql() -> Iterator[Any]:
    """Return the URL of a MariaDB server with a user that has a password."""
    for url in serve(servers.mysql):
        engine = create_engine(url)
        with engine.connect() as database:
            # With a host, because MariaDB prefers the anonymous user of that host.
            for host in ("localhost", "127.0.0.1"):
                database.exec_driver_sql(f"CREATE USER someone@'{host}' IDENTIFIED BY 'right-password'")
        engine.dispose()
        yield url


@pytest.fixture(scope="module")
def redis() -> Iterator[Any]:
    """Return the URL of a Redis server."""
    yield from serve(servers.redis)


@pytest.fixture(scope="module")
def website() -> Iterator[int]:
    """Return the port of a web server that requires the credentials ``me:right-password``."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            allowed = self.headers.get("Authorization") == "Basic bWU6cmlnaHQtcGFzc3dvcmQ="
            self.send_response(200 if allowed else 401)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def silence() -> Iterator[Any]:
    """Run a server that accepts connections and never sends a byte."""
    from connection_tests import Silence

    server = Silence()
    yield server
    server.end()
