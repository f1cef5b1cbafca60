"""Hooks on the whole application: a request id in every API response, and one form for all errors.

Pages of HTML and lines of text, which Werkzeug and Airflow answer for some errors, become RFC 9457 problems
with the platform's ``error`` object.
"""

import logging
import math
import os.path
import re
from collections.abc import Callable
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
# Airflow's words where a list is asked for by a state that there is not.
_UNKNOWN_STATE = re.compile(r"'.{0,250}' is not a valid (?:TaskInstance|DagRun)State", re.DOTALL)


def install(app: Flask, hooks: Blueprint) -> None:
    """Put the hooks onto the whole application."""
    longest = app.config.get("MAX_CONTENT_LENGTH")
    if isinstance(longest, float) and math.isfinite(longest):
        app.config["MAX_CONTENT_LENGTH"] = int(longest)  # gunicorn reads no fractions of a byte
    app.handle_exception = partial(_answer_fault, app, app.handle_exception)  # type: ignore[method-assign]
    hooks.before_app_request(_take_no_body_for_none)
    hooks.after_app_request(_finish)


def _take_no_body_for_none() -> None:
    """Let ``Content-Type: application/json`` alone pass, which clients send with each request.

    Airflow would read JSON wherever it is announced.
    """
    if request.method not in _WITHOUT_BODY or request.content_length or not is_api(request.path):
        return
    if "json" in (request.content_type or "") and not request.get_data():
        request.environ["CONTENT_TYPE"] = ""


def _answer_fault(app: Flask, otherwise: Callable[[Exception], Response], error: Exception) -> Response:
    """Answer an exception that nobody has caught.

    Airflow's own page for it asks who is logged in, of a session that is closed by then: the fault would
    leave Flask, and with it all that makes an answer one of the API's.
    """
    propagated = app.config["PROPAGATE_EXCEPTIONS"]
    if not is_api(request.path) or (propagated if propagated is not None else app.testing or app.debug):
        return otherwise(error)
    got_request_exception.send(app, _async_wrapper=app.ensure_sync, exception=error)
    public = _public(error)
    if public.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("Request %s failed", request_id(), exc_info=error)
    return app.finalize_request(error_response(public), from_error_handler=True)


def _public(error: Exception) -> PlatformError:
    """What the caller is told of a stock endpoint's fault; some are the caller's own."""
    if airflow_compat.web.is_refused_run_id(error) and str(request.endpoint).endswith("post_dag_run"):
        return ValidationFailed.of("dag_run_id", message=str(error))
    if isinstance(error, ValueError) and _UNKNOWN_STATE.fullmatch(str(error)):
        return ValidationFailed.of("state", message=str(error))
    return PlatformError("Something went wrong on the server; its log has the details under this request id.")


def _finish(response: Response) -> Response:
    """Give every API answer the request id, and every failure the ``error`` object."""
    if not is_api(request.path):
        return response
    if response.status_code == HTTPStatus.FORBIDDEN and _is_nobody():
        # As Airflow answers where nobody may be public.
        _set_problem(response, airflow_compat.web.unauthenticated_problem())
    response.headers[REQUEST_ID_HEADER] = request_id()
    if isinstance(request.routing_exception, MethodNotAllowed):
        # RFC 9110 wants it with every 405; Airflow's own handler leaves it out.
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
        message, details = _of_missing_dag(response.status_code) or (message, {})
        body["error"] = error_object(code, str(message), details)
        response.set_data(jsonify(body).get_data())
    return response


def _set_problem(response: Response, problem: dict[str, Any]) -> None:
    response.status_code, response.content_type = problem["status"], PROBLEM
    response.set_data(jsonify(problem).get_data())


def _plain(text: str) -> str:
    """A sentence, unless it is a page or longer than one."""
    return text if len(text) <= _LONGEST_SENTENCE and "<" not in text else ""


def _description(status: int) -> str:
    """What a status means, in Python's words."""
    known = {each.value: each.description or each.phrase for each in HTTPStatus}
    return known.get(status, "The request failed.")


def _is_nobody() -> bool:
    """Whether nobody was recognised who asks a stock endpoint, and the public has no rights to be lacking.

    Airflow lets everybody pass as its public role, which has no rights unless the operator gives it some.
    """
    if request.blueprint not in STOCK_BLUEPRINTS or current_principal() is not None:
        return False
    try:
        return airflow_compat.users.request_user() is None and not airflow_compat.users.public_rights()
    except Exception:
        log.exception("The caller of a request could not be determined")
        return False


def _challenge() -> str:
    """How to authenticate (RFC 9110, 11.6.1); a token that nobody knows is invalid (RFC 6750, 3)."""
    shown = request.headers.get("Authorization", "").lower().startswith("bearer ")
    return 'Bearer error="invalid_token"' if shown else "Bearer"


def _of_missing_dag(status: int) -> tuple[str, dict[str, Any]] | None:
    """Message and details where a stock endpoint has not found its DAG; the DAGs that may be meant."""
    dag_id = (request.view_args or {}).get("dag_id", "~")
    if status != HTTPStatus.NOT_FOUND or dag_id == "~":
        return None
    try:
        readable = airflow_compat.authorization.readable_dag_ids()
    except Exception:
        log.exception("The DAGs like %r could not be found", dag_id)
        return None
    if dag_id in readable:
        return None  # it is the run or the task that is missing
    return f"DAG '{dag_id}' not found", {"dag_id": dag_id, "available_dags": _close_matches(dag_id, readable)}


def _close_matches(dag_id: str, readable: set[str]) -> list[str]:
    """The ids that the caller may have meant, the closest first; where none is alike, the first few."""
    if len(readable) <= _MOST_MATCHES:
        return sorted(readable, key=lambda other: (-SequenceMatcher(None, dag_id, other).ratio(), other))
    # Ids that begin alike first: comparing letter by letter takes its time where there are thousands.
    near = sorted(readable, key=lambda other: -len(os.path.commonprefix([dag_id, other])))  # noqa: RUF071 - letters
    return (
        get_close_matches(dag_id, near[:_MOST_COMPARED], n=_MOST_MATCHES) or sorted(readable)[:_MOST_MATCHES]
    )
