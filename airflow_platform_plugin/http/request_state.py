"""What the platform knows of the current request, in one object."""

import re
import uuid
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
        principal: the caller, if a key or token was shown and recognised.
        request_id: the caller's own id where it sent a plain one in ``X-Request-ID``, else a new one.
    """

    def __init__(self) -> None:
        self.principal: Principal | None = None
        given = request.headers.get(REQUEST_ID_HEADER, "")
        self.request_id = given if _REQUEST_ID.fullmatch(given) else f"req_{uuid.uuid4().hex[:16]}"
        self._parts: dict[type, object] = {}

    def find(self, kind: type[_Part]) -> _Part | None:
        """Return the object of that class that a feature has put here, or None."""
        return cast("_Part | None", self._parts.get(kind))

    def put(self, part: object) -> None:
        """Keep an object of a feature for this request, in place of an earlier one of its class."""
        self._parts[type(part)] = part

    def remove(self, kind: type) -> None:
        """Forget the object of that class, if there is one."""
        self._parts.pop(kind, None)


def current() -> RequestState:
    """Return the state of the current request; outside a request there is none to ask for."""
    state: RequestState | None = g.get(_NAME)
    if state is None:
        state = RequestState()
        setattr(g, _NAME, state)
    return state


def current_principal() -> Principal | None:
    """Return the principal that a key or token stands for; None without one, or outside a request."""
    return current().principal if has_request_context() else None
