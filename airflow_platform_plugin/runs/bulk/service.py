"""Bulk operations: each item in its own SAVEPOINT, so that one that fails undoes only itself.

A caller needs, for each item, the permissions on the DAG's runs and tasks that Airflow's own endpoints need.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any, TypeVar

import pendulum
from sqlalchemy import or_, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.exceptions import AirflowException
from airflow_platform_plugin.airflow_compat.models import DagRun
from airflow_platform_plugin.airflow_compat.types import Dag
from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.errors import Conflict, NotFound, ValidationFailed
from airflow_platform_plugin.core.principal import Principal
from airflow_platform_plugin.http import audit, responses
from airflow_platform_plugin.http.error_mapping import to_public_error
from airflow_platform_plugin.runs import actions, dag_lookup
from airflow_platform_plugin.runs.bulk.inputs import ClearRequest, NewRun, NewRuns, TasksToClear

TRIGGER, CLEAR = "dag_runs:write", "tasks:write"

Item = TypeVar("Item")
Result = dict[str, Any]


def trigger(session: Session, data: NewRuns, *, by: Principal) -> Result:
    """Trigger each of the runs.

    Returns:
        ``results`` in the order of the runs, each with ``status``, ``dag_run`` and ``error``; the numbers
        ``succeeded`` and ``failed``.
    """
    user_id = airflow_compat.users.request_user_id()
    bag = airflow_compat.dags.webserver_dagbag()

    def one(index: int, item: NewRun) -> Result:
        by.require_dag(item.dag_id, "POST", "RUN")
        dag = dag_lookup.get_runnable_dag(session, bag, item.dag_id)
        actions.check_conf(dag, item.conf, "runs", index, "conf")
        logical_date = pendulum.instance(item.logical_date or db.now())
        interval = dag.timetable.infer_manual_data_interval(run_after=logical_date)
        run_id = item.dag_run_id or airflow_compat.runs.manual_run_id(dag, logical_date, interval)
        _require_new(session, item.dag_id, run_id, logical_date)
        try:
            run = airflow_compat.runs.create_run(
                session,
                dag,
                run_id=run_id,
                logical_date=logical_date,
                data_interval=interval,
                conf=item.conf,
                dag_hash=bag.dags_hash.get(item.dag_id),
                note=item.note,
                user_id=user_id,
            )
        except (ValueError, AirflowException) as error:  # the id, because the conf is checked already
            raise ValidationFailed.of("runs", index, "dag_run_id", message=str(error)) from error
        audit.record_run_change(
            session, by, "trigger_dags", dag_id=item.dag_id, run_id=run_id, conf=item.conf
        )
        return {"status": HTTPStatus.CREATED, "dag_run": airflow_compat.runs.dump_run(run)}

    return _each(session, data.runs, one)


def clear(session: Session, data: ClearRequest, *, by: Principal) -> Result:
    """Clear the tasks of each item.

    Returns:
        ``results`` in the order of the items, each with ``status``, ``task_instances`` and ``error``; the
        numbers ``succeeded`` and ``failed``.
    """
    bag = airflow_compat.dags.webserver_dagbag()

    def one(_: int, item: TasksToClear) -> Result:
        dag_id, run_id = item.dag_id, item.dag_run_id
        by.require_dag(dag_id, "PUT", "TASK_INSTANCE")
        dag = dag_lookup.get_runnable_dag(session, bag, dag_id)
        run = session.scalar(select(DagRun).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id))
        if run is None:
            raise NotFound(f"Run '{run_id}' of DAG '{dag_id}' not found", dag_id=dag_id, dag_run_id=run_id)
        cleared = actions.clear(
            session,
            dag,
            run,
            task_ids=_task_ids(dag, item),
            only_failed=item.only_failed,
            reset_dag_run=item.reset_dag_runs,
            dry_run=data.dry_run,
        )
        if cleared and not data.dry_run:
            task_ids = sorted({instance.task_id for instance in cleared})
            audit.record_run_change(
                session, by, "clear_tasks", dag_id=dag_id, run_id=run_id, task_ids=task_ids
            )
        return {"status": HTTPStatus.OK, "task_instances": cleared}

    return _each(session, data.tasks, one)


def _each(session: Session, items: Sequence[Item], one: Callable[[int, Item], Result]) -> Result:
    results: list[Result] = []
    for index, item in enumerate(items):
        try:
            with db.savepoint(session):
                results.append(one(index, item))
        except OperationalError:
            raise  # the database is away, for all of them
        except Exception as error:  # noqa: BLE001 - every failure is the result of its item
            public = to_public_error(error)
            shown = responses.error_object(public.code, public.message, public.details)
            results.append({"status": public.status, "error": shown})
    failed = sum("error" in result for result in results)
    return {
        "results": [{"error": None, "dag_run": None, "task_instances": None, **result} for result in results],
        "succeeded": len(results) - failed,
        "failed": failed,
    }


def _require_new(session: Session, dag_id: str, run_id: str, logical_date: datetime) -> None:
    same = or_(DagRun.run_id == run_id, airflow_compat.runs.logical_date() == logical_date)
    existing = session.scalar(select(DagRun.run_id).where(DagRun.dag_id == dag_id, same))
    if existing is not None:
        raise Conflict(
            f"DAG '{dag_id}' has a run of this id or logical date: '{existing}'",
            dag_id=dag_id,
            dag_run_id=existing,
        )


def _task_ids(dag: Dag, item: TasksToClear) -> list[str] | None:
    """Return the tasks to clear; None for all of the run."""
    wanted = item.task_ids
    if wanted is None:
        return None
    unknown = sorted(set(wanted) - set(dag.task_dict))
    if unknown:
        raise NotFound(
            f"DAG '{dag.dag_id}' has no task {', '.join(map(repr, unknown))}",
            dag_id=dag.dag_id,
            task_ids=unknown,
        )
    # Also if neither is asked for: a task's setup is cleared with it.
    subset = dag.partial_subset(
        wanted, include_upstream=item.include_upstream, include_downstream=item.include_downstream
    )
    return list(subset.task_dict)
