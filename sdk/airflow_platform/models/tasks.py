"""Tasks of a DAG and their instances in a run."""

from typing import Any

from airflow_platform.models.base import Duration, Model, Timestamp


class Task(Model):
    """A task of a DAG.

    Attributes:
        task_id: Id of the task.
        owner: Owner of the task.
        operator_name: Name of the operator's class.
        start_date: First date that the task runs for.
        end_date: Last date that the task runs for.
        trigger_rule: When the task runs, depending on those before it, such as ``all_success``.
        depends_on_past: Whether the task waits for itself in the previous run.
        is_mapped: Whether the task is mapped to several instances.
        retries: How often a failed try is retried.
        retry_delay: Time between two tries.
        execution_timeout: Time that one try may take.
        pool: Airflow pool of the task.
        queue: Queue of the task's workers.
        template_fields: Names of the operator's fields that are templates.
        downstream_task_ids: Ids of the tasks after this one.
    """

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
    """A task in one run.

    Attributes:
        task_id: Id of the task.
        dag_id: Id of the DAG.
        dag_run_id: Id of the run.
        map_index: Index of a mapped instance, from 0; otherwise -1.
        state: State, such as ``running`` or ``success``; None before it is scheduled.
        execution_date: Logical date of the run.
        start_date: When the latest try started.
        end_date: When the latest try ended.
        queued_when: When the latest try was queued.
        duration: Duration of the latest try, in seconds.
        try_number: Number of the latest try, from 1; 0 before the first.
        max_tries: How often the task is retried.
        hostname: Host that ran the latest try.
        operator: Name of the operator's class.
        pool: Airflow pool of the task.
        queue: Queue of the task's workers.
        rendered_fields: The operator's templates with their values.
        note: Note of the task instance.
    """

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
