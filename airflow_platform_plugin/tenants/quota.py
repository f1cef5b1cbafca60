"""What a tenant may have of what there is: at deploy time, and of what runs at one moment.

At run time Airflow's own scheduler does the waiting. Each tenant has a pool of a thousand slots, and each
task of its DataKits takes its dominant share of them: of CPU and memory the larger part of the limit that it
needs, in thousandths. What runs at one moment then fits each limit. (Dominant resource fairness: Ghodsi et
al., NSDI 2011.)
"""

from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal

from sqlalchemy import literal, select, update
from sqlalchemy.orm import Session

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.core import kubernetes_quantities
from airflow_platform_plugin.core.errors import Conflict
from airflow_platform_plugin.tenants.models import Tenant

POOL_SLOTS = 1000
_SHARED = ("cpu", "memory", "gpu")  # what a running task takes; storage is taken all the time


def pool(tenant_id: str) -> str:
    """The name of the tenant's pool."""
    return f"tenant-{tenant_id}"


def keep_pool(session: Session, tenant_id: str) -> None:
    """Make the tenant's pool, or make it again what it should be."""
    airflow_compat.pools.ensure_pool(
        session, pool(tenant_id), POOL_SLOTS, f"What tenant {tenant_id} runs at one moment"
    )


def tenants_without_pool(session: Session) -> list[str]:
    """Those whose pool is missing or changed, found by the database: the worker asks all the time."""
    name = literal(pool("")).concat(Tenant.tenant_id)
    without = select(Tenant.tenant_id).where(~airflow_compat.pools.has_pool(name, POOL_SLOTS))
    return list(session.scalars(without.order_by(Tenant.tenant_id)))


def is_right(pool: tuple[int, bool] | None) -> bool:
    """Whether a pool, by its slots and whether deferred tasks keep theirs, is what a tenant's should be."""
    return pool == (POOL_SLOTS, True)


def share(limits: Mapping[str, str], needs: Mapping[str, Decimal]) -> int:
    """The slots of a task with those needs: at least one; more than there are where it cannot fit."""
    parts = [
        POOL_SLOTS + 1 if limit == 0 else (POOL_SLOTS * need / limit).to_integral_value(ROUND_CEILING)
        for name, need in needs.items()
        if need and name in _SHARED and name in limits
        for limit in [kubernetes_quantities.parse(limits[name])]
    ]
    return max(1, *map(int, parts)) if parts else 1


def lock(session: Session, tenant_id: str) -> None:
    """Let nobody else deploy for the tenant until this transaction ends: two that fit alone may not fit both.

    An UPDATE that changes nothing, for SQLite knows no SELECT … FOR UPDATE.
    """
    table = Tenant.__table__
    session.execute(update(table).where(table.c.tenant_id == tenant_id).values(tenant_id=tenant_id))


def require(limits: Mapping[str, str], used: Mapping[str, Decimal], asked: Mapping[str, Decimal]) -> None:
    """Refuse what does not fit beside what is used already.

    Raises:
        Conflict: a limit would be passed; ``details.exceeded`` has used, asked and left of each such.
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
        told = "; ".join(
            f"{name}: asked {part['asked']}, left {part['left']}" for name, part in exceeded.items()
        )
        raise Conflict(f"The tenant's limits are reached ({told}).", exceeded=exceeded)
