"""Backfills and bulk operations."""

from typing import Any

from airflow_platform.models.base import Model, Timestamp
from airflow_platform.models.tasks import TaskInstance


class BackfillProgress(Model):
    """What became of a backfill's dates; ``running`` counts runs that are queued too."""

    total: int
    total_is_estimate: bool = False
    created: int = 0
    cleared: int = 0
    skipped: int = 0
    running: int = 0
    success: int = 0
    failed: int = 0
    remaining: int = 0

    def __str__(self) -> str:
        total = f"about {self.total}" if self.total_is_estimate else str(self.total)
        parts = (self.success, "succeeded"), (self.failed, "failed"), (self.skipped, "skipped")
        told = ", ".join(f"{count} {word}" for count, word in parts if count)
        return f"{total} runs: {self.running} active, {self.remaining} to come" + (told and f", {told}")


class FirstRun(Model):
    """What is to be done about a date: ``create`` its run, ``clear`` the one that is there, or ``skip``."""

    logical_date: Timestamp
    action: str
    dag_run_id: str | None = None
    data_interval_start: Timestamp | None = None
    data_interval_end: Timestamp | None = None


class BackfillFields(Model):
    """What is known of a backfill; the clients' own Backfill can also ask again.

    There is no id where it was a dry run, and ``first_runs`` are there only when it was just asked for.
    """

    backfill_id: str | None = None
    dag_id: str
    state: str
    message: str | None = None
    start_date: Timestamp | None = None
    end_date: Timestamp | None = None
    conf: dict[str, Any] = {}
    max_active_runs: int | None = None
    reprocess: str | None = None
    run_backwards: bool | None = None
    progress: BackfillProgress
    created_at: Timestamp | None = None
    created_by: str | None = None
    ended_at: Timestamp | None = None
    first_runs: list[FirstRun] = []

    @property
    def is_finished(self) -> bool:
        """Whether no further runs will be made."""
        return self.state in ("completed", "failed", "cancelled")


class ItemResult(Model):
    """What became of one item: ``error`` has code, message and details where the status is no success."""

    status: int
    error: dict[str, Any] | None = None

    @property
    def succeeded(self) -> bool:
        """Whether it was done."""
        return self.error is None


class Cleared(ItemResult):
    """What was cleared of one run."""

    task_instances: list[TaskInstance] = []


class ClearResults(Model):
    """What became of each item, in the order of the request."""

    succeeded: int
    failed: int
    results: list[Cleared]
