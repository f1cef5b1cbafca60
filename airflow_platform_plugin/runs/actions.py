"""Actions on runs: check the conf, clear tasks, withdraw runs. They flush and never commit."""

import copy
from collections.abc import Collection
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.exceptions import AirflowException
from airflow_platform_plugin.airflow_compat.models import DagRun, TaskInstance
from airflow_platform_plugin.airflow_compat.states import UNFINISHED_RUN, DagRunState, TaskInstanceState
from airflow_platform_plugin.airflow_compat.types import Dag, DagRunRow, TaskRow
from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.errors import ValidationFailed

UNFINISHED = frozenset(UNFINISHED_RUN)
_FAILED = (TaskInstanceState.FAILED, TaskInstanceState.UPSTREAM_FAILED)


def check_conf(dag: Dag, conf: dict[str, Any], *pointer: str | int) -> None:
    """Check a run's conf against the DAG's params.

    Args:
        dag: the DAG.
        conf: the run's conf.
        pointer: the path of the conf in the request.

    Raises:
        ValidationFailed: the conf does not fit.
    """
    params = copy.deepcopy(dag.params)
    try:
        params.update(conf)
        params.validate()
    except AirflowException as error:  # ParamValidationError
        raise ValidationFailed.of(*pointer, message=str(error)) from error


def clear(  # noqa: PLR0913 - the parameters of Airflow's own function
    session: Session,
    dag: Dag,
    run: DagRunRow,
    *,
    task_ids: Collection[str] | None = None,
    only_failed: bool = False,
    reset_dag_run: bool = True,
    dry_run: bool = False,
) -> list[TaskRow]:
    """Clear tasks of a run, so that they run again, and return their instances.

    They are found by the run's id. ``DAG.clear`` finds them by date, so that PostgreSQL may read all runs of
    the DAG, and it follows an ExternalTaskMarker into other DAGs.

    Args:
        session: the request's transaction.
        dag: the run's DAG.
        run: the run.
        task_ids: the tasks; None for all.
        only_failed: only those that have failed.
        reset_dag_run: let the run start again.
        dry_run: change nothing.
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
        airflow_compat.runs.clear_tasks(session, dag, instances, restart_run=reset_dag_run)
    return instances


def withdraw(session: Session, dag_id: str, run_ids: Collection[str], *, made_by: str) -> list[str]:
    """Withdraw those of the runs that have not started; return the ids of the deleted ones.

    A run whose id begins with ``made_by`` is deleted. Any other existed before and was cleared: it is marked
    failed, and its tasks are skipped.
    """
    deleted = []
    queued = select(DagRun).where(
        DagRun.dag_id == dag_id, DagRun.run_id.in_(run_ids), DagRun.state == DagRunState.QUEUED
    )
    for run in session.scalars(queued.with_for_update()).all():
        if run.run_id.startswith(made_by):
            db.execute_bulk(session, delete(DagRun).where(DagRun.id == run.id))
            deleted.append(str(run.run_id))
            continue
        of_run = (TaskInstance.dag_id == dag_id, TaskInstance.run_id == run.run_id)
        skip = update(TaskInstance).where(*of_run, TaskInstance.state.is_(None))
        db.execute_bulk(session, skip.values(state=TaskInstanceState.SKIPPED, end_date=db.now()))
        run.set_state(DagRunState.FAILED)
    session.flush()
    return deleted
