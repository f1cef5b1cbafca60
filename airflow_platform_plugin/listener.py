"""Airflow's listener hooks. What they call never raises: an exception here would end a scheduler."""

from typing import TYPE_CHECKING

from airflow.listeners import hookimpl

if TYPE_CHECKING:  # every task process imports this module
    from airflow_platform_plugin.airflow_compat.types import Component, DagRunRow, TaskRow


@hookimpl
def on_starting(component: "Component") -> None:
    """Start the worker with the scheduler; Airflow calls this when one of its jobs starts."""
    from airflow_platform_plugin import supervisor

    supervisor.on_starting(component)


@hookimpl
def before_stopping(component: "Component") -> None:
    """Stop the worker with the scheduler; Airflow calls this before one of its jobs stops."""
    from airflow_platform_plugin import supervisor

    supervisor.before_stopping(component)


@hookimpl
def on_dag_run_running(dag_run: "DagRunRow") -> None:
    """Record that a DAG run has started."""
    from airflow_platform_plugin.runs import run_events

    run_events.dag_run_changed(dag_run)


@hookimpl
def on_dag_run_success(dag_run: "DagRunRow") -> None:
    """Record that a DAG run has succeeded."""
    from airflow_platform_plugin.runs import run_events

    run_events.dag_run_changed(dag_run)


@hookimpl
def on_dag_run_failed(dag_run: "DagRunRow") -> None:
    """Record that a DAG run has failed."""
    from airflow_platform_plugin.runs import run_events

    run_events.dag_run_changed(dag_run)


@hookimpl
def on_task_instance_success(task_instance: "TaskRow") -> None:
    """Record that a task instance has succeeded."""
    from airflow_platform_plugin.runs import run_events

    run_events.task_instance_changed(task_instance)


@hookimpl
def on_task_instance_failed(task_instance: "TaskRow") -> None:
    """Record that a task instance has failed."""
    from airflow_platform_plugin.runs import run_events

    run_events.task_instance_changed(task_instance)
