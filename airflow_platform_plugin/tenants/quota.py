"""A tenant's limits: what fits at deploy, and what runs at one moment.

At run time Airflow's scheduler makes tasks wait. Each tenant has a pool of 1000 slots. Each task of its
DataKits takes its dominant share of them: the largest fraction of a limit that it needs, in thousandths. So
the tasks that run at one moment fit every limit. (Dominant resource fairness: Ghodsi et al., NSDI 2011.)
"""

from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal

from sqlalchemy import literal, select
from sqlalchemy.orm import Session

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.core import db, kubernetes_quantities
from airflow_platform_plugin.core.errors import Conflict
from airflow_platform_plugin.core.naming import tenant_pool_name
from airflow_platform_plugin.tenants.models import Tenant

POOL_SLOTS = 1000
# What a tenant's limits are for: Kubernetes calls these compute resources.
COMPUTE_RESOURCES = ("cpu", "memory", "storage", "gpu")
_TAKEN_BY_TASKS = ("cpu", "memory", "gpu")  # storage is in use all the time, also while no task runs


def ensure_pool(session: Session, tenant_id: str) -> None:
    """Create the tenant's pool, or restore a changed one."""
    airflow_compat.pools.ensure_pool(
        session, tenant_pool_name(tenant_id), POOL_SLOTS, f"What tenant {tenant_id} runs at one moment"
    )


def list_tenants_without_pool(session: Session) -> list[str]:
    """Return the ids of tenants whose pool is missing or changed.

    One query that the database answers: the worker asks in every round.
    """
    name = literal(tenant_pool_name("")).concat(Tenant.tenant_id)
    without = select(Tenant.tenant_id).where(~airflow_compat.pools.has_pool(name, POOL_SLOTS))
    return list(session.scalars(without.order_by(Tenant.tenant_id)))


def is_pool_intact(pool: tuple[int, bool] | None) -> bool:
    """Return whether a tenant's pool is as the platform creates it.

    Args:
        pool: its slots and whether deferred tasks occupy slots; None if it does not exist.
    """
    return pool == (POOL_SLOTS, True)


def count_slots(limits: Mapping[str, str], needs: Mapping[str, Decimal]) -> int:
    """Return the slots that a task takes of its tenant's pool: at least one.

    A task that cannot fit takes more slots than the pool has, so it never runs.

    Args:
        limits: the tenant's limits, as Kubernetes quantities by name.
        needs: CPUs, bytes and GPUs that the task needs, by name.
    """
    parts = [
        POOL_SLOTS + 1 if limit == 0 else (POOL_SLOTS * need / limit).to_integral_value(ROUND_CEILING)
        for name, need in needs.items()
        if need and name in _TAKEN_BY_TASKS and name in limits
        for limit in [kubernetes_quantities.parse(limits[name])]
    ]
    return max(1, *map(int, parts)) if parts else 1


def lock_tenant(session: Session, tenant_id: str) -> None:
    """Let no other transaction deploy for the tenant until this one ends.

    Two deployments that fit alone may not fit together.
    """
    db.lock_row(session, Tenant, tenant_id)


def require_within_limits(
    limits: Mapping[str, str], used: Mapping[str, Decimal], asked: Mapping[str, Decimal]
) -> None:
    """Refuse what does not fit into what is left of a tenant's limits.

    Args:
        limits: the tenant's limits, as Kubernetes quantities by name.
        used: CPUs, bytes and GPUs that are in use, by name.
        asked: CPUs, bytes and GPUs that are requested, by name.

    Raises:
        Conflict: it does not fit; ``details.exceeded`` has the limit, used, asked and left of each name.
    """
    exceeded = {}
    for name, limit in limits.items():
        need, taken = asked.get(name, Decimal()), used.get(name, Decimal())
        left = kubernetes_quantities.parse(limit) - taken
        if need and need > left:
            exceeded[name] = {
                "limit": limit,
                "used": kubernetes_quantities.render(taken),
                "asked": kubernetes_quantities.render(need),
                "left": kubernetes_quantities.render(left),
            }
    if exceeded:
        listed = "; ".join(
            f"{name}: asked {part['asked']}, left {part['left']}" for name, part in exceeded.items()
        )
        raise Conflict(f"The tenant's limits are reached ({listed}).", exceeded=exceeded)
