"""Backfills and bulk operations."""

from typing import Any

from airflow_platform.models.base import Model, Timestamp
from airflow_platform.models.tasks import TaskInstance


class BackfillProgress(Model):
    """The progress of a backfill. ``str()`` of it is a summary.

    Attributes:
        total: Number of dates.
        total_is_estimate: Whether ``total`` is an estimate.
        created: Number of runs that were created.
        cleared: Number of existing runs that were cleared.
        skipped: Number of dates with an existing run that stays unchanged.
        running: Number of runs that are queued or running.
        success: Number of runs that succeeded.
        failed: Number of runs that failed.
        remaining: Number of dates that are still to come.
    """

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
        counts = (self.success, "succeeded"), (self.failed, "failed"), (self.skipped, "skipped")
        ended = ", ".join(f"{count} {word}" for count, word in counts if count)
        return f"{total} runs: {self.running} active, {self.remaining} to come" + (ended and f", {ended}")


class FirstRun(Model):
    """What a backfill does for one of its earliest dates.

    Attributes:
        logical_date: The date.
        action: ``create`` a run, ``clear`` the existing one, or ``skip`` it.
        dag_run_id: Id of the existing run, if there is one.
        data_interval_start: Start of the run's data interval.
        data_interval_end: End of the run's data interval.
    """

    logical_date: Timestamp
    action: str
    dag_run_id: str | None = None
    data_interval_start: Timestamp | None = None
    data_interval_end: Timestamp | None = None


class BackfillFields(Model):
    """A backfill. The clients' own class adds ``refresh`` and ``wait``.

    Attributes:
        backfill_id: Id of the backfill; None for a dry run.
        dag_id: Id of the DAG.
        state: ``running``, ``paused``, ``completed``, ``failed`` or ``cancelled``.
        message: Why nothing happens at the moment, or why the backfill failed.
        start_date: First date of the range.
        end_date: Last date of the range, included.
        conf: Configuration of each run.
        max_active_runs: How many of the runs may be active at once.
        reprocess: Which existing runs are cleared: ``none``, ``failed`` or ``all``.
        run_backwards: Whether the last date comes first.
        progress: The progress.
        created_at: When the backfill was created.
        created_by: User who created the backfill.
        ended_at: When the backfill ended; None before.
        first_runs: The earliest dates. Only the response that creates the backfill contains them.
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
        """Whether the backfill has ended: it starts no further runs."""
        return self.state in ("completed", "failed", "cancelled")


class ItemResult(Model):
    """The result for one item of a bulk operation.

    Attributes:
        status: HTTP status that a request for this item alone would have had.
        error: The error with its ``code``, ``message`` and ``details``; None if the item succeeded.
    """

    status: int
    error: dict[str, Any] | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the item succeeded."""
        return self.error is None


class Cleared(ItemResult):
    """The result for one item of ``clear_many``.

    Attributes:
        task_instances: The task instances that were cleared.
    """

    task_instances: list[TaskInstance] = []


class ClearResults(Model):
    """The results of ``clear_many``.

    Attributes:
        succeeded: Number of items that succeeded.
        failed: Number of items that failed.
        results: The result for each item, in the order of the request.
    """

    succeeded: int
    failed: int
    results: list[Cleared]
