"""Limits on every request to the platform's and Airflow's own API.

Counted is by whoever is known to call. A key or token is known before the request, a browser by its
session. Everybody else is known once one of Airflow's backends has recognised them, in the midst of the
request: the backends are wrapped, so that the count comes with the recognition. A name that is only
claimed, as in basic authentication, is never counted by, or strangers could use up another's limit.
A request in which nobody was recognised, by a wrong key or password or to an open endpoint, counts by
its address; once that limit is reached, names and passwords from there are not even looked at.
"""

import logging
import time
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Flask, Response, jsonify, request

from airflow_platform_plugin.auth import backend
from airflow_platform_plugin.core import settings
from airflow_platform_plugin.core.errors import RateLimitExceeded
from airflow_platform_plugin.http import request_state, responses
from airflow_platform_plugin.ratelimit import headers, limiter, request_counter
from airflow_platform_plugin.ratelimit.request_counter import RequestCounter
from airflow_platform_plugin.ratelimit.settings import RateLimitSettings

log = logging.getLogger(__name__)

_OAUTH = ("/oauth/token", "/oauth/revoke", "/oauth/introspect")
# What RFC 6749 calls a client's wrong secret, and a wrong code or refresh token.
_WRONG = ("invalid_client", "invalid_grant")
# Airflow answers a wrong password as it does whoever shows none, and that may be either.
_NOT_LET_IN = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


def install(app: Flask, hooks: Blueprint) -> None:
    """Limit every request; where the settings cannot be followed, none, and say so."""
    try:
        active = limiter.from_settings()
    except ValueError as error:
        log.error("Requests are not limited: %s", error)  # noqa: TRY400 - the message says it all
        active = None
    app.extensions[request_counter.EXTENSION] = active
    hooks.before_app_request(_before)
    hooks.after_app_request(_after)
    hooks.app_errorhandler(RateLimitExceeded)(_refusal)
    backends = app.api_auth  # type: ignore[attr-defined]  # Airflow's own list
    backends[:] = [each if each is backend else CountingBackend(each) for each in backends]


class CountingBackend:
    """A backend of ``[api] auth_backends``, whose users' requests are counted as they are recognised."""

    def __init__(self, inner: Any) -> None:  # noqa: ANN401 - a module
        self._inner = inner

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever else the module has
        return getattr(self._inner, name)

    def requires_authentication(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The backend's own decorator around ``function``, which runs for recognised callers alone."""

        @wraps(function)
        def counted(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - any view
            _count_user()
            return function(*args, **kwargs)

        wrapped: Callable[..., Any] = self._inner.requires_authentication(counted)
        return wrapped


def _before() -> Response | None:
    """Count by what is known before the request; refuse what is one too many."""
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
        return _refusal(error)
    except Exception:
        log.exception("A request could not be counted and passes")
    return None


def _count_user() -> None:
    """Count by the user whom a backend has just recognised, once in a request."""
    current = request_state.current().find(RequestCounter)
    if current is None or current.exempt or current.subject is not None:
        return
    try:
        subject = request_counter.user()
        if subject is not None:
            if "Authorization" in request.headers:
                current.limiter.remember(
                    request_counter.proof(request_counter.address(), request.headers["Authorization"])
                )
            current.count(subject)
    except RateLimitExceeded:
        raise
    except Exception:
        log.exception("A user's request could not be counted and passes")


def _after(response: Response) -> Response:
    """Count by the address where nobody was recognised; tell the limits."""
    active = request_counter.limiter()
    if active is None or not _is_limited():
        return response
    try:
        # There is none where a key was refused before this module was asked.
        current = request_state.current().find(RequestCounter) or RequestCounter.begin(active)
        if _is_oauth():
            response = _after_oauth(current, response)
        elif current.subject is None and not current.exempt:
            try:
                known = request_counter.credential()
                current.count(known or request_counter.address())
                if known is None and _was_wrong(response):
                    current.count_failure(request_counter.address())
            except RateLimitExceeded as error:
                # What has been done cannot be refused any more.
                if request.method in responses.SAFE_METHODS or response.status_code >= 400:  # noqa: PLR2004 - HTTP
                    response = _refusal(error)
        refused = response.status_code == RateLimitExceeded.status and any(
            state.exceeded for state in current.states
        )
        response.headers.update(headers.of(current.states, time.time(), refused=refused))
    except Exception:
        log.exception("The limits of a request could not be told")
    return response


def _is_limited() -> bool:
    return responses.is_api(request.path) or _is_oauth()


def _is_oauth() -> bool:
    return request.method == "POST" and request.path in _OAUTH


def _after_oauth(current: RequestCounter, response: Response) -> Response:
    """Count a wrong secret, code or token by its address, and remember which client was right there."""
    address = request_counter.address()
    if response.status_code < HTTPStatus.BAD_REQUEST:
        current.limiter.remember(request_counter.proof(address, request_counter.claimed_client(address).id))
    elif (response.get_json(silent=True) or {}).get("error") in _WRONG:
        try:
            current.count_failure(address)
        except RateLimitExceeded as error:
            return _refusal(error)
    return response


def _was_wrong(response: Response) -> bool:
    """Whether the request has shown something to be recognised by, and that was why it is refused."""
    shown = "Authorization" in request.headers or backend.HEADER in request.headers
    return shown and response.status_code in _NOT_LET_IN


def _refusal(error: RateLimitExceeded) -> Response:
    """The answer, in the form that the endpoint's other errors have."""
    if not _is_oauth():
        return responses.error_response(error)
    body = {"error": "temporarily_unavailable", "error_description": error.message}
    response = jsonify(body)
    response.status_code = error.status
    response.headers["Cache-Control"] = "no-store"
    return response
