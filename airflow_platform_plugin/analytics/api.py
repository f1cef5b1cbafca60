"""``/api/v1/analytics``."""

from http import HTTPStatus
from typing import Any

from flask import Blueprint

from airflow_platform_plugin.analytics import service
from airflow_platform_plugin.analytics.schemas import QueryAnswer, QueryInput
from airflow_platform_plugin.endpoint import Call, endpoint
from airflow_platform_plugin.rates import Rate
from airflow_platform_plugin.scopes import Dags

blueprint = Blueprint("platform_analytics", __name__, url_prefix="/api/v1/analytics")


@endpoint(
    blueprint,
    "POST",
    "/query",
    scope="analytics:read",
    tenanted=True,
    dags=Dags.NONE,
    body=QueryInput,
    answer=QueryAnswer,
    session=False,
    also=(HTTPStatus.NOT_FOUND, HTTPStatus.GATEWAY_TIMEOUT),
    rate=Rate.QUERY,
)
def execute_query(call: Call) -> dict[str, Any]:
    """Run a query."""
    return service.query(call.body, by=call.principal)
