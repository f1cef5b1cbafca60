"""Keys and tokens on every endpoint of the platform's and Airflow's own API, without configuration.

A hook before each request recognises the key; this module then stands first among the backends of
``[api] auth_backends``, where both kinds of endpoint ask whether the caller is known.
"""

import sys
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Flask, Response, current_app, request

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.auth import (
    airflow_operations,
    credentials,
    csrf,
    dag_limit,
    key_format,
    rejections,
)
from airflow_platform_plugin.core.errors import AuthenticationFailed, PermissionDenied
from airflow_platform_plugin.core.principal import Principal
from airflow_platform_plugin.http import request_state, responses
from airflow_platform_plugin.http.endpoint import declared
from airflow_platform_plugin.http.error_mapping import public_error
from airflow_platform_plugin.http.request_state import current_principal

HEADER = "X-API-Key"
BEARER_PREFIXES = (f"{key_format.API_KEY}_", f"{key_format.ACCESS_TOKEN}_", f"{key_format.REFRESH_TOKEN}_")
CLIENT_AUTH = None  # Airflow asks each backend for it


def install(app: Flask, hooks: Blueprint) -> None:
    """Recognise keys before every request, answer first of all backends, lay limits over Airflow's checks."""
    dag_limit.install(airflow_compat.users.auth_manager())
    hooks.before_app_request(_recognise)
    hooks.before_app_request(dag_limit.filter_rows)
    csrf.install(hooks)
    app.api_auth.insert(0, sys.modules[__name__])  # type: ignore[attr-defined]  # Airflow's own list


def init_app(_app: Flask) -> None:
    """Nothing to do: part of the interface of Airflow's backends."""


def requires_authentication(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let through the requests whose key was recognised."""

    @wraps(function)
    def decorated(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - any view
        if current_principal() is None:
            return Response("Unauthorized", 401)
        return function(*args, **kwargs)

    return decorated


def _recognise() -> Response | None:
    """Make the credential's owner the caller. One that does not hold is refused here and now.

    Otherwise Airflow would go on to its other backends, and to the public role.
    """
    text = _credential_text()
    if text is None or not responses.is_api(request.path):
        return None
    try:
        principal = _principal(text)
        request_state.current().principal = principal
        airflow_compat.users.set_request_user(principal.user)
        _authorise_stock(principal)
    except Exception as error:  # noqa: BLE001 - whatever goes wrong, nobody is let in
        if isinstance(error, AuthenticationFailed):
            rejections.note(text)
        response = responses.error_response(public_error(error))
        if response.status_code == HTTPStatus.UNAUTHORIZED and HEADER not in request.headers:
            response.headers["WWW-Authenticate"] = 'Bearer error="invalid_token"'  # RFC 6750 §3
        return response
    return None


def _credential_text() -> str | None:
    """What the program shows. A bearer token of another make is left to the other backends."""
    text = request.headers.get(HEADER)
    if text is not None:
        return text
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    token = token.strip()
    return token if kind.lower() == "bearer" and token.startswith(BEARER_PREFIXES) else None


def _principal(text: str) -> Principal:
    found, user = _found(text)
    if found is not None and user is None:
        # What is remembered may be of before the user was renamed.
        credentials.forget_one(text)
        found, user = _found(text)
    if found is None or user is None:
        raise AuthenticationFailed("The API key or token is not valid.")
    return Principal(username=user.username, user=user, credential=found.credential)


def _found(text: str) -> tuple[credentials.StoredCredential | None, Any]:
    """The credential, and the user as whom it acts."""
    found = credentials.authenticate(text, request.remote_addr)
    return found, None if found is None else airflow_compat.users.active_user(found.account)


def _authorise_stock(principal: Principal) -> None:
    """Hold the credential against what an endpoint that is not ours needs; ours do so themselves."""
    endpoint = request.endpoint
    if endpoint is None or declared(current_app.view_functions[endpoint]) is not None:
        return  # nothing there, or declared by @endpoint
    operation = airflow_operations.OPERATIONS.get(airflow_operations.operation_id(endpoint))
    if request.blueprint not in responses.STOCK_BLUEPRINTS or operation is None:
        raise PermissionDenied("Keys and tokens have no scope for this operation.")
    principal.require_grant(operation.scope, dags=operation.dags)
