"""The components of the OpenAPI document that operations share: errors, headers, parameters, security."""

import json
from collections.abc import Collection
from http import HTTPStatus
from pathlib import Path

from airflow_platform_plugin.airflow_compat import config
from airflow_platform_plugin.core import scopes as all_scopes
from airflow_platform_plugin.core.errors import CODES
from airflow_platform_plugin.http import idempotency
from airflow_platform_plugin.http.fields import LONGEST_IN_PATH, LONGEST_NAME
from airflow_platform_plugin.http.request_state import REQUEST_ID_HEADER
from airflow_platform_plugin.openapi.conversion import OpenApi

JSON = "application/json"
EXAMPLES = Path(__file__).parent / "examples"
_VERBS = {"read": "Read", "write": "Read and change", "export": "Export secrets of"}

DESCRIPTION = """The platform's own endpoints. They accept the same credentials as Airflow's.

All errors have one envelope; its `request_id` is the response's `X-Request-ID`. Lists take `limit` and
`offset` and return `total_entries`. Times are RFC 3339 in UTC."""

CONTACT = {"name": "The operator of this Airflow"}
REQUEST_ID: OpenApi = {
    "description": "The id of the request: the caller's own, if it sent a valid one.",
    "schema": {"type": "string"},
}
HEADERS: OpenApi = {REQUEST_ID_HEADER: REQUEST_ID_HEADER}

_FIELD_ERROR: OpenApi = {
    "type": "object",
    "required": ["pointer", "message"],
    "properties": {
        "pointer": {"type": "string", "description": "RFC 6901."},
        "message": {"type": "string"},
    },
}


def _envelope(description: str, codes: Collection[str], details: OpenApi) -> OpenApi:
    error = {
        "type": "object",
        "required": ["code", "message", "details", "request_id", "timestamp"],
        "properties": {
            "code": {
                "type": "string",
                "description": "A code for programs; each status has one.",
                "enum": list(codes),
            },
            "message": {"type": "string"},
            "details": {"type": "object", **details},
            "request_id": {"type": "string"},
            "timestamp": {"type": "string", "format": "date-time"},
        },
    }
    return {
        "type": "object",
        "description": description,
        "required": ["error"],
        "properties": {"error": error},
    }


# Two named schemas that responses refer to: client generators make a class of every inline schema.
ERRORS: OpenApi = {
    "ValidationError": _envelope(
        "The error of a request that does not fit its schema.",
        [CODES[HTTPStatus.BAD_REQUEST]],
        {
            "properties": {
                "errors": {
                    "type": "array",
                    "description": "The fields that do not fit.",
                    "items": _FIELD_ERROR,
                }
            }
        },
    ),
    "Error": _envelope(
        "All other errors.",
        [code for status, code in CODES.items() if status != HTTPStatus.BAD_REQUEST],
        {"properties": {"scope": {"type": "string", "description": "The missing scope."}}},
    ),
}


def error_response(status: int, code: str) -> OpenApi:
    """Return the response of a request that fails with a status."""
    name = "ValidationError" if status == HTTPStatus.BAD_REQUEST else "Error"
    schema = {"$ref": f"#/components/schemas/{name}"}
    return {
        "description": f"{HTTPStatus(status).phrase}: `{code}`",
        "headers": HEADERS,
        "content": {JSON: {"schema": schema, **example(code, "response")}},
    }


def path_parameter(name: str, reserved: Collection[str] = (), *, may_have_slash: bool = False) -> OpenApi:
    """Return the parameter for a name in a path.

    Args:
        name: the parameter's name.
        reserved: words that it cannot be.
        may_have_slash: whether it may have slashes inside.
    """
    pattern = f"^(?!({'|'.join(sorted(reserved))})$)[^/]+$" if reserved else "^[^/]+$"
    if may_have_slash:
        pattern = "^[^/]+(/[^/]+)*$"
    schema = {"type": "string", "pattern": pattern, "maxLength": LONGEST_IN_PATH.get(name, LONGEST_NAME)}
    return {"in": "path", "name": name, "required": True, "schema": schema}


def example(name: str, which: str) -> OpenApi:
    """Return the API reference's example, if it has one.

    Args:
        name: an ``operationId``, or an error's code.
        which: ``request`` or ``response``.
    """
    file = EXAMPLES / f"{name}.json"
    examples = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return {"example": examples[which]} if which in examples else {}


def security_schemes(root: str, *, cookie: str) -> OpenApi:
    """Return the ways to authenticate: our own, and those of the operator's ``[api] auth_backends``."""
    granted = {
        scope: f"{_VERBS[scope.partition(':')[2]]} {scope.partition(':')[0]}" for scope in all_scopes.known()
    }
    token = {"tokenUrl": f"{root}/oauth/token", "scopes": granted}
    schemes: OpenApi = {
        "ApiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        "Bearer": {"type": "http", "scheme": "bearer", "description": "An API key or an access token."},
        "OAuth2": {
            "type": "oauth2",
            "flows": {
                "authorizationCode": {"authorizationUrl": f"{root}/oauth/authorize", **token},
                "clientCredentials": token,
            },
        },
    }
    if config.accepts_sessions():
        schemes["Session"] = {"type": "apiKey", "in": "cookie", "name": cookie}
    if config.accepts_passwords():
        schemes["Basic"] = {"type": "http", "scheme": "basic"}
    return schemes


IDEMPOTENCY_KEY = {
    "in": "header",
    "name": idempotency.HEADER,
    "description": "Repeats of a request with the same key and body within 24 hours get the first response.",
    "schema": {"type": "string", "pattern": "^[\\x21-\\x7e]{1,255}$", "maxLength": 255},
}
IF_MATCH = {
    "in": "header",
    "name": "If-Match",
    "description": "The `ETag` of the state to change; if the resource has changed since, the status is 412.",
    "schema": {"type": "string", "maxLength": LONGEST_NAME},
}
