"""``/api/v1/platform/backfills``, and those of a DAG. Who may do what with a DAG's runs may do it here."""

from http import HTTPStatus

from flask import Blueprint

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.core import pagination
from airflow_platform_plugin.core.errors import NotFound
from airflow_platform_plugin.core.principal import Access
from airflow_platform_plugin.core.rate_limits import RequestClass
from airflow_platform_plugin.core.scopes import DagPolicy
from airflow_platform_plugin.http.endpoint import RequestContext, Result, endpoint
from airflow_platform_plugin.runs.backfill import service
from airflow_platform_plugin.runs.backfill.models import Backfill
from airflow_platform_plugin.runs.backfill.schemas import (
    AnyBackfillQuery,
    BackfillInput,
    BackfillList,
    BackfillQuery,
    BackfillResponse,
    NewBackfillResponse,
)

blueprint = Blueprint("platform_backfills", __name__, url_prefix="/api/v1/platform")


@endpoint(
    blueprint,
    "POST",
    "/dags/<dag_id>/backfills",
    scope="dag_runs:write",
    access=Access.OWN,
    dags=DagPolicy.AUTH_MANAGER,
    request_class=RequestClass.BULK,
    body=BackfillInput,
    response=NewBackfillResponse,
    status=HTTPStatus.CREATED,
    extra_statuses=(HTTPStatus.OK,),
)
def create_backfill(context: RequestContext) -> Result:
    """Run a DAG for a range of dates."""
    dag_id = context.path["dag_id"]
    context.principal.require_dag(dag_id, "POST", "RUN")
    bag, dry_run = airflow_compat.dags.webserver_dagbag(), context.body["dry_run"]
    backfill = service.create(context.session, bag, dag_id, context.body, by=context.principal.username)
    return Result(backfill, HTTPStatus.OK if dry_run else HTTPStatus.CREATED)


@endpoint(
    blueprint,
    "GET",
    "/dags/<dag_id>/backfills",
    scope="dag_runs:read",
    access=Access.OWN,
    dags=DagPolicy.AUTH_MANAGER,
    query=BackfillQuery,
    response=BackfillList,
)
def list_dag_backfills(context: RequestContext) -> pagination.Page:
    """List a DAG's backfills."""
    dag_id = context.path["dag_id"]
    context.principal.require_dag(dag_id, "GET", "RUN")
    return service.page(context.session, None, dag_id=dag_id, **context.query)


@endpoint(
    blueprint,
    "GET",
    "/backfills",
    scope="dag_runs:read",
    access=Access.OWN,
    dags=DagPolicy.AUTH_MANAGER,
    query=AnyBackfillQuery,
    response=BackfillList,
)
def list_backfills(context: RequestContext) -> pagination.Page:
    """List backfills of the DAGs whose runs you may read."""
    return service.page(context.session, context.principal.dags_with_runs(), **context.query)


@endpoint(
    blueprint,
    "GET",
    "/backfills/<backfill_id>",
    scope="dag_runs:read",
    access=Access.OWN,
    dags=DagPolicy.AUTH_MANAGER,
    response=BackfillResponse,
)
def get_backfill(context: RequestContext) -> Backfill:
    """Get a backfill and how far it has come."""
    return _permitted(context, "GET")


@endpoint(
    blueprint,
    "POST",
    "/backfills/<backfill_id>/pause",
    scope="dag_runs:write",
    access=Access.OWN,
    dags=DagPolicy.AUTH_MANAGER,
    response=BackfillResponse,
)
def pause_backfill(context: RequestContext) -> Backfill:
    """Make no further runs until the backfill is resumed."""
    return service.pause(context.session, _permitted(context, "PUT").backfill_id)


@endpoint(
    blueprint,
    "POST",
    "/backfills/<backfill_id>/resume",
    scope="dag_runs:write",
    access=Access.OWN,
    dags=DagPolicy.AUTH_MANAGER,
    response=BackfillResponse,
)
def resume_backfill(context: RequestContext) -> Backfill:
    """Go on with a paused backfill."""
    return service.resume(context.session, _permitted(context, "PUT").backfill_id)


@endpoint(
    blueprint,
    "POST",
    "/backfills/<backfill_id>/cancel",
    scope="dag_runs:write",
    access=Access.OWN,
    dags=DagPolicy.AUTH_MANAGER,
    response=BackfillResponse,
)
def cancel_backfill(context: RequestContext) -> Backfill:
    """Make no further runs, and take back those that have not started; what is running goes on."""
    return service.cancel(context.session, _permitted(context, "PUT").backfill_id)


def _permitted(context: RequestContext, method: str) -> Backfill:
    backfill_id = context.path["backfill_id"]
    backfill = service.get(context.session, backfill_id)
    try:
        context.principal.require_dag(str(backfill.dag_id), method, "RUN")
    except NotFound as error:
        raise NotFound(f"Backfill '{backfill_id}' not found", backfill_id=backfill_id) from error
    return backfill
