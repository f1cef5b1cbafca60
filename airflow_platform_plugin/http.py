"""What every answer under ``/api/v1`` has in common: a request id, and errors in one envelope.

The stock endpoints keep their own bodies (RFC 7807 problems); the platform's ``error`` object is added
beside those keys, so that clients of either kind find what they look for.
"""

import logging
import os.path
import re
import uuid
from datetime import datetime, timezone
from difflib import SequenceMatcher, get_close_matches
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, g, jsonify, request
from werkzeug.exceptions import MethodNotAllowed

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.errors import CODES, PlatformError
from airflow_platform_plugin.timestamps import timestamp as timestamp  # noqa: PLC0414 - others know it from here

log = logging.getLogger(__name__)

PREFIX = "/api/v1/"
# Airflow's own API and the auth manager's, by the names of their blueprints.
STOCK_BLUEPRINTS = ("/api/v1", "/auth/fab/v1")
REQUEST_ID_HEADER = "X-Request-ID"
_MOST_MATCHES = 10
_MOST_COMPARED = 1000
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


def request_id() -> str:
    """The id of this request: the caller's own where it sent a plain one, else a new one."""
    if "platform_request_id" not in g:
        given = request.headers.get(REQUEST_ID_HEADER, "")
        g.platform_request_id = given if _REQUEST_ID.fullmatch(given) else f"req_{uuid.uuid4().hex[:16]}"
    return str(g.platform_request_id)


def error_object(code: str, message: str, details: dict[str, Any]) -> dict[str, Any]:
    """The ``error`` object of the API reference."""
    return {
        "code": code,
        "message": message,
        "details": details,
        "request_id": request_id(),
        "timestamp": timestamp(datetime.now(tz=timezone.utc).replace(microsecond=0)),
    }


def error_response(error: PlatformError) -> Response:
    """The answer that ``error`` stands for; on a stock endpoint with the keys of a stock error too."""
    body: dict[str, Any] = {"error": error_object(error.code, error.message, error.details)}
    stock = request.blueprint in STOCK_BLUEPRINTS
    if stock:
        title = HTTPStatus(error.status).phrase
        body |= {"type": "about:blank", "title": title, "status": error.status, "detail": error.message}
    response = jsonify(body)
    response.status_code = error.status
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    if stock:
        response.content_type = "application/problem+json"
    return response


def _finish(response: Response) -> Response:
    """Add the request id to every API answer, and the ``error`` object to the stock API's failures."""
    if not request.path.startswith(PREFIX):
        return response
    response.headers[REQUEST_ID_HEADER] = request_id()
    if isinstance(request.routing_exception, MethodNotAllowed):
        # RFC 9110 wants it with every 405; Airflow's own handler leaves it out.
        response.headers["Allow"] = ", ".join(sorted(request.routing_exception.valid_methods or ()))
    if response.status_code < 400 or not response.is_json or response.is_streamed:  # noqa: PLR2004 - HTTP
        return response
    body = response.get_json(silent=True)
    if isinstance(body, dict) and "error" not in body and "status" in body:
        code = CODES.get(response.status_code, "INTERNAL_ERROR")
        message = body.get("detail") or body.get("title") or response.status
        message, details = _of_missing_dag(response.status_code) or (message, {})
        body["error"] = error_object(code, str(message), details)
        response.set_data(jsonify(body).get_data())
    return response


def _of_missing_dag(status: int) -> tuple[str, dict[str, Any]] | None:
    """Message and details where a stock endpoint has not found its DAG; the DAGs that may be meant."""
    dag_id = (request.view_args or {}).get("dag_id", "~")
    if status != HTTPStatus.NOT_FOUND or dag_id == "~":
        return None
    try:
        readable = airflow_compat.readable_dag_ids()
    except Exception:
        log.exception("The DAGs like %r could not be found", dag_id)
        return None
    if dag_id in readable:
        return None  # it is the run or the task that is missing
    return f"DAG '{dag_id}' not found", {"dag_id": dag_id, "available_dags": _close_matches(dag_id, readable)}


def _close_matches(dag_id: str, readable: set[str]) -> list[str]:
    """The ids that the caller may have meant, the closest first; or else any, where there are few."""
    if len(readable) <= _MOST_MATCHES:
        return sorted(readable, key=lambda other: (-SequenceMatcher(None, dag_id, other).ratio(), other))
    # Ids that begin alike first: comparing letter by letter takes its time where there are thousands.
    near = sorted(readable, key=lambda other: -len(os.path.commonprefix([dag_id, other])))  # noqa: RUF071 - letters
    return get_close_matches(dag_id, near[:_MOST_COMPARED], n=_MOST_MATCHES)


def install(blueprint: Blueprint) -> None:
    """Put the hook onto the whole application through the plugin's blueprint."""
    blueprint.after_app_request(_finish)
