"""What an operator looks at first of deployments, for ``airflow-platform doctor``."""

from sqlalchemy import select

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.core import db
from airflow_platform_plugin.datakits.models import Deployment
from airflow_platform_plugin.tenants import quota
from airflow_platform_plugin.tenants.models import Tenant

_NAMED = 5


def deployments() -> tuple[bool, str]:
    """Whether Airflow has a DAG of each deployment."""
    broken = select(Deployment.dag_id, Deployment.import_error).where(
        Deployment.import_error.is_not(None), Deployment.retired_at.is_(None)
    )
    with db.transaction() as session:
        rows = session.execute(broken.order_by(Deployment.dag_id)).all()
    if not rows:
        return True, "A DAG can be made of each deployment."
    named = "; ".join(f"{dag_id}: {error}"[:200] for dag_id, error in rows[:_NAMED])
    return False, f"No DAG can be made of {len(rows)} deployments, which do not run: {named}"


def tenant_pools() -> tuple[bool, str]:
    """Whether each tenant has its pool, and its tasks fit into it."""
    with db.transaction() as session:
        wrong = quota.tenants_without_pool(session)
        wide = airflow_compat.pools.pools_with_oversized_tasks(session, quota.pool(""), quota.POOL_SLOTS)
        tenants = list(session.scalars(select(Tenant.tenant_id).order_by(Tenant.tenant_id))) if wide else []
    if wrong:
        named = ", ".join(wrong[:_NAMED])
        return (
            False,
            f"{len(wrong)} tenants have no pool, or a changed one; the worker mends that: {named}",
        )
    stuck = [tenant_id for tenant_id in tenants if quota.pool(tenant_id) in wide]
    if stuck:
        named = ", ".join(stuck[:_NAMED])
        return False, f"Tasks of {len(stuck)} tenants need more than their limits are, and wait: {named}"
    return True, "Each tenant has its pool."
