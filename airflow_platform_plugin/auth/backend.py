"""Authentication by keys and tokens on every endpoint of the platform's and Airflow's API.

A hook before each request authenticates the key. Endpoints of both APIs then ask Airflow's list of API
backends, ``[api] auth_backends``, for the caller; ``install`` puts this module first in that list.
"""

import sys
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus

from flask import Blueprint, Flask, Response, current_app, request

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.types import User
from airflow_platform_plugin.auth import (
    airflow_operations,
    credentials,
    csrf,
    dag_limit,
    key_format,
    rejections,
    row_filter,
    tenant_dags,
)
from airflow_platform_plugin.core.errors import AuthenticationFailed, PermissionDenied
from airflow_platform_plugin.core.principal import Principal
from airflow_platform_plugin.core.types import Option, ViewResult
from airflow_platform_plugin.http import request_state, responses
from airflow_platform_plugin.http.endpoint import declared
from airflow_platform_plugin.http.error_mapping import to_public_error
from airflow_platform_plugin.http.request_state import current_principal

HEADER = "X-API-Key"
BEARER_PREFIXES = (f"{key_format.API_KEY}_", f"{key_format.ACCESS_TOKEN}_", f"{key_format.REFRESH_TOKEN}_")
_ENVIRON_KEY = "HTTP_X_API_KEY"  # the header's name in WSGI (PEP 3333)
CLIENT_AUTH = None  # part of the interface of Airflow's backends


def install(app: Flask, hooks: Blueprint) -> None:
    """Install the hooks, make this the first backend, and add DAG limits to Airflow's checks."""
    tenant_dags.install()
    dag_limit.install()
    row_filter.install(app)
    hooks.before_app_request(_authenticate)
    hooks.before_app_request(row_filter.begin_request)
    csrf.install(hooks)
    app.api_auth.insert(0, sys.modules[__name__])  # type: ignore[attr-defined]  # Airflow's own list


def init_app(_app: Flask) -> None:
    """Do nothing; part of the interface of Airflow's backends."""


def requires_authentication(function: Callable[..., ViewResult]) -> Callable[..., ViewResult]:
    """Let only requests with a valid key or token pass; part of the interface of Airflow's backends."""

    @wraps(function)
    def decorated(*args: Option, **kwargs: Option) -> ViewResult:
        if current_principal() is None:
            return Response("Unauthorized", 401)
        return function(*args, **kwargs)

    return decorated


def _authenticate() -> Response | None:
    """Make the credential's owner the caller, and refuse a credential that is not valid.

    Without the refusal, Airflow would go on to its other backends and to the public role.
    """
    text = _credential_text()
    if text is None or not responses.is_api(request.path):
        return None
    try:
        principal = _principal(text)
        request_state.current().principal = principal
        airflow_compat.users.set_request_user(principal.user)
        _authorize_stock(principal)
    except Exception as error:  # noqa: BLE001 - every failure refuses the request
        if isinstance(error, AuthenticationFailed):
            rejections.log_key(text)
        response = responses.error_response(to_public_error(error))
        if response.status_code == HTTPStatus.UNAUTHORIZED and HEADER not in request.headers:
            response.headers["WWW-Authenticate"] = 'Bearer error="invalid_token"'  # RFC 6750 §3
        return response
    return None


def _credential_text() -> str | None:
    """Return the key or token of the request. A bearer token of another kind is for other backends."""
    environ = request.environ  # a header that is absent is found out faster here than in ``request.headers``
    text: str | None = environ.get(_ENVIRON_KEY)
    if text is not None:
        return text
    kind, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    token = token.strip()
    return token if kind.lower() == "bearer" and token.startswith(BEARER_PREFIXES) else None


def _principal(text: str) -> Principal:
    stored, user = _find(text)
    if stored is not None and user is None:
        # The user may have been renamed since the credential was cached.
        credentials.clear_cached(text)
        stored, user = _find(text)
    if stored is None or user is None:
        raise AuthenticationFailed("The API key or token is not valid.")
    return Principal(username=user.username, user=user, credential=stored.credential)


def _find(text: str) -> tuple[credentials.StoredCredential | None, User]:
    """Return the credential, and the user that it acts as; each may be None."""
    stored = credentials.authenticate(text, request.remote_addr)
    return stored, None if stored is None else airflow_compat.users.active_user(stored.account)


def _authorize_stock(principal: Principal) -> None:
    """Check the credential for an endpoint of Airflow's; ``@endpoint`` checks it for the platform's."""
    endpoint = request.endpoint
    if endpoint is None or declared(current_app.view_functions[endpoint]) is not None:
        return  # no such path, or declared by @endpoint
    operation = airflow_operations.OPERATIONS.get(airflow_operations.operation_id(endpoint))
    if request.blueprint not in responses.STOCK_BLUEPRINTS or operation is None:
        raise PermissionDenied("Keys and tokens have no scope for this operation.")
    principal.require_grant(operation.scope, dags=operation.dags)
