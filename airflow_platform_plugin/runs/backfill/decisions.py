"""Decisions: what to do for a backfill now."""

from functools import cache
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.models import DagModel, DagRun
from airflow_platform_plugin.airflow_compat.types import Dag, DagBag, DagRow
from airflow_platform_plugin.core import db
from airflow_platform_plugin.runs import actions
from airflow_platform_plugin.runs.backfill.models import Backfill, BackfillRun, State


class Decision(NamedTuple):
    """What to do for a backfill.

    Attributes:
        ended: its runs that are no longer active, by their id, with their state; None for a deleted run.
        dag: its DAG, if runs of it can be created.
        room: how many runs may be started.
        message: why none may, for the user.
        end: the state in which the backfill ends, if it ends.
    """

    ended: dict[str, str | None]
    dag: Dag = None
    room: int = 0
    message: str | None = None
    end: State | None = None


@cache
def dag_bag() -> DagBag:
    """Return the DAGs as the database has them, read once for as long as backfills are active."""
    return airflow_compat.dags.database_dagbag()


def assess(session: Session, backfill: Backfill) -> Decision:
    """Return what to do now. The cost depends on active runs, not on the range or the history."""
    states = _states(session, backfill)
    awaited = set(actions.UNFINISHED)
    if _blocked_by_failure(backfill):
        awaited.add("failed")
    ended = {run_id: state for run_id, state in states.items() if state not in awaited}
    active = len(states) - len(ended)
    if backfill.state != State.RUNNING.value:
        return Decision(ended, message=backfill.message)
    if not backfill.anchors:
        return _last(backfill, ended) if not active else Decision(ended)
    model = _model(session, backfill)
    if model is None:
        return Decision(ended, end=State.FAILED, message="The DAG was deleted.")
    dag = dag_bag().get_dag(backfill.dag_id, session=session)
    message = _obstacle(session, backfill, model, dag, states)
    if message is not None:
        return Decision(ended, message=message)
    limit = 1 if backfill.in_order else backfill.max_active_runs
    left = model.max_active_runs - _count_active(session, backfill)
    if left <= 0 and not active:
        message = f"The DAG has {model.max_active_runs} active runs, as many as it may."
    return Decision(ended, dag, max(0, min(limit - active, left)), message)


def _last(backfill: Backfill, ended: dict[str, str | None]) -> Decision:
    failed = backfill.failed + sum(state != "success" for state in ended.values())
    if failed:
        return Decision(ended, end=State.FAILED, message=f"Failed runs: {failed}.")
    return Decision(ended, end=State.COMPLETED)


def _states(session: Session, backfill: Backfill) -> dict[str, str | None]:
    """Return the states of the runs that had not ended when last seen, by id; None for a deleted run."""
    if not backfill.running:
        return {}
    known = select(BackfillRun.run_id).where(BackfillRun.backfill_id == backfill.backfill_id)
    run_ids = list(session.scalars(known))
    rows = select(DagRun.run_id, DagRun.state).where(
        DagRun.dag_id == backfill.dag_id, DagRun.run_id.in_(run_ids)
    )
    states = {row.run_id: str(row.state) for row in session.execute(rows)}
    return {run_id: states.get(run_id) for run_id in run_ids}


def _blocked_by_failure(backfill: Backfill) -> bool:
    """Return whether later runs wait until a failed run is cleared, because they depend on it."""
    ended = backfill.state not in {State.RUNNING.value, State.PAUSED.value}
    return bool(backfill.in_order and backfill.anchors and not ended)


def _model(session: Session, backfill: Backfill) -> DagRow | None:
    columns = (
        DagModel.is_active,
        DagModel.is_paused,
        DagModel.has_import_errors,
        DagModel.max_active_runs,
        DagModel.next_dagrun,
        DagModel.next_dagrun_data_interval_end,
        DagModel.next_dagrun_create_after,
    )
    return session.execute(select(*columns).where(DagModel.dag_id == backfill.dag_id)).first()


def _obstacle(
    session: Session,
    backfill: Backfill,
    model: DagRow,
    dag: Dag,
    states: dict[str, str | None],
) -> str | None:
    """Return why no run can be created now, for the user; None if one can."""
    if not model.is_active or model.has_import_errors or dag is None:
        return "The DAG's file is gone or cannot be imported."
    if model.is_paused:
        return "The DAG is paused: Airflow starts none of its runs."
    failed = next((run_id for run_id, state in states.items() if state == "failed"), None)
    if failed is not None and backfill.in_order:
        return f"Run '{failed}' has failed, and tasks depend on the past: clear it to go on."
    if _schedule_waits(session, backfill, model):
        return "A run of the DAG's own schedule is due and goes first."
    return None


def _schedule_waits(session: Session, backfill: Backfill, model: DagRow) -> bool:
    """Return whether a scheduled run is due that Airflow has put off because the DAG had enough active runs.

    Airflow creates it when the DAG's file is parsed while there is room. If a backfill took each free place
    at once, that run would wait until the backfill ends.
    """
    if model.next_dagrun_create_after is not None or model.next_dagrun_data_interval_end is None:
        return False
    if model.next_dagrun_data_interval_end > db.now():
        return False
    made = select(DagRun.id).where(
        DagRun.dag_id == backfill.dag_id, airflow_compat.runs.logical_date() == model.next_dagrun
    )
    return session.scalar(made) is None


def _count_active(session: Session, backfill: Backfill) -> int:
    active = select(func.count()).where(
        DagRun.dag_id == backfill.dag_id, DagRun.state.in_(sorted(actions.UNFINISHED))
    )
    return int(session.scalar(active) or 0)
