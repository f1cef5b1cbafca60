"""State changes of DAG runs and task instances as events: the fast path, called by Airflow's listeners.

Nothing here may harm Airflow. Hooks of DAG runs run inside the scheduler's own transaction, where a commit or
an exception of ours would end the scheduler. So the event is inserted under a SAVEPOINT on the scheduler's
connection: it becomes visible together with the state change, and a failed insert undoes only itself. Task
processes do the same in Airflow's session of the task. No lock is waited for.
"""

import json
import logging
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy.orm import object_session

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.core import new_events, nowait
from airflow_platform_plugin.core.new_events import NewEvent
from airflow_platform_plugin.core.timestamps import timestamp

if TYPE_CHECKING:
    from airflow_platform_plugin.airflow_compat.types import DagRunRow, TaskRow
    from airflow_platform_plugin.core.types import Row

log = logging.getLogger(__name__)

Conf: TypeAlias = Any  # what a run was triggered with, which Airflow pickles

DAG_RUN_EVENTS = {"running": "dag.running", "success": "dag.success", "failed": "dag.failure"}
TASK_EVENTS = {
    "success": "task.success",
    "failed": "task.failure",
    "up_for_retry": "task.retry",
    "skipped": "task.skipped",
    "upstream_failed": "task.upstream_failed",
}


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else timestamp(moment)


def _duration(start: datetime | None, end: datetime | None) -> float | None:
    return None if start is None or end is None else (end - start).total_seconds()


# The beginning of the id of the run that `airflow tasks test` creates for a task, and deletes again.
_TEMPORARY = "__airflow_temporary_run_"
_LONGEST_CONF = 1_000_000  # characters, as JSON


def conf_as_json(conf: Conf) -> dict[str, Any]:
    """Return the event's fields of a conf: the conf as JSON, or why it is left out.

    Airflow pickles a run's conf, so the code of a DAG may put anything into it, even itself.
    """
    try:
        text = json.dumps(conf, default=str, skipkeys=True)
        if len(text) > _LONGEST_CONF:
            return unreadable_conf(f"it has more than {_LONGEST_CONF} characters")
        return {"conf": json.loads(text, parse_constant=str)}
    except Exception as error:  # noqa: BLE001 - a conf's own __str__ may raise anything
        return unreadable_conf(type(error).__name__)


def unreadable_conf(reason: str) -> dict[str, Any]:
    """Return the event's fields if the conf cannot be included."""
    return {"conf": {}, "conf_error": f"The conf is left out: {reason}"}


def dag_run_event(dag_run: "DagRunRow", conf: dict[str, Any] | None = None) -> NewEvent | None:
    """Return the event of the run's present state; None if there is no event for that state.

    Args:
        dag_run: a DagRun, or a row with its columns.
        conf: the event's fields of the run's conf, if the row does not have it.
    """
    state = str(dag_run.state)
    event_type = DAG_RUN_EVENTS.get(state)
    # The time identifies this change among those of the run: clearing a run and marking its state each give
    # it new times.
    moment = dag_run.start_date if state == "running" else dag_run.end_date
    if event_type is None or moment is None or dag_run.run_id.startswith(_TEMPORARY):
        return None
    return NewEvent(
        type=event_type,
        identity=(dag_run.dag_id, dag_run.run_id, timestamp(moment)),
        occurred_at=moment,
        data={
            "dag_id": dag_run.dag_id,
            "dag_run_id": dag_run.run_id,
            "execution_date": _time(dag_run.logical_date),
            "start_date": _time(dag_run.start_date),
            "end_date": _time(dag_run.end_date),
            "duration_seconds": _duration(dag_run.start_date, dag_run.end_date),
            "state": state,
            **(conf_as_json(dag_run.conf or {}) if conf is None else conf),
            "external_trigger": airflow_compat.runs.was_triggered(dag_run),
        },
    )


def task_instance_event(task: "TaskRow") -> NewEvent | None:
    """Return the event of the task instance's present state, or None."""
    state = str(task.state)
    event_type = TASK_EVENTS.get(state)
    if event_type is None or task.end_date is None or task.run_id.startswith(_TEMPORARY):
        return None
    return NewEvent(
        type=event_type,
        identity=(
            task.dag_id,
            task.run_id,
            task.task_id,
            str(task.map_index),
            timestamp(task.end_date),
        ),
        occurred_at=task.end_date,
        data={
            "dag_id": task.dag_id,
            "dag_run_id": task.run_id,
            "task_id": task.task_id,
            "map_index": task.map_index,
            "try_number": task.try_number,
            "max_tries": task.max_tries,
            "start_date": _time(task.start_date),
            "end_date": _time(task.end_date),
            "duration_seconds": _duration(task.start_date, task.end_date),
            "state": state,
            "operator": task.operator,
        },
    )


def dag_run_changed(dag_run: "DagRunRow") -> None:
    """Store the event of a DAG run's change; a failure is logged, and the sweep stores the event later."""
    try:
        _record(dag_run, dag_run_event(dag_run))
    except nowait.LostTransaction as lost:
        raise lost.__cause__ or lost from None  # Airflow handles it as any deadlock
    except Exception:
        log.exception("The platform missed a DAG run's change; the sweep will find it")


def task_instance_changed(task_instance: "TaskRow") -> None:
    """Store the event of a task instance's change; a failure is logged, and the sweep stores it later."""
    try:
        if not getattr(task_instance, "test_mode", False):
            _record(task_instance, task_instance_event(task_instance))
    except nowait.LostTransaction as lost:
        raise lost.__cause__ or lost from None  # as above
    except Exception:
        log.exception("The platform missed a task instance's change; the sweep will find it")


def _record(changed: "Row", event: NewEvent | None) -> None:
    if event is None:
        return
    event = new_events.redate_expired(event)
    session = object_session(changed) or airflow_compat.tasks.current_session()
    if session is not None:
        new_events.record_now(session.connection(), event)
    else:
        from airflow_platform_plugin.core import db  # not with the module: task processes rarely need it

        with db.transaction() as own:
            new_events.record_now(own.connection(), event)
