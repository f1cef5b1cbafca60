"""Requests that a test of a connection makes over HTTP: to the host itself, and to nowhere else.

No redirect is followed, which could lead from a host that a tenant may name to one that it may not; and
nothing of the server's own takes part: no proxy, no ``.netrc``.
"""

import socket
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from requests import PreparedRequest, Response, Session
from requests.adapters import HTTPAdapter


def get_conn(hook_class: Any, addresses: tuple[str, ...]) -> Callable[..., Session]:  # noqa: ANN401 - any hook's class
    """A method ``get_conn`` for a subclass of the hook's, whose session goes to those addresses alone."""

    def own(hook: Any, *arguments: Any, **options: Any) -> Session:  # noqa: ANN401 - the hook's own
        session: Session = hook_class.get_conn(hook, *arguments, **options)
        return restrict(session, addresses)

    return own


def restrict(session: Session, addresses: tuple[str, ...]) -> Session:
    """Keep a session to the host that it is given: no redirects, no proxies and logins of the server's.

    Args:
        session: the session.
        addresses: where the host is; empty to look its name up.
    """
    session.trust_env = False
    session.resolve_redirects = _nothing  # type: ignore[method-assign]
    if addresses:
        for prefix in ("http://", "https://"):
            session.mount(prefix, Pinned(addresses))
    return session


class Pinned(HTTPAdapter):
    """Sends to given addresses in place of the host's name; certificate and ``Host`` are still the name's."""

    def __init__(self, addresses: tuple[str, ...]) -> None:
        self._addresses = addresses
        super().__init__()

    def send(self, request: PreparedRequest, *arguments: Any, **options: Any) -> Response:  # noqa: ANN401 - requests' own
        """Send to the first address that takes a connection."""
        split = urlsplit(str(request.url))
        port = split.port or {"http": 80, "https": 443}[split.scheme]
        address = first_open(self._addresses, port, options.get("timeout"))
        place = f"[{address}]" if ":" in address else address
        request.headers.setdefault("Host", split.netloc.rpartition("@")[2])
        request.url = split._replace(netloc=f"{place}:{port}").geturl()
        if split.scheme == "https":
            # The connection is to an address; whom its certificate must name is the host.
            self.poolmanager.connection_pool_kw |= {
                "server_hostname": split.hostname,
                "assert_hostname": split.hostname,
            }
        return super().send(request, *arguments, **options)


def first_open(addresses: tuple[str, ...], port: int, timeout: Any = None) -> str:  # noqa: ANN401 - as requests takes it
    """The first of the addresses that takes a connection, or else the first.

    Args:
        addresses: at least one.
        port: the port.
        timeout: seconds, or a pair of which the first is to connect.
    """
    seconds = timeout[0] if isinstance(timeout, tuple) else timeout
    for address in addresses if len(addresses) > 1 else ():
        try:
            with socket.create_connection((address, port), timeout=seconds or 10):
                return address
        except OSError:
            continue
    return addresses[0]


def _nothing(*_: object, **__: object) -> Iterator[Response]:
    return iter(())
