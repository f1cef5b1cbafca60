"""Refuse changes that a page of another site makes with a browser's session (CSRF).

A page of another origin can make the browser send a ``POST`` with cookies, without a body or with a form.
Browsers name the origin of a request in ``Sec-Fetch-Site``, and to addresses without TLS only in ``Origin``.
Programs send neither header.
"""

from urllib.parse import urlsplit

from flask import Blueprint, Response, request

from airflow_platform_plugin.airflow_compat import config
from airflow_platform_plugin.core.errors import PermissionDenied
from airflow_platform_plugin.http import responses

_OWN_SITES = ("same-origin", "none")  # none: the user has typed the address
_DEFAULT_PORTS = {"http": 80, "https": 443}
# A page of another origin cannot send these headers without permission (CORS).
_CREDENTIALS = ("X-API-Key", "Authorization")


def install(hooks: Blueprint) -> None:
    """Check every request to an API."""
    hooks.before_app_request(_refuse_other_sites)


def _refuse_other_sites() -> Response | None:
    if request.method in responses.SAFE_METHODS or not responses.is_api(request.path):
        return None
    if any(header in request.headers for header in _CREDENTIALS) or not _is_ambient() or not _is_foreign():
        return None
    message = "A page of another site cannot do this with a browser's session. Send a key or token."
    return responses.error_response(PermissionDenied(message))


def _is_ambient() -> bool:
    """Return whether the browser or its proxy authenticates without the page's help."""
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
    """Return the addresses of this webserver for browsers; a proxy names its own host in headers.

    A page of another origin cannot set these headers without permission (CORS).
    """
    hosts = [request.host, *request.headers.get("X-Forwarded-Host", "").split(",")]
    port = request.headers.get("X-Forwarded-Port", "").split(",")[0].strip()
    hosts += [f"{host.strip()}:{port}" for host in hosts if ":" not in host]
    own = {_address(f"{scheme}://{host.strip()}") for host in hosts}
    return own | {_address(config.webserver_url())}


def _address(url: str) -> tuple[str, int | None] | None:
    """Return host and port, or None. The scheme does not count: a proxy that terminates TLS changes it."""
    try:
        parts = urlsplit(url)
        return (parts.hostname, parts.port or _DEFAULT_PORTS.get(parts.scheme)) if parts.hostname else None
    except ValueError:
        return None
