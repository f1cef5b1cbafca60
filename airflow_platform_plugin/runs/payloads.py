"""The payloads of the events of DAG runs and task instances."""

from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict


class DagRunChanged(BaseModel):
    """The payload of ``dag.*`` events.

    Attributes:
        dag_run_id: Airflow's ``run_id``.
        execution_date: the run's logical date.
        duration_seconds: from start to end; None while it runs.
        state: Airflow's state of the run.
        conf: the run's conf, as JSON.
        conf_error: why ``conf`` is left out, if it is.
        external_trigger: whether the run was triggered rather than scheduled.
    """

    model_config = ConfigDict(extra="forbid")

    dag_id: str
    dag_run_id: str
    execution_date: AwareDatetime | None
    start_date: AwareDatetime | None
    end_date: AwareDatetime | None
    duration_seconds: float | None
    state: str
    conf: Any
    conf_error: str | None = None
    external_trigger: bool


class TaskInstanceChanged(BaseModel):
    """The payload of ``task.*`` events.

    Attributes:
        dag_run_id: Airflow's ``run_id``.
        map_index: the index of a mapped task instance; -1 otherwise.
        try_number: the number of the try.
        max_tries: how many retries the task has.
        duration_seconds: from start to end.
        state: Airflow's state of the task instance.
        operator: the class of the task's operator.
    """

    model_config = ConfigDict(extra="forbid")

    dag_id: str
    dag_run_id: str
    task_id: str
    map_index: int
    try_number: int
    max_tries: int
    start_date: AwareDatetime | None
    end_date: AwareDatetime | None
    duration_seconds: float | None
    state: str
    operator: str | None
