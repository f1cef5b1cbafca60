"""``/api/v1/analytics``."""

import select
import socket
from http import HTTPStatus
from typing import Any

from flask import Blueprint, request

from airflow_platform_plugin.analytics import service
from airflow_platform_plugin.analytics.schemas import QueryInput, QueryResponse
from airflow_platform_plugin.core.principal import Access
from airflow_platform_plugin.core.rate_limits import RequestClass
from airflow_platform_plugin.core.scopes import DagPolicy
from airflow_platform_plugin.http.endpoint import RequestContext, endpoint

blueprint = Blueprint("platform_analytics", __name__, url_prefix="/api/v1/analytics")


@endpoint(
    blueprint,
    "POST",
    "/query",
    scope=service.READ,
    access=Access.TENANT,
    dags=DagPolicy.NOT_APPLICABLE,
    body=QueryInput,
    response=QueryResponse,
    session=False,
    extra_statuses=(HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT),
    request_class=RequestClass.QUERY,
)
def execute_query(context: RequestContext) -> dict[str, Any]:
    """Run a query."""
    client = request.environ.get("gunicorn.socket")
    return service.query(context.body, by=context.principal, abandoned=lambda: _is_gone(client))


def _is_gone(client: object) -> bool:
    """Return whether the client has closed its connection; only gunicorn shows it, and only without TLS."""
    if type(client) is not socket.socket:
        return False
    try:
        readable, _, _ = select.select([client], [], [], 0)
        return bool(readable) and client.recv(1, socket.MSG_PEEK) == b""
    except (OSError, ValueError):
        return True
