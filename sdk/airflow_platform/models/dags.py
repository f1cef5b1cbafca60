"""DAGs and their runs."""

from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator

from airflow_platform.models.base import Model, Timestamp
from airflow_platform.types import Json


def format_schedule(schedule: Json) -> Json:
    """Return a schedule as text.

    Args:
        schedule: Airflow's object, such as ``{"__type": "CronExpression", "value": "0 0 * * *"}``, or text.
    """
    if not isinstance(schedule, dict):
        return schedule
    if "value" in schedule:
        return schedule["value"]
    if schedule.get("__type") == "TimeDelta":
        return str(timedelta(schedule["days"], schedule["seconds"], schedule["microseconds"]))
    # A relativedelta: plural keys are added to a date, singular keys replace a part of it.
    parts = (
        f"{amount} {unit}" if unit.endswith("s") else f"{unit}={amount}"
        for unit, amount in schedule.items()
        if amount is not None and unit != "__type" and not (amount == 0 and unit.endswith("s"))
    )
    return ", ".join(parts)


class Tag(Model):
    """A tag of a DAG.

    Attributes:
        name: The tag itself, which ``str()`` returns too.
    """

    name: str

    def __str__(self) -> str:
        return self.name


class Dag(Model):
    """A DAG.

    Attributes:
        dag_id: Id of the DAG.
        description: Description for people.
        fileloc: Path of the DAG's file.
        has_import_errors: Whether the file cannot be imported.
        is_active: Whether Airflow still finds the DAG.
        is_paused: Whether the DAG is paused.
        last_parsed_time: When Airflow last parsed the file.
        max_active_runs: How many runs may be active at once.
        max_active_tasks: How many task instances may run at once.
        next_dagrun: Logical date of the next scheduled run.
        next_dagrun_create_after: When Airflow creates the next scheduled run.
        owners: Owners of the DAG's tasks.
        schedule_interval: The schedule as text, such as ``0 0 * * *``.
        tags: Tags of the DAG.
    """

    dag_id: str
    description: str | None = None
    fileloc: str | None = None
    has_import_errors: bool | None = None
    is_active: bool | None = None
    is_paused: bool | None = None
    last_parsed_time: Timestamp | None = None
    max_active_runs: int | None = None
    max_active_tasks: int | None = None
    next_dagrun: Timestamp | None = None
    next_dagrun_create_after: Timestamp | None = None
    owners: list[str] = []
    schedule_interval: Annotated[str | None, BeforeValidator(format_schedule)] = None
    tags: list[Tag] = []


class DagRunFields(Model):
    """A run of a DAG. The clients' own class adds ``refresh`` and ``wait``.

    Attributes:
        dag_id: Id of the DAG.
        dag_run_id: Id of the run.
        state: ``queued``, ``running``, ``success`` or ``failed``.
        conf: Configuration of the run.
        logical_date: Logical date of the run.
        execution_date: Airflow's former name of the logical date.
        data_interval_start: Start of the run's data interval.
        data_interval_end: End of the run's data interval.
        start_date: When the run started.
        end_date: When the run ended.
        last_scheduling_decision: When the scheduler last looked at the run.
        external_trigger: Whether the run was triggered from outside the schedule.
        run_type: ``manual``, ``scheduled``, ``backfill`` or ``dataset_triggered``.
        note: Note of the run.
    """

    dag_id: str
    dag_run_id: str
    state: str
    conf: dict[str, Any] = {}
    logical_date: Timestamp | None = None
    execution_date: Timestamp | None = None
    data_interval_start: Timestamp | None = None
    data_interval_end: Timestamp | None = None
    start_date: Timestamp | None = None
    end_date: Timestamp | None = None
    last_scheduling_decision: Timestamp | None = None
    external_trigger: bool | None = None
    run_type: str | None = None
    note: str | None = None

    @property
    def is_finished(self) -> bool:
        """Whether the run has succeeded or failed."""
        return self.state in ("success", "failed")
