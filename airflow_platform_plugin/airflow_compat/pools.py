"""Airflow's pools, and the slots that waiting task instances will take."""

from typing import TYPE_CHECKING

from airflow_platform_plugin.airflow_compat.models import TaskInstance

if TYPE_CHECKING:
    from sqlalchemy.orm import Session
    from sqlalchemy.sql import ColumnElement
    from sqlalchemy.sql.selectable import Exists


def ensure_pool(session: "Session", name: str, slots: int, description: str) -> None:
    """Create the pool or reset its slots.

    A deferred task keeps its slots in it: the work that the task waits for goes on.
    """
    from airflow.models.pool import Pool
    from sqlalchemy import select

    row = session.scalar(select(Pool).where(Pool.pool == name))
    if row is None:
        row = Pool(pool=name, description=description)
        session.add(row)
    row.slots, row.include_deferred = slots, True
    session.flush()


def pools(session: "Session", prefix: str) -> dict[str, tuple[int, bool]]:
    """Return the pools with that prefix, by name: the slots, and whether deferred tasks keep theirs."""
    from airflow.models.pool import Pool
    from sqlalchemy import select

    wanted = select(Pool.pool, Pool.slots, Pool.include_deferred).where(
        Pool.pool.startswith(prefix, autoescape=True)
    )
    return {name: (slots, bool(deferred)) for name, slots, deferred in session.execute(wanted)}


def has_pool(name: "ColumnElement", slots: int) -> "Exists":
    """Return the SQL condition that a pool exists, has that size, and counts deferred tasks."""
    from airflow.models.pool import Pool
    from sqlalchemy import select, true

    fits = select(Pool.id).where(Pool.pool == name, Pool.slots == slots, Pool.include_deferred == true())
    return fits.exists()


# States of task instances that take no slots yet; None is another one.
_WAITING = ("scheduled", "up_for_retry", "up_for_reschedule")


def waiting_slots(session: "Session", pool: str) -> list[tuple[str, int]]:
    """Return pairs of a DAG and the slots that its waiting tasks of the pool will take."""
    from sqlalchemy import or_, select

    waiting = or_(TaskInstance.state.is_(None), TaskInstance.state.in_(_WAITING))
    wanted = select(TaskInstance.dag_id, TaskInstance.pool_slots).where(TaskInstance.pool == pool, waiting)
    return [(dag_id, slots) for dag_id, slots in session.execute(wanted.distinct())]


def pools_with_oversized_tasks(session: "Session", prefix: str, slots: int) -> set[str]:
    """Return the pools with that prefix in which a task waits for more than that many slots."""
    from sqlalchemy import select

    wanted = select(TaskInstance.pool).where(
        TaskInstance.state == "scheduled",
        TaskInstance.pool_slots > slots,
        TaskInstance.pool.startswith(prefix, autoescape=True),
    )
    return set(session.scalars(wanted.distinct()))


def set_waiting_slots(session: "Session", pool: str, dag_id: str, slots: int) -> None:
    """Set how many slots of the pool the waiting tasks of a DAG take when they start."""
    from sqlalchemy import or_, update

    row = TaskInstance.__table__.c
    session.execute(
        update(TaskInstance.__table__)
        .where(row.dag_id == dag_id, row.pool == pool, row.pool_slots != slots)
        .where(or_(row.state.is_(None), row.state.in_(_WAITING)))
        .values(pool_slots=slots)
    )


def delete_pool(session: "Session", name: str) -> None:
    """Delete the pool, if it exists."""
    from airflow.models.pool import Pool
    from sqlalchemy import delete

    session.execute(delete(Pool).where(Pool.pool == name), execution_options={"synchronize_session": False})
