"""The platform's state of the current request, in one object."""

import re
import secrets
from functools import cached_property
from typing import TypeVar, cast

from flask import g, has_request_context, request

from airflow_platform_plugin.core.principal import Principal

REQUEST_ID_HEADER = "X-Request-ID"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_NAME = "platform"  # of the one attribute of Flask's ``g``
_Part = TypeVar("_Part")


class RequestState:
    """The state of one request.

    Attributes:
        principal: the caller, if the request has a valid key or token.
    """

    def __init__(self) -> None:
        self.principal: Principal | None = None
        self._parts: dict[type, object] = {}

    @cached_property
    def request_id(self) -> str:
        """The caller's own id from ``X-Request-ID`` if it is plain, else a new one."""
        given = request.headers.get(REQUEST_ID_HEADER, "")
        return given if _REQUEST_ID.fullmatch(given) else f"req_{secrets.token_hex(8)}"

    def find(self, kind: type[_Part]) -> _Part | None:
        """Return the object of that class that a feature stored here, or None."""
        return cast("_Part | None", self._parts.get(kind))

    def put(self, part: object) -> None:
        """Store an object of a feature; it replaces an earlier one of its class."""
        self._parts[type(part)] = part

    def remove(self, kind: type) -> None:
        """Remove the object of that class, if there is one."""
        self._parts.pop(kind, None)


def current() -> RequestState:
    """Return the state of the current request. Call it only within a request."""
    kept = g._get_current_object()  # noqa: SLF001 - Werkzeug's API, and cheaper than the proxy
    state: RequestState | None = kept.get(_NAME)
    if state is None:
        state = RequestState()
        setattr(kept, _NAME, state)
    return state


def current_principal() -> Principal | None:
    """Return the caller of a valid key or token; None without one, or outside a request."""
    return current().principal if has_request_context() else None
