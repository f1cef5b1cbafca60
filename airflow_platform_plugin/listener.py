"""Airflow's listener hooks, a line each. What they call never raises: an exception here ends a scheduler."""

from typing import Any

from airflow.listeners import hookimpl


@hookimpl
def on_starting(component: Any) -> None:  # noqa: ANN401, D103 - Airflow's signature; the module says it
    from airflow_platform_plugin import supervisor

    supervisor.on_starting(component)


@hookimpl
def before_stopping(component: Any) -> None:  # noqa: ANN401, D103
    from airflow_platform_plugin import supervisor

    supervisor.before_stopping(component)


@hookimpl
def on_dag_run_running(dag_run: Any) -> None:  # noqa: ANN401, D103
    from airflow_platform_plugin.runs import run_events

    run_events.dag_run_changed(dag_run)


@hookimpl
def on_dag_run_success(dag_run: Any) -> None:  # noqa: ANN401, D103
    from airflow_platform_plugin.runs import run_events

    run_events.dag_run_changed(dag_run)


@hookimpl
def on_dag_run_failed(dag_run: Any) -> None:  # noqa: ANN401, D103
    from airflow_platform_plugin.runs import run_events

    run_events.dag_run_changed(dag_run)


@hookimpl
def on_task_instance_success(task_instance: Any) -> None:  # noqa: ANN401, D103
    from airflow_platform_plugin.runs import run_events

    run_events.task_instance_changed(task_instance)


@hookimpl
def on_task_instance_failed(task_instance: Any) -> None:  # noqa: ANN401, D103
    from airflow_platform_plugin.runs import run_events

    run_events.task_instance_changed(task_instance)
