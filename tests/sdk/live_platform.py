"""Airflow's web application with the plugin, reached over real HTTP."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

from werkzeug.serving import WSGIRequestHandler, make_server


class Handler(WSGIRequestHandler):
    """Answers without a word on stdout, where a command's output is looked at."""

    def log_request(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serve_live(app: Any) -> Iterator[str]:
    """The address of the application, on a free port until the end."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
