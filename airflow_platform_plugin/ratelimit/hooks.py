"""Hooks that count every request to the platform's and Airflow's API.

A request is counted for the caller that is known:

* A key or token is known before the request, and a browser by its session.
* Other callers are known when one of Airflow's API backends has authenticated them, during the request. So
  the backends are wrapped. A name that is only claimed, as in basic authentication, is never counted:
  strangers could use up another user's limit.
* Other requests, with a wrong key or password or to an open endpoint, are counted for their address. If its
  limit is reached, names and passwords from it are not checked any more.
"""

import logging
import time
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from types import ModuleType

from flask import Blueprint, Flask, Response, jsonify, request

from airflow_platform_plugin.auth import backend
from airflow_platform_plugin.core import settings
from airflow_platform_plugin.core.errors import RateLimitExceeded
from airflow_platform_plugin.core.types import Option, ViewResult
from airflow_platform_plugin.http import request_state, responses
from airflow_platform_plugin.ratelimit import headers, limiter, request_counter
from airflow_platform_plugin.ratelimit.request_counter import RequestCounter
from airflow_platform_plugin.ratelimit.settings import RateLimitSettings

log = logging.getLogger(__name__)

_OAUTH = ("/oauth/token", "/oauth/revoke", "/oauth/introspect")
# RFC 6749's errors for a wrong secret of a client, and for a wrong code or refresh token.
_WRONG_SECRETS = ("invalid_client", "invalid_grant")
# Airflow's answers to a wrong password, and to a request without one.
_NOT_AUTHENTICATED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


def install(app: Flask, hooks: Blueprint) -> None:
    """Install the hooks. If the settings are not valid, log that, and limit no request."""
    try:
        active = limiter.from_settings()
    except ValueError as error:
        log.error("Requests are not limited: %s", error)  # noqa: TRY400 - the message says all
        active = None
    app.extensions[request_counter.EXTENSION] = active
    hooks.before_app_request(_count_known_caller)
    hooks.after_app_request(_finish)
    hooks.app_errorhandler(RateLimitExceeded)(_refuse)
    backends = app.api_auth  # type: ignore[attr-defined]  # Airflow's own list
    backends[:] = [each if each is backend else CountingBackend(each) for each in backends]


class CountingBackend:
    """A backend of ``[api] auth_backends`` that counts a request when it has authenticated the user."""

    def __init__(self, inner: ModuleType) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def requires_authentication(self, function: Callable[..., ViewResult]) -> Callable[..., ViewResult]:
        """Apply the backend's own decorator, which runs ``function`` for authenticated callers only."""

        @wraps(function)
        def counted(*args: Option, **kwargs: Option) -> ViewResult:
            _count_user()
            return function(*args, **kwargs)

        wrapped: Callable[..., ViewResult] = self._inner.requires_authentication(counted)
        return wrapped


def _count_known_caller() -> Response | None:
    """Count the request if its caller is known already, and refuse it if it is one too many."""
    active = request_counter.limiter()
    if active is None or not _is_limited():
        return None
    try:
        current = RequestCounter.begin(active)
        if _is_oauth():
            current.count(request_counter.claimed_client(request_counter.address()))
            current.refuse_guesses(
                request_counter.address(), request_counter.claimed_client(request_counter.address()).id
            )
        elif (subject := request_counter.credential()) is not None:
            current.count(subject)
        elif (subject := request_counter.browser()) is None:
            current.refuse_exhausted(request_counter.address())
            if "Authorization" in request.headers:
                current.refuse_guesses(request_counter.address(), request.headers["Authorization"])
        elif settings.get(RateLimitSettings).rate_limit_browsers:
            current.count(subject)
        else:
            current.exempt = True
            current.count_user()
    except RateLimitExceeded as error:
        return _refuse(error)
    except Exception:
        log.exception("A request could not be counted; it passes")
    return None


def _count_user() -> None:
    """Count the request for the user that a backend has just authenticated, once in a request."""
    current = request_state.current().find(RequestCounter)
    if current is None or current.exempt or current.subject is not None:
        return
    try:
        subject = request_counter.user()
        if subject is not None:
            if "Authorization" in request.headers:
                current.limiter.remember_proof(
                    request_counter.proof(request_counter.address(), request.headers["Authorization"])
                )
            current.count(subject)
    except RateLimitExceeded:
        raise
    except Exception:
        log.exception("A user's request could not be counted; it passes")


def _finish(response: Response) -> Response:
    """Count the request for its address if no caller is known, and set the headers."""
    active = request_counter.limiter()
    if active is None or not _is_limited():
        return response
    try:
        # There is no counter if a key was refused before this module's hook.
        current = request_state.current().find(RequestCounter) or RequestCounter.begin(active)
        if _is_oauth():
            response = _finish_oauth(current, response)
        elif current.subject is None and not current.exempt:
            try:
                known = request_counter.credential()
                current.count(known or request_counter.address())
                if known is None and _was_wrong(response):
                    current.count_failure(request_counter.address())
            except RateLimitExceeded as error:
                # A request that has changed something is not refused afterwards.
                if request.method in responses.SAFE_METHODS or response.status_code >= 400:  # noqa: PLR2004 - HTTP
                    response = _refuse(error)
        refused = response.status_code == RateLimitExceeded.status and any(
            status.exceeded for status in current.statuses
        )
        response.headers.update(headers.build(current.statuses, time.time(), refused=refused))
    except Exception:
        log.exception("The rate limit headers of a response could not be set")
    return response


def _is_limited() -> bool:
    return responses.is_api(request.path) or _is_oauth()


def _is_oauth() -> bool:
    return request.method == "POST" and request.path in _OAUTH


def _finish_oauth(current: RequestCounter, response: Response) -> Response:
    """Count a wrong secret, code or token for its address, and remember clients with a correct one there."""
    address = request_counter.address()
    if response.status_code < HTTPStatus.BAD_REQUEST:
        client = request_counter.claimed_client(address)
        current.limiter.remember_proof(request_counter.proof(address, client.id))
    elif (response.get_json(silent=True) or {}).get("error") in _WRONG_SECRETS:
        try:
            current.count_failure(address)
        except RateLimitExceeded as error:
            return _refuse(error)
    return response


def _was_wrong(response: Response) -> bool:
    """Return whether the request is refused, and had a key, token or password."""
    has_credentials = "Authorization" in request.headers or backend.HEADER in request.headers
    return has_credentials and response.status_code in _NOT_AUTHENTICATED


def _refuse(error: RateLimitExceeded) -> Response:
    """Build the response, in the format of the endpoint's other errors."""
    if not _is_oauth():
        return responses.error_response(error)
    body = {"error": "temporarily_unavailable", "error_description": error.message}
    response = jsonify(body)
    response.status_code = error.status
    response.headers["Cache-Control"] = "no-store"
    return response
