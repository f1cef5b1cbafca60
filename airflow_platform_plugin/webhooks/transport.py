"""Transport: one POST to an untrusted receiver, bounded in time and in bytes whatever the receiver does.

check_url, check_header   what cannot be sent is refused when the user gives it
Courier                   a thread with its own loop, so that no receiver delays the caller
"""

import asyncio
import ipaddress
import logging
import re
import ssl
import threading
from base64 import b64encode
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from typing import Any

import h11
import httpcore
import httpx

from airflow_platform_plugin import __version__
from airflow_platform_plugin.core import settings
from airflow_platform_plugin.core.types import Option
from airflow_platform_plugin.webhooks.settings import WebhookSettings

log = logging.getLogger(__name__)

# How much of a response's body is read, so that a receiver can finish it; only the status counts.
MOST_READ = 4096
_MOST_RECEIVED = 64 * 1024 + MOST_READ  # status lines, headers and body together
_DRAIN = 1.0  # seconds for that body, after the status
_LOOKUPS = 128  # host names resolved at once: each takes a thread until the resolver gives up

# Headers that frame the message or belong to the connection, and those of the standard.
_FRAMING = frozenset(
    {
        "connection",
        "content-length",
        "content-type",
        "expect",
        "host",
        "http2-settings",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_FRAMING_PREFIXES = ("proxy-", "webhook-")
_DEFAULTS = {"accept": "*/*", "connection": "close", "user-agent": f"airflow-platform/{__version__}"}
_LABEL = re.compile(rb"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_LONGEST_HOST = 253
_MOST_PORT = 65_535


def is_framing(name: str) -> bool:
    """Return whether users cannot set a header of that name.

    Many servers read ``Content_Length`` as ``Content-Length``, so this does too.
    """
    plain = name.lower().replace("_", "-")
    return plain in _FRAMING or plain.startswith(_FRAMING_PREFIXES)


def build(url: str, headers: Mapping[str, str], body: str) -> httpx.Request:
    """Build the request.

    Args:
        url: the receiver's address.
        headers: the headers apart from those of every request, with names in lower case.
        body: the JSON.

    Raises:
        ValueError: it cannot be sent; the message says why.
    """
    try:
        parsed = httpx.URL(url)
        _check_host(parsed)
        if parsed.userinfo and "authorization" not in headers:
            pair = f"{parsed.username}:{parsed.password}"
            headers = {**headers, "authorization": f"Basic {b64encode(pair.encode()).decode()}"}
        request = httpx.Request(
            "POST", parsed.copy_with(userinfo=b""), headers={**_DEFAULTS, **headers}, content=body
        )
        h11.Request(method="POST", target=request.url.raw_path, headers=request.headers.raw)
    except (httpx.InvalidURL, h11.LocalProtocolError, UnicodeError) as error:
        raise ValueError(str(error) or type(error).__name__) from error
    return request


def _check_host(url: httpx.URL) -> None:
    """Check the scheme, the host and the port.

    Raises:
        ValueError: one of them is invalid.
    """
    if url.scheme not in {"http", "https"}:
        raise ValueError("it must begin with http:// or https://")
    host = url.raw_host
    if b":" in host:
        ipaddress.IPv6Address(host.split(b"%")[0].decode())
    elif len(host) > _LONGEST_HOST or not all(map(_LABEL.fullmatch, host.removesuffix(b".").split(b"."))):
        raise ValueError("its host is not a name or an address")
    if url.port is not None and not 0 < url.port <= _MOST_PORT:
        raise ValueError(f"its port is not between 1 and {_MOST_PORT}")
    str(url.host)  # decodes the labels that begin with xn--


def check_url(url: str) -> None:
    """Raise a ValueError that says why nothing can be sent to this address."""
    build(url, {}, "{}")


def check_header(name: str, value: str) -> None:
    """Raise a ValueError that says why this header cannot be sent."""
    build("http://localhost/", {name.lower(): value}, "{}")


class _Bounded(httpcore.AsyncNetworkStream):
    """A connection that receives only as many bytes as a response may have."""

    def __init__(self, stream: httpcore.AsyncNetworkStream, left: int = _MOST_RECEIVED) -> None:
        self._stream = stream
        self._left = left

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what has arrived, unless the receiver has sent too much already."""
        if self._left <= 0:
            raise httpcore.RemoteProtocolError("The answer is too long")
        received = await self._stream.read(min(max_bytes, self._left), timeout)
        self._left -= len(received)
        return received

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send."""
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Encrypt what follows."""
        return _Bounded(await self._stream.start_tls(ssl_context, server_hostname, timeout), self._left)

    def get_extra_info(self, info: str) -> object:
        """Return what the wrapped connection knows."""
        return self._stream.get_extra_info(info)


class _Backend(httpcore.AnyIOBackend):
    """TCP connections with bounded responses."""

    async def connect_tcp(self, *args: Option, **kwargs: Option) -> httpcore.AsyncNetworkStream:
        """Connect."""
        return _Bounded(await super().connect_tcp(*args, **kwargs))


@cache
def _ssl_context() -> ssl.SSLContext:
    """Return the authorities that httpx trusts, read once: reading them takes as long as a delivery."""
    return httpx.create_ssl_context()


def _pool() -> httpcore.AsyncConnectionPool:
    """Return a pool for the connection of one attempt. The operator sets a proxy, not the environment."""
    proxy = settings.get(WebhookSettings).webhook_proxy
    return httpcore.AsyncConnectionPool(
        ssl_context=_ssl_context(),
        proxy=None if proxy is None else _proxy(proxy),
        max_connections=1,
        max_keepalive_connections=0,
        network_backend=_Backend(),
    )


def _proxy(address: str) -> httpcore.Proxy:
    url = httpx.URL(address)
    auth = (url.username, url.password) if url.userinfo else None
    return httpcore.Proxy(str(url.copy_with(userinfo=b"")), auth=auth)


async def _exchange(request: httpx.Request, heard: list[int]) -> None:
    """Send the request and append the status of the response to ``heard``; a redirect is not followed."""
    target = request.url
    url = httpcore.URL(
        scheme=target.raw_scheme, host=target.raw_host, port=target.port, target=target.raw_path
    )
    async with (
        _pool() as pool,
        pool.stream(b"POST", url, headers=request.headers.raw, content=request.content) as answer,
    ):
        # A receiver that has sent 2xx has the event, whatever it sends after that.
        heard.append(int(answer.status))
        with suppress(Exception):
            await asyncio.wait_for(_drain(answer), _DRAIN)


async def _contained(request: httpx.Request, heard: list[int]) -> None:
    try:
        await _exchange(request, heard)
    except (KeyboardInterrupt, SystemExit) as error:  # would end the loop with all its requests
        raise RuntimeError(type(error).__name__) from error


async def _drain(answer: httpcore.Response) -> None:
    read = 0
    async for chunk in answer.aiter_stream():
        read += len(chunk)
        if read >= MOST_READ:
            return


class Courier:
    """Sends requests in its own thread, any number at once, each within one deadline."""

    GRACE = 2.0  # seconds after the deadline; if a request has not ended by then, the loop hangs

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._lookups: ThreadPoolExecutor | None = None

    def send(self, request: httpx.Request, *, deadline: float) -> "Future[int]":
        """Send a request; the future's result is the response's status.

        Args:
            request: what ``build`` returned.
            deadline: seconds for everything: resolving the name, connecting, sending and the response.
        """
        loop = self._loop or self._start()
        return asyncio.run_coroutine_threadsafe(self._send(request, deadline), loop)

    @staticmethod
    async def _send(request: httpx.Request, deadline: float) -> int:
        heard: list[int] = []
        try:
            await asyncio.wait_for(_contained(request, heard), deadline)
        except Exception:
            if not heard:
                raise
        return heard[0]

    def _start(self) -> asyncio.AbstractEventLoop:
        self._loop = loop = asyncio.new_event_loop()
        self._lookups = ThreadPoolExecutor(_LOOKUPS, thread_name_prefix="platform-lookup")
        loop.set_default_executor(self._lookups)
        self._thread = threading.Thread(target=_run, args=(loop,), name="platform-courier", daemon=True)
        self._thread.start()
        return loop

    def close(self) -> None:
        """End the loop and the requests in it; the next request starts another loop."""
        loop, thread, lookups = self._loop, self._thread, self._lookups
        self._loop = self._thread = self._lookups = None
        if loop is None or thread is None or lookups is None:
            return
        loop.call_soon_threadsafe(loop.stop)
        thread.join(self.GRACE)
        lookups.shutdown(wait=False, cancel_futures=True)
        if thread.is_alive():
            log.error("A loop of deliveries hangs and cannot be stopped")


def _run(loop: asyncio.AbstractEventLoop) -> None:
    """Run until stopped; then cancel the requests, so that no socket is left open."""
    try:
        loop.run_forever()
        _cancel(loop, asyncio.all_tasks(loop))
    finally:
        loop.close()


def _cancel(loop: asyncio.AbstractEventLoop, tasks: "Iterable[asyncio.Task[Any]]") -> None:
    running = list(tasks)
    for task in running:
        task.cancel()
    if running:
        loop.run_until_complete(asyncio.wait(running, timeout=1))
