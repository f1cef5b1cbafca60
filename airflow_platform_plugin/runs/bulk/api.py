"""``/api/v1/platform/dags/trigger`` and ``/api/v1/platform/tasks/clear``."""

from typing import Any

from flask import Blueprint

from airflow_platform_plugin.core.principal import Access
from airflow_platform_plugin.core.rate_limits import RequestClass
from airflow_platform_plugin.core.scopes import DagPolicy
from airflow_platform_plugin.http.endpoint import RequestContext, endpoint
from airflow_platform_plugin.runs.bulk import service
from airflow_platform_plugin.runs.bulk.schemas import ClearInput, ClearResponse, TriggerInput, TriggerResponse

blueprint = Blueprint("platform_bulk", __name__, url_prefix="/api/v1/platform")


@endpoint(
    blueprint,
    "POST",
    "/dags/trigger",
    scope=service.TRIGGER,
    access=Access.OWN,
    dags=DagPolicy.AUTH_MANAGER,
    request_class=RequestClass.BULK,
    body=TriggerInput,
    response=TriggerResponse,
)
def trigger_dags(context: RequestContext) -> dict[str, Any]:
    """Trigger many runs; each succeeds or fails by itself."""
    return service.trigger(context.session, context.body, by=context.principal)


@endpoint(
    blueprint,
    "POST",
    "/tasks/clear",
    scope=service.CLEAR,
    access=Access.OWN,
    dags=DagPolicy.AUTH_MANAGER,
    request_class=RequestClass.BULK,
    body=ClearInput,
    response=ClearResponse,
)
def clear_tasks(context: RequestContext) -> dict[str, Any]:
    """Clear tasks of many runs, so that they run again; each item succeeds or fails by itself."""
    return service.clear(context.session, context.body, by=context.principal)
