"""``/api/v1/platform/dags/trigger`` and ``/api/v1/platform/tasks/clear``."""

from typing import Any

from flask import Blueprint

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.core.rate_limits import RequestClass
from airflow_platform_plugin.core.scopes import DagPolicy
from airflow_platform_plugin.http.endpoint import RequestContext, endpoint
from airflow_platform_plugin.runs.bulk import service
from airflow_platform_plugin.runs.bulk.schemas import ClearAnswer, ClearInput, TriggerAnswer, TriggerInput

blueprint = Blueprint("platform_bulk", __name__, url_prefix="/api/v1/platform")


@endpoint(
    blueprint,
    "POST",
    "/dags/trigger",
    scope="dag_runs:write",
    personal=True,
    dags=DagPolicy.CHECKED,
    rate=RequestClass.BULK,
    body=TriggerInput,
    answer=TriggerAnswer,
)
def trigger_dags(call: RequestContext) -> dict[str, Any]:
    """Trigger many runs; each succeeds or fails by itself."""
    return service.trigger(
        call.session, airflow_compat.webserver_dagbag(), call.body["runs"], by=call.principal
    )


@endpoint(
    blueprint,
    "POST",
    "/tasks/clear",
    scope="tasks:write",
    personal=True,
    dags=DagPolicy.CHECKED,
    rate=RequestClass.BULK,
    body=ClearInput,
    answer=ClearAnswer,
)
def clear_tasks(call: RequestContext) -> dict[str, Any]:
    """Let tasks of many runs run again; each item succeeds or fails by itself."""
    dry_run = call.body["dry_run"]
    return service.clear(
        call.session,
        airflow_compat.webserver_dagbag(),
        call.body["tasks"],
        dry_run=dry_run,
        by=call.principal,
    )
