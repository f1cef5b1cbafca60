"""DAG runs."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from airflow_platform_plugin.airflow_compat.models import DagModel, DagRun, TaskInstance

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


_UNFINISHED_RUN = ("queued", "running")


# A task that runs, or waits outside of the scheduler, has failed; one that has not begun is skipped.
_BEGUN = ("queued", "running", "restarting", "deferred", "up_for_reschedule")


def end_runs(session: "Session", dag_ids: Collection[str], note: str) -> None:
    """Fail the unfinished runs of the DAGs with what of them is unfinished, and leave a note why.

    No scheduler would do that for a DAG that is gone. Runs are locked first, in the scheduler's own order.
    """
    from airflow.models.dagrun import DagRunNote
    from airflow.utils.timezone import utcnow
    from sqlalchemy import exists, insert, literal, select, update

    run, task, left = DagRun.__table__.c, TaskInstance.__table__.c, DagRunNote.__table__.c
    unfinished = run.dag_id.in_(dag_ids) & run.state.in_(_UNFINISHED_RUN)
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
    for state, condition in (("failed", task.state.in_(_BEGUN)), ("skipped", pending)):
        session.execute(
            update(TaskInstance.__table__)
            .where(task.dag_id.in_(dag_ids), condition, of_these)
            .values(state=state, end_date=now)
        )
    session.execute(update(DagRun.__table__).where(unfinished).values(state="failed", end_date=now))


def unfinished_dags(session: "Session", filelocs: Collection[str]) -> set[str]:
    """The DAGs of those files that have unfinished runs, also those that are gone from them."""
    from sqlalchemy import select

    wanted = (
        select(DagRun.dag_id)
        .join(DagModel, DagModel.dag_id == DagRun.dag_id)
        .where(DagRun.state.in_(_UNFINISHED_RUN), DagModel.fileloc.in_(filelocs))
    )
    return set(session.scalars(wanted.distinct()))


def dump_run(run: Any) -> dict[str, Any]:  # noqa: ANN401 - Airflow's DagRun
    """A run as Airflow's own API answers it."""
    from airflow.api_connexion.schemas.dag_run_schema import dagrun_schema

    dumped: dict[str, Any] = dagrun_schema.dump(run)
    return dumped


def last_runs(session: "Session", dag_id: str, count: int) -> list[Any]:
    """The newest runs of a DAG."""
    from sqlalchemy import select

    columns = (
        DagRun.run_id,
        DagRun.state,
        DagRun.run_type,
        DagRun.execution_date,
        DagRun.start_date,
        DagRun.end_date,
    )
    newest = select(*columns).where(DagRun.dag_id == dag_id).order_by(DagRun.execution_date.desc())
    return list(session.execute(newest.limit(count)))
