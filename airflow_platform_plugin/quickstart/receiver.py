"""A receiver of webhooks, as a user would write it: it accepts deliveries with a valid signature."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, Queue
from typing import Any

from standardwebhooks.webhooks import Webhook, WebhookVerificationError


class Receiver:
    """Listens on a loopback port. Set ``secret`` when the webhook was created."""

    def __init__(self) -> None:
        self.secret = ""
        self.received: Queue[dict[str, Any]] = Queue()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """The URL for deliveries."""
        return f"http://127.0.0.1:{self._server.server_port}/webhooks/airflow"

    def wait(self, dag_run_id: str, timeout: float) -> dict[str, Any] | None:
        """Return the verified payload about a run, or None after ``timeout`` seconds."""
        try:
            while (payload := self.received.get(timeout=timeout))["data"]["dag_run_id"] != dag_run_id:
                pass
        except Empty:
            return None
        return payload

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                try:
                    receiver.received.put(Webhook(receiver.secret).verify(body, headers))
                    self.send_response(204)
                except WebhookVerificationError:
                    self.send_response(401)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Log nothing: the quickstart prints what matters."""

        return Handler
