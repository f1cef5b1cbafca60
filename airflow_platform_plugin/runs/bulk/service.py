"""Bulk operations: each item under a SAVEPOINT of its own, so that one that fails undoes itself alone."""

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

import pendulum
from sqlalchemy import or_, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.exceptions import AirflowException
from airflow_platform_plugin.airflow_compat.models import DagRun
from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.errors import Conflict, NotFound, ValidationFailed
from airflow_platform_plugin.core.principal import Principal
from airflow_platform_plugin.http import audit, responses
from airflow_platform_plugin.http.error_mapping import public_error
from airflow_platform_plugin.runs import actions, dag_lookup

Item = dict[str, Any]


def trigger(session: Session, bag: Any, runs: Sequence[Item], *, by: Principal) -> Item:  # noqa: ANN401 - Airflow's DagBag
    """Trigger each of the runs that can be; returns what became of them, in their order."""
    user_id = airflow_compat.users.request_user_id()

    def one(index: int, item: Item) -> Item:
        dag_id, conf = item["dag_id"], item["conf"]
        by.require_dag(dag_id, "POST", "RUN")
        dag = dag_lookup.get_runnable_dag(session, bag, dag_id)
        actions.check_conf(dag, conf, "runs", index, "conf")
        logical_date = pendulum.instance(item["logical_date"] or db.now())
        interval = dag.timetable.infer_manual_data_interval(run_after=logical_date)
        run_id = item["dag_run_id"] or airflow_compat.runs.manual_run_id(dag, logical_date, interval)
        _require_new(session, dag_id, run_id, logical_date)
        try:
            run = airflow_compat.runs.create_run(
                session,
                dag,
                run_id=run_id,
                logical_date=logical_date,
                data_interval=interval,
                conf=conf,
                dag_hash=bag.dags_hash.get(dag_id),
                note=item["note"],
                user_id=user_id,
            )
        except (ValueError, AirflowException) as error:  # the id, for the conf was looked at
            raise ValidationFailed.of("runs", index, "dag_run_id", message=str(error)) from error
        audit.record_run_change(session, by, "trigger_dags", dag_id=dag_id, run_id=run_id, conf=conf)
        return {"status": HTTPStatus.CREATED, "dag_run": airflow_compat.runs.dump_run(run)}

    return _each(session, runs, one)


def clear(
    session: Session,
    bag: Any,  # noqa: ANN401 - Airflow's DagBag
    tasks: Sequence[Item],
    *,
    dry_run: bool,
    by: Principal,
) -> Item:
    """Clear what each item names; returns what became of them, in their order."""

    def one(_: int, item: Item) -> Item:
        dag_id, run_id = item["dag_id"], item["dag_run_id"]
        by.require_dag(dag_id, "PUT", "TASK_INSTANCE")
        dag = dag_lookup.get_runnable_dag(session, bag, dag_id)
        run = session.scalar(select(DagRun).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id))
        if run is None:
            raise NotFound(f"Run '{run_id}' of DAG '{dag_id}' not found", dag_id=dag_id, dag_run_id=run_id)
        cleared = actions.clear(
            session,
            dag,
            run,
            task_ids=_tasks(dag, item),
            only_failed=item["only_failed"],
            reset_dag_run=item["reset_dag_runs"],
            dry_run=dry_run,
        )
        if cleared and not dry_run:
            task_ids = sorted({instance.task_id for instance in cleared})
            audit.record_run_change(
                session, by, "clear_tasks", dag_id=dag_id, run_id=run_id, task_ids=task_ids
            )
        return {"status": HTTPStatus.OK, "task_instances": cleared}

    return _each(session, tasks, one)


def _each(session: Session, items: Sequence[Item], one: Callable[[int, Item], Item]) -> Item:
    results: list[Item] = []
    for index, item in enumerate(items):
        try:
            with db.savepoint(session):
                results.append(one(index, item))
        except OperationalError:
            raise  # the database is away, for all of them
        except Exception as error:  # noqa: BLE001 - every failure has an answer
            public = public_error(error)
            told = responses.error_object(public.code, public.message, public.details)
            results.append({"status": public.status, "error": told})
    failed = sum("error" in result for result in results)
    return {
        "results": [{"error": None, "dag_run": None, "task_instances": None, **result} for result in results],
        "succeeded": len(results) - failed,
        "failed": failed,
    }


def _require_new(session: Session, dag_id: str, run_id: str, logical_date: Any) -> None:  # noqa: ANN401 - pendulum's DateTime
    same = or_(DagRun.run_id == run_id, airflow_compat.runs.logical_date() == logical_date)
    there = session.scalar(select(DagRun.run_id).where(DagRun.dag_id == dag_id, same))
    if there is not None:
        raise Conflict(
            f"DAG '{dag_id}' has a run of this id or logical date: '{there}'", dag_id=dag_id, dag_run_id=there
        )


def _tasks(dag: Any, item: Item) -> list[str] | None:  # noqa: ANN401 - Airflow's DAG
    """The tasks that an item means, None for all of the run's."""
    wanted = item["task_ids"]
    if wanted is None:
        return None
    unknown = sorted(set(wanted) - set(dag.task_dict))
    if unknown:
        raise NotFound(
            f"DAG '{dag.dag_id}' has no task {', '.join(map(repr, unknown))}",
            dag_id=dag.dag_id,
            task_ids=unknown,
        )
    # Also where neither is asked for: a task's setup is cleared with it.
    subset = dag.partial_subset(
        wanted, include_upstream=item["include_upstream"], include_downstream=item["include_downstream"]
    )
    return list(subset.task_dict)
