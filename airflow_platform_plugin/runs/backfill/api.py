"""``/api/v1/platform/backfills``, and those of a DAG. Who may do what with a DAG's runs may do it here."""

from http import HTTPStatus

from flask import Blueprint

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.core import pagination
from airflow_platform_plugin.core.errors import NotFound
from airflow_platform_plugin.core.rate_limits import RequestClass
from airflow_platform_plugin.core.scopes import DagPolicy
from airflow_platform_plugin.http.endpoint import RequestContext, Result, endpoint
from airflow_platform_plugin.runs.backfill import service
from airflow_platform_plugin.runs.backfill.models import Backfill
from airflow_platform_plugin.runs.backfill.schemas import (
    AnyBackfillQuery,
    BackfillAnswer,
    BackfillInput,
    BackfillList,
    BackfillQuery,
    NewBackfillAnswer,
)

blueprint = Blueprint("platform_backfills", __name__, url_prefix="/api/v1/platform")


@endpoint(
    blueprint,
    "POST",
    "/dags/<dag_id>/backfills",
    scope="dag_runs:write",
    personal=True,
    dags=DagPolicy.CHECKED,
    rate=RequestClass.BULK,
    body=BackfillInput,
    answer=NewBackfillAnswer,
    status=HTTPStatus.CREATED,
    also=(HTTPStatus.OK,),
)
def create_backfill(call: RequestContext) -> Result:
    """Run a DAG for a range of dates."""
    dag_id = call.path["dag_id"]
    call.principal.require_dag(dag_id, "POST", "RUN")
    bag, dry_run = airflow_compat.webserver_dagbag(), call.body["dry_run"]
    backfill = service.create(call.session, bag, dag_id, call.body, by=call.principal.username)
    return Result(backfill, HTTPStatus.OK if dry_run else HTTPStatus.CREATED)


@endpoint(
    blueprint,
    "GET",
    "/dags/<dag_id>/backfills",
    scope="dag_runs:read",
    personal=True,
    dags=DagPolicy.CHECKED,
    query=BackfillQuery,
    answer=BackfillList,
)
def list_dag_backfills(call: RequestContext) -> pagination.Page:
    """List a DAG's backfills."""
    dag_id = call.path["dag_id"]
    call.principal.require_dag(dag_id, "GET", "RUN")
    return service.page(call.session, None, dag_id=dag_id, **call.query)


@endpoint(
    blueprint,
    "GET",
    "/backfills",
    scope="dag_runs:read",
    personal=True,
    dags=DagPolicy.CHECKED,
    query=AnyBackfillQuery,
    answer=BackfillList,
)
def list_backfills(call: RequestContext) -> pagination.Page:
    """List backfills of the DAGs whose runs you may read."""
    return service.page(call.session, call.principal.dags_with_runs(), **call.query)


@endpoint(
    blueprint,
    "GET",
    "/backfills/<backfill_id>",
    scope="dag_runs:read",
    personal=True,
    dags=DagPolicy.CHECKED,
    answer=BackfillAnswer,
)
def get_backfill(call: RequestContext) -> Backfill:
    """Get a backfill and how far it has come."""
    return _permitted(call, "GET")


@endpoint(
    blueprint,
    "POST",
    "/backfills/<backfill_id>/pause",
    scope="dag_runs:write",
    personal=True,
    dags=DagPolicy.CHECKED,
    answer=BackfillAnswer,
)
def pause_backfill(call: RequestContext) -> Backfill:
    """Make no further runs until the backfill is resumed."""
    return service.pause(call.session, _permitted(call, "PUT").backfill_id)


@endpoint(
    blueprint,
    "POST",
    "/backfills/<backfill_id>/resume",
    scope="dag_runs:write",
    personal=True,
    dags=DagPolicy.CHECKED,
    answer=BackfillAnswer,
)
def resume_backfill(call: RequestContext) -> Backfill:
    """Go on with a paused backfill."""
    return service.resume(call.session, _permitted(call, "PUT").backfill_id)


@endpoint(
    blueprint,
    "POST",
    "/backfills/<backfill_id>/cancel",
    scope="dag_runs:write",
    personal=True,
    dags=DagPolicy.CHECKED,
    answer=BackfillAnswer,
)
def cancel_backfill(call: RequestContext) -> Backfill:
    """Make no further runs, and take back those that have not started; what is running goes on."""
    return service.cancel(call.session, _permitted(call, "PUT").backfill_id)


def _permitted(call: RequestContext, method: str) -> Backfill:
    backfill_id = call.path["backfill_id"]
    backfill = service.get(call.session, backfill_id)
    try:
        call.principal.require_dag(str(backfill.dag_id), method, "RUN")
    except NotFound as error:
        raise NotFound(f"Backfill '{backfill_id}' not found", backfill_id=backfill_id) from error
    return backfill
