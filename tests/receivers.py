"""Receivers of webhooks: one that stores requests, and several that misbehave."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Receiver:
    """Store each request and its time, and respond as configured."""

    def __init__(self) -> None:
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.times: list[float] = []
        self.status = 204
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.times.append(time.monotonic())
                receiver.requests.append(({k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(receiver.status)
                self.send_header("Location", "http://127.0.0.1:9/elsewhere")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Receive no more."""
        self.server.shutdown()
        self.server.server_close()


# What a receiver does with a connection. ``going`` is false once the test is over.
Behaviour = Callable[[socket.socket, Callable[[], bool]], None]


def hang(connection: socket.socket, going: Callable[[], bool]) -> None:
    """Accept the request and send nothing."""
    connection.recv(65536)
    while going():
        time.sleep(0.05)


def drip_headers(connection: socket.socket, going: Callable[[], bool]) -> None:
    """Send a byte of the response from time to time, faster than any timeout between bytes."""
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 500 X\r\nX-Drip: ")
    while going():
        connection.sendall(b"a")
        time.sleep(0.05)


def drip_body(connection: socket.socket, going: Callable[[], bool]) -> None:
    """The same in a body of announced length."""
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 500 X\r\nContent-Length: 1000000\r\n\r\n")
    while going():
        connection.sendall(b"a")
        time.sleep(0.05)


def never_end(connection: socket.socket, going: Callable[[], bool]) -> None:
    """Send an endless body as fast as possible."""
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 500 X\r\nTransfer-Encoding: chunked\r\n\r\n")
    chunk = b"10000\r\n" + b"a" * 65536 + b"\r\n"
    while going():
        connection.sendall(chunk)


def endless_headers(connection: socket.socket, going: Callable[[], bool]) -> None:
    """Send endless headers as fast as possible."""
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while going():
        connection.sendall(b"X-A: " + b"a" * 1000 + b"\r\n")


def continue_for_ever(connection: socket.socket, going: Callable[[], bool]) -> None:
    """Send interim responses only."""
    connection.recv(65536)
    while going():
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)


def hang_up(connection: socket.socket, _going: Callable[[], bool]) -> None:
    """Close the connection without a response."""
    connection.recv(65536)


def talk_nonsense(connection: socket.socket, _going: Callable[[], bool]) -> None:
    """Send something that is not HTTP."""
    connection.recv(65536)
    connection.sendall(b"\x00\xff SSH-2.0-nonsense\r\n\r\n")


def switch_protocols(connection: socket.socket, going: Callable[[], bool]) -> None:
    """Send an unrequested upgrade."""
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n")
    hang(connection, going)


@contextmanager
def behaving(behaviour: Behaviour) -> Iterator[str]:
    """A server that treats each connection so; yields its address, ``127.0.0.1:port``."""
    over = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    threads = []

    def treat(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(30)
            behaviour(connection, lambda: not over.is_set())

    def accept() -> None:
        with suppress(OSError):
            while True:
                threads.append(threading.Thread(target=treat, args=(listener.accept()[0],), daemon=True))
                threads[-1].start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join(10)
        for thread in threads:
            thread.join(10)
