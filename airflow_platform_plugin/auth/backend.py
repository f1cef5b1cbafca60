"""API keys on every endpoint under ``/api/v1``, the platform's and Airflow's own, without configuration.

A hook before each request recognises the key; this module then stands first among the backends of
``[api] auth_backends``, where both kinds of endpoint ask whether the caller is known.
"""

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Blueprint, Flask, Response, g, request

from airflow_platform_plugin import airflow_compat, db, http
from airflow_platform_plugin.auth import service
from airflow_platform_plugin.endpoint import public_error
from airflow_platform_plugin.errors import AuthenticationFailed
from airflow_platform_plugin.principal import Principal

HEADER = "X-API-Key"
CLIENT_AUTH = None  # Airflow asks each backend for it


def install(app: Flask, hooks: Blueprint) -> None:
    """Recognise keys before every request, and answer first of all backends."""
    hooks.before_app_request(_recognise)
    app.api_auth.insert(0, sys.modules[__name__])  # type: ignore[attr-defined]  # Airflow's own list


def init_app(_app: Flask) -> None:
    """Nothing to do: part of the interface of Airflow's backends."""


def requires_authentication(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let through the requests whose key was recognised."""

    @wraps(function)
    def decorated(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - any view
        if "platform_principal" not in g:
            return Response("Unauthorized", 401)
        return function(*args, **kwargs)

    return decorated


def _recognise() -> Response | None:
    """Make the key's owner the caller. A key that does not hold is refused here and now.

    Otherwise Airflow would go on to its other backends, and to the public role.
    """
    text = request.headers.get(HEADER)
    if text is None or not request.path.startswith(http.PREFIX):
        return None
    try:
        g.platform_principal = _principal(text)
    except Exception as error:  # noqa: BLE001 - whatever goes wrong, nobody is let in
        return http.error_response(public_error(error))
    airflow_compat.set_request_user(g.platform_principal.user)
    return None


def _principal(text: str) -> Principal:
    with db.transaction() as session:
        key = service.find(session, text)
        key_id, user_id = (None, None) if key is None else (key.id, key.user_id)
    user = None if user_id is None else airflow_compat.security_manager().get_user_by_id(user_id)
    if user is None or not user.is_active:
        raise AuthenticationFailed("The API key is not valid.")
    return Principal(username=user.username, user=user, key_id=key_id)
