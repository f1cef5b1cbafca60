"""DAGs and what their runs look like."""

from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator

from airflow_platform.models.base import Model, Timestamp


def format_schedule(schedule: Any) -> Any:  # noqa: ANN401 - before validation
    """Airflow's ``{"__type": "CronExpression", "value": …}`` and its kin in a word or two."""
    if not isinstance(schedule, dict):
        return schedule
    if "value" in schedule:
        return schedule["value"]
    if schedule.get("__type") == "TimeDelta":
        return str(timedelta(schedule["days"], schedule["seconds"], schedule["microseconds"]))
    # A relativedelta: plural keys are added to a date, singular ones replace a part of it.
    parts = (
        f"{amount} {unit}" if unit.endswith("s") else f"{unit}={amount}"
        for unit, amount in schedule.items()
        if amount is not None and unit != "__type" and not (amount == 0 and unit.endswith("s"))
    )
    return ", ".join(parts)


class Tag(Model):
    """A label of a DAG."""

    name: str

    def __str__(self) -> str:
        return self.name


class Dag(Model):
    """A DAG."""

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
    """What is known of a run; the clients' own DagRun can also ask again."""

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
        """Whether the run has come to its end."""
        return self.state in ("success", "failed")
