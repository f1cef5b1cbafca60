"""Tasks of a DAG and their instances in a run."""

from typing import Any

from airflow_platform.models.base import Duration, Model, Timestamp


class Task(Model):
    """A task as its DAG defines it."""

    task_id: str
    owner: str | None = None
    operator_name: str | None = None
    start_date: Timestamp | None = None
    end_date: Timestamp | None = None
    trigger_rule: str | None = None
    depends_on_past: bool | None = None
    is_mapped: bool | None = None
    retries: int | None = None
    retry_delay: Duration | None = None
    execution_timeout: Duration | None = None
    pool: str | None = None
    queue: str | None = None
    template_fields: list[str] = []
    downstream_task_ids: list[str] = []


class TaskInstance(Model):
    """A task in one run."""

    task_id: str
    dag_id: str
    dag_run_id: str
    map_index: int = -1
    state: str | None = None
    execution_date: Timestamp | None = None
    start_date: Timestamp | None = None
    end_date: Timestamp | None = None
    queued_when: Timestamp | None = None
    duration: float | None = None
    try_number: int | None = None
    max_tries: int | None = None
    hostname: str | None = None
    operator: str | None = None
    pool: str | None = None
    queue: str | None = None
    rendered_fields: dict[str, Any] = {}
    note: str | None = None
