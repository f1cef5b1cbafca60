"""``/api/v1/platform/backfills`` and ``/api/v1/platform/dags/<dag_id>/backfills``."""

from http import HTTPStatus

from flask import Blueprint

from airflow_platform_plugin.core import pagination
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
    scope=service.WRITE,
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
    backfill = service.create(context.session, context.path["dag_id"], context.body, by=context.principal)
    return Result(backfill, HTTPStatus.OK if context.body.dry_run else HTTPStatus.CREATED)


@endpoint(
    blueprint,
    "GET",
    "/dags/<dag_id>/backfills",
    scope=service.READ,
    access=Access.OWN,
    dags=DagPolicy.AUTH_MANAGER,
    query=BackfillQuery,
    response=BackfillList,
)
def list_dag_backfills(context: RequestContext) -> pagination.Page:
    """List a DAG's backfills."""
    return service.page_of_dag(context.session, context.path["dag_id"], context.query, by=context.principal)


@endpoint(
    blueprint,
    "GET",
    "/backfills",
    scope=service.READ,
    access=Access.OWN,
    dags=DagPolicy.AUTH_MANAGER,
    query=AnyBackfillQuery,
    response=BackfillList,
)
def list_backfills(context: RequestContext) -> pagination.Page:
    """List backfills of the DAGs whose runs you may read."""
    return service.page(context.session, context.query, by=context.principal)


@endpoint(
    blueprint,
    "GET",
    "/backfills/<backfill_id>",
    scope=service.READ,
    access=Access.OWN,
    dags=DagPolicy.AUTH_MANAGER,
    response=BackfillResponse,
)
def get_backfill(context: RequestContext) -> Backfill:
    """Get a backfill and its progress."""
    return service.get(context.session, context.path["backfill_id"], by=context.principal)


@endpoint(
    blueprint,
    "POST",
    "/backfills/<backfill_id>/pause",
    scope=service.WRITE,
    access=Access.OWN,
    dags=DagPolicy.AUTH_MANAGER,
    response=BackfillResponse,
)
def pause_backfill(context: RequestContext) -> Backfill:
    """Create no further runs until the backfill is resumed."""
    return service.pause(context.session, _backfill(context))


@endpoint(
    blueprint,
    "POST",
    "/backfills/<backfill_id>/resume",
    scope=service.WRITE,
    access=Access.OWN,
    dags=DagPolicy.AUTH_MANAGER,
    response=BackfillResponse,
)
def resume_backfill(context: RequestContext) -> Backfill:
    """Continue a paused backfill."""
    return service.resume(context.session, _backfill(context))


@endpoint(
    blueprint,
    "POST",
    "/backfills/<backfill_id>/cancel",
    scope=service.WRITE,
    access=Access.OWN,
    dags=DagPolicy.AUTH_MANAGER,
    response=BackfillResponse,
)
def cancel_backfill(context: RequestContext) -> Backfill:
    """Create no further runs, and withdraw those that have not started; running ones go on."""
    return service.cancel(context.session, _backfill(context))


def _backfill(context: RequestContext) -> Backfill:
    return service.get_writable(context.session, context.path["backfill_id"], by=context.principal)
