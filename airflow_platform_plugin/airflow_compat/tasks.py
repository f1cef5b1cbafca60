"""Task instances: the operator in the task's own process, and what others see of a task."""

from typing import TYPE_CHECKING

from airflow_platform_plugin.airflow_compat.types import Operator, TaskContext, XComValue

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def execute_nested(operator: Operator, context: TaskContext) -> XComValue:
    """Execute an operator as a part of another operator's task, and return its result.

    Airflow refuses to execute an operator that it has not started itself, except with this argument.
    """
    from airflow.models.base import _sentinel

    return operator.execute(context, **{f"{type(operator).__name__}__sentinel": _sentinel})


def current_context() -> TaskContext | None:
    """Return the context of the task that this process executes, or None."""
    from airflow.exceptions import AirflowException
    from airflow.operators.python import get_current_context

    try:
        return get_current_context()
    except AirflowException:
        return None


def current_session() -> "Session | None":
    """Return the session in which this task process is about to store the state of its task, or None.

    Also None on SQLite: an insert there would block all other writers while the task's callbacks run.
    """
    from airflow.utils import task_instance_session as module

    session: Session | None = getattr(module, "__current_task_instance_session", None)
    return None if session is None or session.get_bind().dialect.name == "sqlite" else session


def triggerer_is_running(session: "Session") -> bool:
    """Return whether a triggerer watches deferred tasks."""
    from airflow.jobs.job import most_recent_job

    job = most_recent_job("TriggererJob", session=session)
    return job is not None and bool(job.is_alive())


def xcom(session: "Session", dag_id: str, run_id: str, task_id: str, key: str) -> XComValue:
    """Return the XCom value that a task has stored under a key, or None."""
    from airflow.models.taskinstancekey import TaskInstanceKey
    from airflow.models.xcom import XCom

    task = TaskInstanceKey(dag_id=dag_id, task_id=task_id, run_id=run_id)
    return XCom.get_value(ti_key=task, key=key, session=session)
