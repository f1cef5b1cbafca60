"""Airflow's pools, and the slots that waiting task instances take."""

from typing import TYPE_CHECKING, Any

from airflow_platform_plugin.airflow_compat.models import TaskInstance

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def ensure_pool(session: "Session", name: str, slots: int, description: str) -> None:
    """Make the pool, or give it back its slots; a deferred task keeps its own, for what it waits for runs."""
    from airflow.models.pool import Pool
    from sqlalchemy import select

    row = session.scalar(select(Pool).where(Pool.pool == name))
    if row is None:
        row = Pool(pool=name, description=description)
        session.add(row)
    row.slots, row.include_deferred = slots, True
    session.flush()


def pools(session: "Session", prefix: str) -> dict[str, tuple[int, bool]]:
    """The pools whose names begin so: their slots, and whether deferred tasks keep theirs."""
    from airflow.models.pool import Pool
    from sqlalchemy import select

    wanted = select(Pool.pool, Pool.slots, Pool.include_deferred).where(
        Pool.pool.startswith(prefix, autoescape=True)
    )
    return {name: (slots, bool(deferred)) for name, slots, deferred in session.execute(wanted)}


def has_pool(name: Any, slots: int) -> Any:  # noqa: ANN401 - SQL expressions
    """The condition that there is a pool of that name and size, in which deferred tasks keep their slots."""
    from airflow.models.pool import Pool
    from sqlalchemy import select, true

    fits = select(Pool.id).where(Pool.pool == name, Pool.slots == slots, Pool.include_deferred == true())
    return fits.exists()


# Of task instances that have not begun, so that their slots are not taken yet; None is one of them.
_WAITING = ("scheduled", "up_for_retry", "up_for_reschedule")


def waiting_slots(session: "Session", pool: str) -> list[tuple[str, int]]:
    """The slots that waiting tasks of the pool have written down, by DAG."""
    from sqlalchemy import or_, select

    waiting = or_(TaskInstance.state.is_(None), TaskInstance.state.in_(_WAITING))
    wanted = select(TaskInstance.dag_id, TaskInstance.pool_slots).where(TaskInstance.pool == pool, waiting)
    return [(dag_id, slots) for dag_id, slots in session.execute(wanted.distinct())]


def too_wide(session: "Session", prefix: str, slots: int) -> set[str]:
    """The pools whose names begin so and in which a task waits for more slots than that."""
    from sqlalchemy import select

    wanted = select(TaskInstance.pool).where(
        TaskInstance.state == "scheduled",
        TaskInstance.pool_slots > slots,
        TaskInstance.pool.startswith(prefix, autoescape=True),
    )
    return set(session.scalars(wanted.distinct()))


def set_waiting_slots(session: "Session", pool: str, dag_id: str, slots: int) -> None:
    """Let the waiting tasks of a DAG take that many slots of the pool when they begin."""
    from sqlalchemy import or_, update

    row = TaskInstance.__table__.c
    session.execute(
        update(TaskInstance.__table__)
        .where(row.dag_id == dag_id, row.pool == pool, row.pool_slots != slots)
        .where(or_(row.state.is_(None), row.state.in_(_WAITING)))
        .values(pool_slots=slots)
    )


def delete_pool(session: "Session", name: str) -> None:
    """Delete the pool, if there is one."""
    from airflow.models.pool import Pool
    from sqlalchemy import delete

    session.execute(delete(Pool).where(Pool.pool == name), execution_options={"synchronize_session": False})
