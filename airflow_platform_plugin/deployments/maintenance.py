"""Keep deployments able to run: a step of the worker.

pools    restore tenants' pools that were deleted or changed: a task without its pool waits forever
slots    adjust the slots of waiting tasks to the tenant's limits: Airflow stores them when it creates a task
         instance, and a task that needs more slots than the pool has waits forever
parsing  request the next parsing of the loader files if the last one has left out new deployments
orphans  end the unfinished runs of DAGs without a deployment, which no scheduler would end
"""

import logging
from collections.abc import Callable

from sqlalchemy import select
from sqlalchemy.orm import Session

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.naming import tenant_pool_name
from airflow_platform_plugin.datakits.manifest import Requirements
from airflow_platform_plugin.deployments.execution import parsing_limit
from airflow_platform_plugin.deployments.execution.loader import list_loader_files, request_parsing
from airflow_platform_plugin.deployments.models import Deployment
from airflow_platform_plugin.tenants import quota
from airflow_platform_plugin.tenants.models import Tenant

log = logging.getLogger(__name__)

GONE = "The deployment of this DAG was removed before the run ended."


def maintain() -> int:
    """Do each task once, in transactions of their own; return how much was changed."""
    _request_next_parsing()
    return (
        _repair_each(quota.list_tenants_without_pool, _restore_pool)
        + _repair_each(_find_tenants_with_oversized_tasks, reapply_quotas)
        + _end_orphans()
    )


def _request_next_parsing() -> None:
    with db.transaction() as session:
        if parsing_limit.has_left_out(session):
            request_parsing(session)


def _repair_each(find: Callable[[Session], list[str]], repair: Callable[[Session, Tenant], None]) -> int:
    """Repair the tenants that are found, in a transaction for each, so that errors stay apart."""
    with db.transaction() as session:
        tenant_ids = find(session)
    done = 0
    for tenant_id in tenant_ids:
        try:
            with db.transaction() as session:
                tenant = session.get(Tenant, tenant_id)
                if tenant is not None:
                    repair(session, tenant)
                    done += 1
        except Exception:
            log.exception("The pool or tasks of tenant %s cannot be repaired now; trying again", tenant_id)
    return done


def _restore_pool(session: Session, tenant: Tenant) -> None:
    log.warning("The pool of tenant %s was missing or changed, and is restored", tenant.tenant_id)
    quota.ensure_pool(session, str(tenant.tenant_id))


def _find_tenants_with_oversized_tasks(session: Session) -> list[str]:
    """Return the tenants with a waiting task that needs more slots than the pool has, and now needs fewer."""
    oversized = airflow_compat.pools.pools_with_oversized_tasks(
        session, tenant_pool_name(""), quota.POOL_SLOTS
    )
    tenants = session.scalars(select(Tenant).order_by(Tenant.tenant_id)) if oversized else []
    return [
        str(tenant.tenant_id)
        for tenant in tenants
        if tenant_pool_name(str(tenant.tenant_id)) in oversized and _find_outdated_slots(session, tenant)
    ]


def reapply_quotas(session: Session, tenant: Tenant) -> None:
    """Set the slots of the tenant's waiting tasks by its current limits."""
    for dag_id, slots in _find_outdated_slots(session, tenant).items():
        airflow_compat.pools.set_waiting_slots(
            session, tenant_pool_name(str(tenant.tenant_id)), dag_id, slots
        )


def _find_outdated_slots(session: Session, tenant: Tenant) -> dict[str, int]:
    """Return the correct slots by DAG id, for DAGs with a waiting task that has other slots."""
    waiting = airflow_compat.pools.waiting_slots(session, tenant_pool_name(str(tenant.tenant_id)))
    if not waiting:
        return {}
    deployments = select(Deployment).where(Deployment.dag_id.in_({dag_id for dag_id, _ in waiting}))
    correct = {row.dag_id: count_slots(row, tenant) for row in session.scalars(deployments)}
    return {dag_id: correct[dag_id] for dag_id, slots in waiting if correct.get(dag_id, slots) != slots}


def count_slots(deployment: Deployment, tenant: Tenant) -> int:
    """Return how many slots of the tenant's pool a task of the deployment takes."""
    needs = Requirements.model_validate(deployment.current.spec["manifest"].get("requirements", {}))
    return quota.count_slots(tenant.resource_limits, needs.amounts)


def _end_orphans() -> int:
    with db.transaction() as session:
        gone = _find_orphans(session)
        if gone:
            airflow_compat.runs.end_runs(session, gone, GONE)
    return len(gone)


def _find_orphans(session: Session) -> set[str]:
    """Return the DAGs of loader files that have unfinished runs and no active deployment."""
    loaders = list_loader_files(session)
    found = airflow_compat.runs.unfinished_dags(session, loaders) if loaders else set()
    if not found:
        return set()
    active = select(Deployment.dag_id).where(Deployment.retired_at.is_(None), Deployment.dag_id.in_(found))
    return found - set(session.scalars(active))
