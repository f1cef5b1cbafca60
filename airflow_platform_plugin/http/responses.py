"""Error responses of the platform's and of Airflow's API.

Airflow's endpoints keep their bodies (RFC 9457 problems) and get the platform's ``error`` object as well, so
that clients of both APIs can read them.
"""

from datetime import datetime, timezone
from http.client import responses as reasons
from typing import Any

from flask import Response, jsonify, request

from airflow_platform_plugin.core.errors import PlatformError
from airflow_platform_plugin.core.timestamps import timestamp
from airflow_platform_plugin.http import request_state

# Airflow's own API and the auth manager's, by the names of their blueprints.
STOCK_BLUEPRINTS = ("/api/v1", "/auth/fab/v1")
PREFIXES = tuple(f"{blueprint}/" for blueprint in STOCK_BLUEPRINTS)  # ours are below the first
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")  # RFC 9110: they change nothing
PROBLEM = "application/problem+json"


def is_api(path: str) -> bool:
    """Return whether a path belongs to an API, the platform's or Airflow's, and not to a page."""
    return f"{path}/".startswith(PREFIXES)


def request_id() -> str:
    """Return the id of this request."""
    return request_state.current().request_id


def error_object(code: str, message: str, details: dict[str, Any]) -> dict[str, Any]:
    """Build the ``error`` object of the API reference."""
    return {
        "code": code,
        "message": message,
        "details": details,
        "request_id": request_id(),
        "timestamp": timestamp(datetime.now(tz=timezone.utc).replace(microsecond=0)),
    }


def error_response(error: PlatformError) -> Response:
    """Build the response for an error; on a stock endpoint it also has the keys of a stock error."""
    body: dict[str, Any] = {"error": error_object(error.code, error.message, error.details)}
    stock = request.blueprint in STOCK_BLUEPRINTS
    response = jsonify(body | (problem(error.status, error.message) if stock else {}))
    response.status_code = error.status
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    if stock:
        response.content_type = PROBLEM
    return response


def problem(status: int, detail: str | None) -> dict[str, Any]:
    """Build the keys of a stock error (RFC 9457)."""
    return {
        "type": "about:blank",
        "title": reasons.get(status, "Error"),
        "status": status,
        "detail": detail,
    }
