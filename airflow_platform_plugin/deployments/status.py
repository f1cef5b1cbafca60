"""The status of a deployment in Airflow."""

import time
from contextlib import nullcontext
from datetime import datetime
from typing import NamedTuple

from sqlalchemy.orm import Session

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.types import DagRow, DagRunRow
from airflow_platform_plugin.core import db, wait_slots
from airflow_platform_plugin.core.naming import tenant_pool_name
from airflow_platform_plugin.core.principal import Principal
from airflow_platform_plugin.deployments import maintenance, service
from airflow_platform_plugin.deployments.execution.dag import build_revision_marker
from airflow_platform_plugin.deployments.execution.loader import is_in_other_file, list_loader_files
from airflow_platform_plugin.deployments.models import Deployment
from airflow_platform_plugin.deployments.spec import DeploymentSpec
from airflow_platform_plugin.tenants import quota
from airflow_platform_plugin.tenants.models import Tenant

STATES = ("pending", "parsed", "active", "paused", "import_error", "retired")
LONGEST_WAIT = 60
LAST_RUNS = 5
_POLL = 0.25  # seconds


class Status(NamedTuple):
    """The status of a deployment: one of ``STATES``, with details."""

    deployment_id: str
    dag_id: str
    revision: int
    version: str
    status: str
    message: str | None
    next_run: datetime | None
    last_runs: list[DagRunRow]
    image_digest: str | None
    bad_versions: list[str]


def get(session: Session, deployment_id: str, *, by: Principal) -> Status:
    """Return the status of a deployment that the caller may read.

    Raises:
        NotFound: as for ``service.get``.
    """
    return compute(session, service.get(session, deployment_id, by=by))


def compute(session: Session, deployment: Deployment) -> Status:
    """Return the status of a deployment."""
    known = airflow_compat.dags.dag_row(session, deployment.dag_id)
    state, message = _state(session, deployment, known)
    is_scheduled = state in ("parsed", "active") and known is not None
    return Status(
        deployment_id=deployment.id,
        dag_id=deployment.dag_id,
        revision=deployment.revision,
        version=deployment.current.version,
        status=state,
        message=message,
        next_run=known.next_dagrun_create_after if is_scheduled else None,
        last_runs=airflow_compat.runs.last_runs(session, deployment.dag_id, LAST_RUNS),
        image_digest=deployment.current.image_digest,
        bad_versions=deployment.bad_versions,
    )


def _state(session: Session, deployment: Deployment, known: DagRow | None) -> tuple[str, str | None]:
    if deployment.retired_at is not None:
        return "retired", None
    loaders = list_loader_files(session)
    if known is not None and known.is_active and is_in_other_file(known.fileloc, loaders):
        return "import_error", (
            "Another file in the DAGs folder has a DAG of this id, and Airflow runs that one. Ask a platform"
            " admin to rename it; airflow-platform doctor names the file."
        )
    if deployment.loaded_revision == deployment.revision:
        if deployment.import_error is not None:
            return "import_error", deployment.import_error
        if known is not None and known.is_active and known.last_parsed_time >= deployment.loaded_at:
            return _state_of_parsed(session, deployment, is_paused=known.is_paused)
    return _state_of_unparsed(session, loaders)


def _state_of_parsed(session: Session, deployment: Deployment, *, is_paused: bool) -> tuple[str, str | None]:
    if is_paused:
        return "paused", None
    marker = build_revision_marker(DeploymentSpec.model_validate(deployment.current.spec))
    if airflow_compat.dags.serialized_doc(session, deployment.dag_id).startswith(marker):
        return "active", _waits_for(session, deployment)
    return "parsed", "Airflow has parsed the DAG; the scheduler does not have it yet."


def _waits_for(session: Session, deployment: Deployment) -> str | None:
    """Return what keeps tasks waiting until somebody acts; None if they can run."""
    tenant = session.get(Tenant, deployment.tenant_id) if deployment.tenant_id else None
    if tenant is None:
        return None
    pool = tenant_pool_name(str(tenant.tenant_id))
    if not quota.is_pool_intact(airflow_compat.pools.pools(session, pool).get(pool)):
        return f"Waiting: the tenant's pool {pool} is missing or was changed; the worker restores it."
    if maintenance.count_slots(deployment, tenant) > quota.POOL_SLOTS:
        return "Waiting: a run needs more than the tenant's limits allow, so no run can start."
    return None


def _state_of_unparsed(session: Session, loaders: list[str]) -> tuple[str, str | None]:
    broken = airflow_compat.dags.import_error(session, loaders)
    if broken is not None:
        return "import_error", broken.strip().splitlines()[-1]
    if not loaders:
        return "pending", "No loader file has been parsed yet: is dags/datakits.py in the DAGs folder?"
    return "pending", None


def wait(deployment_id: str, *, seconds: int, by: Principal) -> Status:
    """Return the status when it is no longer pending, or after some seconds; in many short transactions.

    If too many requests wait already, return the current status at once.

    Args:
        deployment_id: the deployment.
        seconds: the longest time to wait.
        by: the caller.

    Raises:
        NotFound: as for ``service.get``.
    """
    deadline = time.monotonic() + seconds
    with (
        wait_slots.wait_slot(wait_slots.DEPLOYMENTS)
        if seconds
        else nullcontext(enter_result=False) as may_wait
    ):
        while True:
            with db.transaction() as session:
                found = get(session, deployment_id, by=by)
            if found.status != "pending" or not may_wait or time.monotonic() >= deadline:
                return found
            time.sleep(max(0, min(_POLL, deadline - time.monotonic())))
