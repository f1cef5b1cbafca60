"""Keep the HTTP requests of a connection's hook to the connection's host.

No redirect is followed: it could lead from a host that a tenant may name to one that it may not. The server's
own proxies and ``.netrc`` are not used.
"""

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from requests import PreparedRequest, Response, Session
from requests.adapters import HTTPAdapter

from airflow_platform_plugin.airflow_compat.types import Hook, HookClass
from airflow_platform_plugin.connections.tenant_rules.addresses import find_open_address
from airflow_platform_plugin.core.types import Option


def make_get_conn(hook_class: HookClass, addresses: tuple[str, ...]) -> Callable[..., Session]:
    """Return a method ``get_conn`` for a subclass of an HTTP hook, with a restricted session."""

    def get_conn(hook: Hook, *arguments: Option, **options: Option) -> Session:
        session: Session = hook_class.get_conn(hook, *arguments, **options)
        return restrict(session, addresses)

    return get_conn


def restrict(session: Session, addresses: tuple[str, ...]) -> Session:
    """Keep a session to the host of its requests: no redirects, and none of the server's proxies and logins.

    Args:
        session: the session.
        addresses: the host's addresses; empty to look its name up.
    """
    session.trust_env = False
    session.resolve_redirects = _no_redirects  # type: ignore[method-assign]
    if addresses:
        for prefix in ("http://", "https://"):
            session.mount(prefix, PinnedAdapter(addresses))
    return session


class PinnedAdapter(HTTPAdapter):
    """Send requests to given addresses; the certificate and ``Host`` are still those of the host's name."""

    def __init__(self, addresses: tuple[str, ...]) -> None:
        self._addresses = addresses
        super().__init__()

    def send(self, request: PreparedRequest, *arguments: Option, **options: Option) -> Response:
        """Send to the first address that accepts a connection."""
        split = urlsplit(str(request.url))
        port = split.port or {"http": 80, "https": 443}[split.scheme]
        address = find_open_address(self._addresses, port, options.get("timeout"))
        place = f"[{address}]" if ":" in address else address
        request.headers.setdefault("Host", split.netloc.rpartition("@")[2])
        request.url = split._replace(netloc=f"{place}:{port}").geturl()
        if split.scheme == "https":
            # The connection is to an address, but the certificate must name the host.
            self.poolmanager.connection_pool_kw |= {
                "server_hostname": split.hostname,
                "assert_hostname": split.hostname,
            }
        return super().send(request, *arguments, **options)


def _no_redirects(*_: object, **__: object) -> Iterator[Response]:
    return iter(())
