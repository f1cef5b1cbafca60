"""Runs made, cleared and withdrawn, by Airflow's own functions. They flush and never commit."""

import copy
from collections.abc import Collection
from typing import Any

from airflow.exceptions import AirflowException
from airflow.models.dagrun import DagRunNote
from airflow.models.taskinstance import clear_task_instances
from airflow.utils.state import DagRunState, TaskInstanceState
from airflow.utils.types import DagRunType
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from airflow_platform_plugin.airflow_compat.models import DagRun, TaskInstance
from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.errors import ValidationFailed

UNFINISHED = frozenset({DagRunState.QUEUED.value, DagRunState.RUNNING.value})
_FAILED = (TaskInstanceState.FAILED, TaskInstanceState.UPSTREAM_FAILED)
_UNSYNCHRONIZED = {"synchronize_session": False}


def check_conf(dag: Any, conf: dict[str, Any], *pointer: str | int) -> None:  # noqa: ANN401 - Airflow's DAG
    """Hold a run's conf against the DAG's params.

    Raises:
        ValidationFailed: it does not fit; ``pointer`` is where it stands in the request.
    """
    params = copy.deepcopy(dag.params)
    try:
        params.update(conf)
        params.validate()
    except AirflowException as error:  # ParamValidationError
        raise ValidationFailed.of(*pointer, message=str(error)) from error


def make(  # noqa: PLR0913 - what a run is made of
    session: Session,
    dag: Any,  # noqa: ANN401 - Airflow's DAG
    *,
    run_id: str,
    logical_date: Any,  # noqa: ANN401 - pendulum's DateTime
    data_interval: Any,  # noqa: ANN401 - Airflow's DataInterval
    conf: dict[str, Any],
    dag_hash: str | None,
    external_trigger: bool = True,
    note: str | None = None,
    user_id: int | None = None,
) -> Any:  # noqa: ANN401 - Airflow's DagRun
    """Make a run that the scheduler starts when it has room.

    Raises:
        ValueError, AirflowException: Airflow refuses the conf or the run's id.
    """
    # For a date before the DAG's start Airflow makes a run without tasks, which succeeds at once, unless
    # it is a backfill's. No scheduler looks at those; so it is one only until its tasks are there.
    early = dag.start_date is not None and logical_date < dag.start_date
    run = dag.create_dagrun(
        run_type=DagRunType.BACKFILL_JOB if early else DagRunType.MANUAL,
        run_id=run_id,
        execution_date=logical_date,
        data_interval=data_interval,
        state=DagRunState.QUEUED,
        conf=conf,
        external_trigger=external_trigger,
        dag_hash=dag_hash,
        session=session,
    )
    run.run_type = DagRunType.MANUAL
    if note:
        run.dag_run_note = DagRunNote(note, user_id)
    session.flush()
    return run


def clear(  # noqa: PLR0913 - what Airflow's own takes
    session: Session,
    dag: Any,  # noqa: ANN401 - Airflow's DAG
    run: Any,  # noqa: ANN401 - Airflow's DagRun
    *,
    task_ids: Collection[str] | None = None,
    only_failed: bool = False,
    reset_dag_run: bool = True,
    dry_run: bool = False,
) -> list[Any]:
    """Let tasks of a run run again, all unless some are named, and return their instances.

    Found by the run's id: ``DAG.clear`` finds them by date, for which PostgreSQL may read all that the DAG
    ever ran, and follows an ExternalTaskMarker into other DAGs.
    """
    wanted = select(TaskInstance).where(
        TaskInstance.dag_id == dag.dag_id,
        TaskInstance.run_id == run.run_id,
        TaskInstance.task_id.in_(dag.task_ids if task_ids is None else task_ids),
    )
    if only_failed:
        wanted = wanted.where(TaskInstance.state.in_(_FAILED))
    instances = list(session.scalars(wanted))
    if instances and not dry_run:
        state = DagRunState.QUEUED if reset_dag_run else False
        clear_task_instances(instances, session, dag=dag, dag_run_state=state)
    return instances


def withdraw(session: Session, dag_id: str, run_ids: Collection[str], *, made_by: str) -> list[str]:
    """Take back those of the runs that have not started; returns the ids of those that are gone.

    One whose id begins with ``made_by`` is deleted, as if it had never been made; any other, which was there
    before and was cleared, is marked failed and its tasks skipped.
    """
    gone = []
    queued = select(DagRun).where(
        DagRun.dag_id == dag_id, DagRun.run_id.in_(run_ids), DagRun.state == DagRunState.QUEUED
    )
    for run in session.scalars(queued.with_for_update()).all():
        if run.run_id.startswith(made_by):
            session.execute(delete(DagRun).where(DagRun.id == run.id), execution_options=_UNSYNCHRONIZED)
            gone.append(str(run.run_id))
            continue
        of_run = (TaskInstance.dag_id == dag_id, TaskInstance.run_id == run.run_id)
        skip = update(TaskInstance).where(*of_run, TaskInstance.state.is_(None))
        session.execute(
            skip.values(state=TaskInstanceState.SKIPPED, end_date=db.now()), execution_options=_UNSYNCHRONIZED
        )
        run.set_state(DagRunState.FAILED)
    session.flush()
    return gone
