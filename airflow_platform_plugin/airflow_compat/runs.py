"""DAG runs: create, clear and end them, and read what Airflow stores of them."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_platform_plugin.airflow_compat.models import DagModel, DagRun, TaskInstance
from airflow_platform_plugin.airflow_compat.states import UNFINISHED_RUN, DagRunState
from airflow_platform_plugin.airflow_compat.types import Dag, DagRunRow, DataInterval, TaskRow

if TYPE_CHECKING:
    from sqlalchemy.orm import Session
    from sqlalchemy.sql import ColumnElement

# States of a task that has started, or waits outside of the scheduler: it fails with its run. A task in
# another unfinished state is skipped.
_STARTED = ("queued", "running", "restarting", "deferred", "up_for_reschedule")


def logical_date() -> "ColumnElement":
    """Return the column of a run's logical date, for queries; an object of the model has ``logical_date``."""
    return DagRun.execution_date


def run_columns() -> "tuple[ColumnElement, ...]":
    """Return the columns that events tell of a run, for a query without Airflow's mapped objects.

    ``id``, ``dag_id``, ``run_id``, ``state``, ``logical_date``, ``start_date``, ``end_date`` and
    ``external_trigger``.
    """
    return (
        DagRun.id,
        DagRun.dag_id,
        DagRun.run_id,
        DagRun.state,
        DagRun.execution_date.label("logical_date"),
        DagRun.start_date,
        DagRun.end_date,
        DagRun.external_trigger,
    )


def was_triggered(run: DagRunRow) -> bool:
    """Return whether a user or a program has created the run, not the DAG's own schedule."""
    return bool(run.external_trigger)


def manual_run_id(dag: Dag, logical_date: datetime, data_interval: DataInterval) -> str:
    """Return the id that Airflow gives to a manual run of that date."""
    from airflow.utils.types import DagRunType

    run_id: str = dag.timetable.generate_run_id(
        run_type=DagRunType.MANUAL, logical_date=logical_date, data_interval=data_interval
    )
    return run_id


def create_run(  # noqa: PLR0913 - the parts of a run
    session: "Session",
    dag: Dag,
    *,
    run_id: str,
    logical_date: datetime,
    data_interval: DataInterval,
    conf: dict[str, Any],
    dag_hash: str | None,
    triggered: bool = True,
    note: str | None = None,
    user_id: int | None = None,
) -> DagRun:
    """Create a queued run; the scheduler starts it when it has room.

    Args:
        session: the session.
        dag: the DAG.
        run_id: the run's id.
        logical_date: a pendulum datetime.
        data_interval: the run's data interval.
        conf: the run's conf.
        dag_hash: the hash of the serialized DAG.
        triggered: False lets templates and LatestOnlyOperator take the run for a scheduled one.
        note: the run's note.
        user_id: the author of the note.

    Raises:
        ValueError: Airflow refuses the conf or the run's id.
        AirflowException: the same.
    """
    from airflow.models.dagrun import DagRunNote
    from airflow.utils.types import DagRunType

    # Before the DAG's start date Airflow creates runs without tasks, which succeed at once, unless the run
    # is a backfill's. The scheduler ignores those, so the run is a backfill's only until it has its tasks.
    early = dag.start_date is not None and logical_date < dag.start_date
    run = dag.create_dagrun(
        run_type=DagRunType.BACKFILL_JOB if early else DagRunType.MANUAL,
        run_id=run_id,
        execution_date=logical_date,
        data_interval=data_interval,
        state=DagRunState.QUEUED,
        conf=conf,
        external_trigger=triggered,
        dag_hash=dag_hash,
        session=session,
    )
    run.run_type = DagRunType.MANUAL
    if note:
        run.dag_run_note = DagRunNote(note, user_id)
    session.flush()
    return run


def clear_tasks(session: "Session", dag: Dag, instances: Sequence[TaskRow], *, restart_run: bool) -> None:
    """Let task instances run again; with ``restart_run`` their runs are queued again."""
    from airflow.models.taskinstance import clear_task_instances

    state = DagRunState.QUEUED if restart_run else False
    clear_task_instances(list(instances), session, dag=dag, dag_run_state=state)


def end_runs(session: "Session", dag_ids: Collection[str], note: str) -> None:
    """Fail the unfinished runs of the DAGs and end their tasks; each run gets the note, if it has none.

    The scheduler does not end runs of a DAG that is gone. Runs are locked first, as the scheduler does.
    """
    from airflow.models.dagrun import DagRunNote
    from airflow.utils.timezone import utcnow
    from sqlalchemy import exists, insert, literal, select, update

    run, task, left = DagRun.__table__.c, TaskInstance.__table__.c, DagRunNote.__table__.c
    unfinished = run.dag_id.in_(dag_ids) & run.state.in_(UNFINISHED_RUN)
    if not session.execute(select(run.id).where(unfinished).with_for_update()).all():
        return
    unnoted = unfinished & ~exists().where(left.dag_run_id == run.id)
    now = utcnow()
    session.execute(
        insert(DagRunNote.__table__).from_select(
            ["dag_run_id", "content", "created_at", "updated_at"],
            select(
                run.id, literal(note), literal(now, left.created_at.type), literal(now, left.created_at.type)
            ).where(unnoted),
        )
    )
    of_these = exists().where(run.dag_id == task.dag_id, run.run_id == task.run_id, unfinished)
    pending = (task.state.is_(None)) | task.state.in_(("scheduled", "up_for_retry"))
    for state, condition in (("failed", task.state.in_(_STARTED)), ("skipped", pending)):
        session.execute(
            update(TaskInstance.__table__)
            .where(task.dag_id.in_(dag_ids), condition, of_these)
            .values(state=state, end_date=now)
        )
    session.execute(update(DagRun.__table__).where(unfinished).values(state="failed", end_date=now))


def unfinished_dags(session: "Session", filelocs: Collection[str]) -> set[str]:
    """Return the DAGs of those files that have unfinished runs, including DAGs that the files had before."""
    from sqlalchemy import select

    wanted = (
        select(DagRun.dag_id)
        .join(DagModel, DagModel.dag_id == DagRun.dag_id)
        .where(DagRun.state.in_(UNFINISHED_RUN), DagModel.fileloc.in_(filelocs))
    )
    return set(session.scalars(wanted.distinct()))


def dump_run(run: DagRun) -> dict[str, Any]:
    """Return a run as Airflow's API returns it."""
    from airflow.api_connexion.schemas.dag_run_schema import dagrun_schema

    dumped: dict[str, Any] = dagrun_schema.dump(run)
    return dumped


def last_runs(session: "Session", dag_id: str, count: int) -> list[DagRunRow]:
    """Return the newest runs of a DAG.

    Returns:
        Rows with ``run_id``, ``state``, ``run_type``, ``logical_date``, ``start_date`` and ``end_date``.
    """
    from sqlalchemy import select

    columns = (
        DagRun.run_id,
        DagRun.state,
        DagRun.run_type,
        DagRun.execution_date.label("logical_date"),
        DagRun.start_date,
        DagRun.end_date,
    )
    newest = select(*columns).where(DagRun.dag_id == dag_id).order_by(DagRun.execution_date.desc())
    return list(session.execute(newest.limit(count)))
