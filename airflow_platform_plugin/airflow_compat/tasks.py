"""Task instances, seen from inside and outside of a task's process."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def execute_nested(operator: Any, context: Any) -> Any:  # noqa: ANN401 - a BaseOperator, Airflow's Context
    """Execute an operator as part of another one's task, in the way in which Airflow itself calls it."""
    from airflow.models.base import _sentinel

    return operator.execute(context, **{f"{type(operator).__name__}__sentinel": _sentinel})


def current_context() -> Any:  # noqa: ANN401 - Airflow's Context
    """Of the task that this process executes; None where there is none."""
    from airflow.exceptions import AirflowException
    from airflow.operators.python import get_current_context

    try:
        return get_current_context()
    except AirflowException:
        return None


def triggerer_is_running() -> bool:
    """Whether deferred tasks are watched by somebody."""
    from airflow.jobs.job import most_recent_job

    from airflow_platform_plugin.core import db

    with db.transaction() as session:
        job = most_recent_job("TriggererJob", session=session)
        return job is not None and job.is_alive()


def xcom(session: "Session", dag_id: str, run_id: str, task_id: str, key: str) -> Any:  # noqa: ANN401 - any value
    """What a task has left under a key, or None."""
    from airflow.models.xcom import XCom

    return XCom.get_value(ti_key=_ti_key(dag_id, task_id, run_id), key=key, session=session)


def _ti_key(dag_id: str, task_id: str, run_id: str) -> Any:  # noqa: ANN401 - Airflow's
    from airflow.models.taskinstancekey import TaskInstanceKey

    return TaskInstanceKey(dag_id=dag_id, task_id=task_id, run_id=run_id)
