"""Hooks on the whole application: a request id in every API response, and one format for all errors.

For some errors, Werkzeug and Airflow send HTML or plain text. These become RFC 9457 problems with the
platform's ``error`` object.
"""

import logging
import math
import os.path
import re
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from difflib import SequenceMatcher, get_close_matches
from functools import partial
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Flask, Response, got_request_exception, jsonify, request
from werkzeug.exceptions import MethodNotAllowed

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.core.errors import CODES, PlatformError, ValidationFailed
from airflow_platform_plugin.http.request_state import REQUEST_ID_HEADER, current_principal
from airflow_platform_plugin.http.responses import (
    PROBLEM,
    STOCK_BLUEPRINTS,
    error_object,
    error_response,
    is_api,
    problem,
    request_id,
)

log = logging.getLogger(__name__)

_MOST_MATCHES = 10
_LONGEST_SENTENCE = 500
_WITHOUT_BODY = ("GET", "HEAD", "DELETE")
_MOST_COMPARED = 1000
# Airflow's message if a list is filtered by an unknown state.
_UNKNOWN_STATE = re.compile(r"'.{0,250}' is not a valid (?:TaskInstance|DagRun)State", re.DOTALL)


def install(app: Flask, hooks: Blueprint) -> None:
    """Install the hooks."""
    longest = app.config.get("MAX_CONTENT_LENGTH")
    if isinstance(longest, float) and math.isfinite(longest):
        app.config["MAX_CONTENT_LENGTH"] = int(longest)  # gunicorn accepts no fraction of a byte
    app.handle_exception = partial(_handle_exception, app, app.handle_exception)  # type: ignore[method-assign]
    hooks.before_app_request(_ignore_json_header_without_body)
    hooks.after_app_request(_finish)


def _ignore_json_header_without_body() -> None:
    """Accept ``Content-Type: application/json`` without a body, which some clients always send.

    Airflow would try to parse the missing body.
    """
    content_type = request.content_type
    if not content_type or "json" not in content_type or request.method not in _WITHOUT_BODY:
        return
    if not request.content_length and is_api(request.path) and not request.get_data():
        request.environ["CONTENT_TYPE"] = ""


def _handle_exception(app: Flask, otherwise: Callable[[Exception], Response], error: Exception) -> Response:
    """Respond to an exception that no handler caught.

    Airflow's own error page reads the user from a session that is closed by then. That would fail too, and
    the response would not have the API's format.
    """
    propagated = app.config["PROPAGATE_EXCEPTIONS"]
    if not is_api(request.path) or (propagated if propagated is not None else app.testing or app.debug):
        return otherwise(error)
    got_request_exception.send(app, _async_wrapper=app.ensure_sync, exception=error)
    public = _to_public_error(error)
    if public.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("Request %s failed", request_id(), exc_info=error)
    return app.finalize_request(error_response(public), from_error_handler=True)


def _to_public_error(error: Exception) -> PlatformError:
    """Return the error for the caller of a stock endpoint; some exceptions are the caller's mistake."""
    if airflow_compat.web.is_refused_run_id(error) and str(request.endpoint).endswith("post_dag_run"):
        return ValidationFailed.of("dag_run_id", message=str(error))
    if isinstance(error, ValueError) and _UNKNOWN_STATE.fullmatch(str(error)):
        return ValidationFailed.of("state", message=str(error))
    return PlatformError("Something went wrong on the server; its log has the details under this request id.")


def _finish(response: Response) -> Response:
    """Add the request id to every API response, and the ``error`` object to every error."""
    if not is_api(request.path):
        return response
    if response.status_code == HTTPStatus.FORBIDDEN and _is_unauthenticated():
        # As Airflow responds if there is no public role.
        _set_problem(response, airflow_compat.web.unauthenticated_problem())
    response.headers[REQUEST_ID_HEADER] = request_id()
    if isinstance(request.routing_exception, MethodNotAllowed):
        # RFC 9110 requires it with every 405; Airflow's own handler omits it.
        response.headers["Allow"] = ", ".join(sorted(request.routing_exception.valid_methods or ()))
    if response.status_code == HTTPStatus.UNAUTHORIZED and "WWW-Authenticate" not in response.headers:
        response.headers["WWW-Authenticate"] = _challenge()
    if response.status_code < HTTPStatus.BAD_REQUEST or response.direct_passthrough:
        return response
    if not response.is_json:
        text = response.get_data(as_text=True).strip()
        detail = _plain(text) or _description(response.status_code)
        _set_problem(response, problem(response.status_code, detail))
    body = response.get_json(silent=True)
    if isinstance(body, dict) and "error" not in body and "status" in body:
        code = CODES.get(response.status_code, "INTERNAL_ERROR")
        message = body.get("detail") or body.get("title") or response.status
        message, details = _describe_missing_dag(response.status_code) or (message, {})
        body["error"] = error_object(code, str(message), details)
        response.set_data(jsonify(body).get_data())
    return response


def _set_problem(response: Response, problem: dict[str, Any]) -> None:
    response.status_code, response.content_type = problem["status"], PROBLEM
    response.set_data(jsonify(problem).get_data())


def _plain(text: str) -> str:
    """Return the text if it is plain and short, else an empty string."""
    return text if len(text) <= _LONGEST_SENTENCE and "<" not in text else ""


def _description(status: int) -> str:
    """Return Python's description of a status."""
    known = {each.value: each.description or each.phrase for each in HTTPStatus}
    return known.get(status, "The request failed.")


def _is_unauthenticated() -> bool:
    """Return whether a request to a stock endpoint has no caller, and the public role has no rights.

    Airflow treats such a caller as its public role, which has no rights unless the operator grants some.
    """
    if request.blueprint not in STOCK_BLUEPRINTS or current_principal() is not None:
        return False
    try:
        return airflow_compat.users.request_user() is None and not airflow_compat.users.public_rights()
    except Exception:
        log.exception("The caller of a request could not be determined")
        return False


def _challenge() -> str:
    """Return how to authenticate (RFC 9110, 11.6.1); an unknown token is invalid (RFC 6750, 3)."""
    has_token = request.headers.get("Authorization", "").lower().startswith("bearer ")
    return 'Bearer error="invalid_token"' if has_token else "Bearer"


def _describe_missing_dag(status: int) -> tuple[str, dict[str, Any]] | None:
    """Return the message and the details, with similar DAGs, if a stock endpoint did not find its DAG."""
    dag_id = (request.view_args or {}).get("dag_id", "~")
    if status != HTTPStatus.NOT_FOUND or dag_id == "~":
        return None
    try:
        readable = airflow_compat.authorization.readable_dag_ids()
    except Exception:
        log.exception("DAGs similar to %r could not be found", dag_id)
        return None
    if dag_id in readable:
        return None  # the run or the task is missing
    return f"DAG '{dag_id}' not found", {"dag_id": dag_id, "available_dags": _close_matches(dag_id, readable)}


def _close_matches(dag_id: str, readable: AbstractSet[str]) -> list[str]:
    """Return the ids that the caller may have meant, closest first; if none is similar, the first ones."""
    if len(readable) <= _MOST_MATCHES:
        return sorted(readable, key=lambda other: (-SequenceMatcher(None, dag_id, other).ratio(), other))
    # Ids with the longest common prefix first: comparing thousands letter by letter would be slow.
    near = sorted(readable, key=lambda other: -len(os.path.commonprefix([dag_id, other])))  # noqa: RUF071 - letters
    return (
        get_close_matches(dag_id, near[:_MOST_COMPARED], n=_MOST_MATCHES) or sorted(readable)[:_MOST_MATCHES]
    )
