"""What keeps deployments able to run, and leaves nothing of those that are gone: a step of the worker.

pools    a tenant's pool that was deleted or changed is made again; a task of a missing pool waits for ever
shares   the slots that waiting tasks have written down follow the tenant's limits: Airflow writes them down
         when it makes a task instance, and a task that waits for more than there are waits for ever
orphans  the unfinished runs of a DAG whose deployment is gone end, for no scheduler looks at them again
"""

import logging
from collections.abc import Callable

from sqlalchemy import select
from sqlalchemy.orm import Session

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.core import db
from airflow_platform_plugin.datakits.manifest import Requirements
from airflow_platform_plugin.deployments.execution.loader import registered_loaders
from airflow_platform_plugin.deployments.models import Deployment
from airflow_platform_plugin.tenants import quota
from airflow_platform_plugin.tenants.models import Tenant

log = logging.getLogger(__name__)

GONE = "The deployment of this DAG was taken away before the run had ended."


def maintain() -> int:
    """Do each once, in a transaction of its own; returns how much there was to do."""
    return (
        _each(quota.list_tenants_without_pool, _keep_pool)
        + _each(_tenants_too_wide, reapply_quotas)
        + _end_orphans()
    )


def _each(find: Callable[[Session], list[str]], mend: Callable[[Session, Tenant], None]) -> int:
    """Mend what is found, each for itself: one tenant's fault is not the others'."""
    with db.transaction() as session:
        tenant_ids = find(session)
    done = 0
    for tenant_id in tenant_ids:
        try:
            with db.transaction() as session:
                tenant = session.get(Tenant, tenant_id)
                if tenant is not None:
                    mend(session, tenant)
                    done += 1
        except Exception:
            log.exception("What tenant %s runs could not be mended and will be tried again", tenant_id)
    return done


def _keep_pool(session: Session, tenant: Tenant) -> None:
    log.warning("The pool of tenant %s was missing or changed, and is made again", tenant.tenant_id)
    quota.ensure_pool(session, str(tenant.tenant_id))


def _tenants_too_wide(session: Session) -> list[str]:
    """Those of which a task waits for more slots than there are, though now it would need fewer."""
    wide = airflow_compat.pools.pools_with_oversized_tasks(session, quota.pool_name(""), quota.POOL_SLOTS)
    tenants = session.scalars(select(Tenant).order_by(Tenant.tenant_id)) if wide else []
    return [
        str(tenant.tenant_id)
        for tenant in tenants
        if quota.pool_name(str(tenant.tenant_id)) in wide and _wrong(session, tenant)
    ]


def reapply_quotas(session: Session, tenant: Tenant) -> None:
    """Let the tenant's waiting tasks take what they need of its limits of now."""
    for dag_id, slots in _wrong(session, tenant).items():
        airflow_compat.pools.set_waiting_slots(session, quota.pool_name(str(tenant.tenant_id)), dag_id, slots)


def _wrong(session: Session, tenant: Tenant) -> dict[str, int]:
    """The DAGs of which a task waits with other slots than it should have, and how many these are."""
    waiting = airflow_compat.pools.waiting_slots(session, quota.pool_name(str(tenant.tenant_id)))
    if not waiting:
        return {}
    wanted = select(Deployment).where(Deployment.dag_id.in_({dag_id for dag_id, _ in waiting}))
    shares = {row.dag_id: share(row, tenant) for row in session.scalars(wanted)}
    return {dag_id: shares[dag_id] for dag_id, slots in waiting if shares.get(dag_id, slots) != slots}


def share(deployment: Deployment, tenant: Tenant) -> int:
    """The slots that a task of the deployment takes of the tenant's pool."""
    needs = Requirements.model_validate(deployment.current.spec["manifest"].get("requirements", {}))
    return quota.count_slots(tenant.resource_limits, needs.amounts)


def _end_orphans() -> int:
    with db.transaction() as session:
        gone = _orphans(session)
        if gone:
            airflow_compat.runs.end_runs(session, gone, GONE)
    return len(gone)


def _orphans(session: Session) -> set[str]:
    """The DAGs that a loader file has had and that no deployment is behind any more, with unfinished runs."""
    loaders = registered_loaders(session)
    found = airflow_compat.runs.unfinished_dags(session, loaders) if loaders else set()
    if not found:
        return set()
    there = select(Deployment.dag_id).where(Deployment.retired_at.is_(None), Deployment.dag_id.in_(found))
    return found - set(session.scalars(there))
