"""What several tests of connection tests need."""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from airflow_platform_plugin.connections.testing import runner

URL = "/api/v1/platform/connections"


class Silence:
    """A server that accepts connections and never sends a byte."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port = self._listening.getsockname()[1]
        self._opened: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                self._opened.append(self._listening.accept()[0])

    def end(self) -> None:
        """Close all connections, and wait until every test has noticed."""
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        for opened in (self._listening, *self._opened):
            opened.close()
        wait_for_threads()


def wait_for_threads() -> None:
    """Wait until no connection test runs any more."""
    deadline = time.monotonic() + 60
    while any(thread.name == runner.THREAD for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def result_of(call: Callable[..., Any], query: str = "", **fields: Any) -> dict[str, Any]:
    """Create a connection, test it and delete it; return the test's result."""
    created = call("POST", URL, json={"connection_id": "tested", **fields})
    assert created.status == 201, created.text
    answer = call("POST", f"{URL}/tested/test{query}")
    assert answer.status == 200, answer.text
    assert call("DELETE", f"{URL}/tested").status == 204
    result: dict[str, Any] = answer.json
    return result
