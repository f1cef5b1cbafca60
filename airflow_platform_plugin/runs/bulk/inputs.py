"""What the service of bulk operations takes."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, kw_only=True)
class NewRun:
    """A run to trigger.

    Attributes:
        dag_id: its DAG.
        dag_run_id: its id; None for the one that Airflow gives.
        logical_date: its logical date; None for now.
        conf: its ``conf``, which must fit the DAG's params.
        note: a note for people; None for none.
    """

    dag_id: str
    dag_run_id: str | None = None
    logical_date: datetime | None = None
    conf: dict[str, Any] = field(default_factory=dict)
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class TasksToClear:
    """Tasks of one run to clear.

    Attributes:
        dag_id: the run's DAG.
        dag_run_id: the run.
        task_ids: the tasks; None for all.
        only_failed: only those that have failed.
        include_upstream: also all tasks before them.
        include_downstream: also all tasks after them.
        reset_dag_runs: let the run start again; otherwise its state stays.
    """

    dag_id: str
    dag_run_id: str
    task_ids: list[str] | None = None
    only_failed: bool = False
    include_upstream: bool = False
    include_downstream: bool = False
    reset_dag_runs: bool = True


@dataclass(frozen=True, kw_only=True)
class NewRuns:
    """Runs to trigger, of any DAGs."""

    runs: list[NewRun]


@dataclass(frozen=True, kw_only=True)
class ClearRequest:
    """Tasks to clear, of any runs.

    Attributes:
        tasks: an item for each run.
        dry_run: only return which task instances would be cleared.
    """

    tasks: list[TasksToClear]
    dry_run: bool = False
