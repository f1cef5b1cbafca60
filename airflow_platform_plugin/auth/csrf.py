"""No other site changes anything with a browser's session.

A browser sends its cookies along with whatever a page of another origin makes it send, and a ``POST`` without
a body, or with a form, needs nobody's leave for that. Browsers say where a request comes from: in
``Sec-Fetch-Site`` and, to addresses without TLS, in ``Origin`` alone. Programs send neither.
"""

from urllib.parse import urlsplit

from flask import Blueprint, Response, request

from airflow_platform_plugin.airflow_compat import config
from airflow_platform_plugin.core.errors import PermissionDenied
from airflow_platform_plugin.http import responses

_OWN_SITES = ("same-origin", "none")  # none: the person has typed the address
_DEFAULT_PORTS = {"http": 80, "https": 443}
# What a page of another origin cannot make a browser send: it would have to ask first (CORS).
_CREDENTIALS = ("X-API-Key", "Authorization")


def install(hooks: Blueprint) -> None:
    """Look at every request to an API."""
    hooks.before_app_request(_refuse_other_sites)


def _refuse_other_sites() -> Response | None:
    if request.method in responses.SAFE_METHODS or not responses.is_api(request.path):
        return None
    if any(header in request.headers for header in _CREDENTIALS) or not _is_ambient() or not _is_foreign():
        return None
    message = "A page of another site cannot do this with a browser's session; send a key or token."
    return responses.error_response(PermissionDenied(message))


def _is_ambient() -> bool:
    """Whether the browser, or a proxy for it, says by itself who calls."""
    return bool(request.cookies) or "REMOTE_USER" in request.environ


def _is_foreign() -> bool:
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site in _OWN_SITES:
        return False
    if origin is None:
        return site is not None
    address = _address(origin)
    return address is None or address not in _own_addresses(origin.partition(":")[0])


def _own_addresses(scheme: str) -> set[tuple[str, int | None] | None]:
    """Where browsers find this webserver; proxies may have changed the host, and say so.

    No page of another origin can set these headers on a request that carries nothing else of its own.
    """
    hosts = [request.host, *request.headers.get("X-Forwarded-Host", "").split(",")]
    port = request.headers.get("X-Forwarded-Port", "").split(",")[0].strip()
    hosts += [f"{host.strip()}:{port}" for host in hosts if ":" not in host]
    own = {_address(f"{scheme}://{host.strip()}") for host in hosts}
    return own | {_address(config.webserver_url())}


def _address(url: str) -> tuple[str, int | None] | None:
    """Host and port, or None where there is none; the scheme is what a proxy that ends TLS changes."""
    try:
        parts = urlsplit(url)
        return (parts.hostname, parts.port or _DEFAULT_PORTS.get(parts.scheme)) if parts.hostname else None
    except ValueError:
        return None
