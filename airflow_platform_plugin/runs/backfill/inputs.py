"""What the service of backfills takes."""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

from airflow_platform_plugin.core import pagination

Reprocess = Literal["none", "failed", "all"]


@dataclass(frozen=True, kw_only=True)
class NewBackfill:
    """A backfill to create.

    Attributes:
        start_date: the first logical date; without a time midnight, without a zone in the DAG's.
        end_date: the last logical date, which is included.
        conf: the ``conf`` of each run.
        max_active_runs: the number of its runs that are active at once; None for the DAG's own limit.
        reprocess: which existing runs to clear: none, failed ones, or all that have ended.
        run_backwards: start with the latest date.
        dry_run: return the same backfill without an id, and store nothing.
    """

    start_date: date | datetime
    end_date: date | datetime
    conf: dict[str, Any] = field(default_factory=dict)
    max_active_runs: int | None = None
    reprocess: Reprocess = "none"
    run_backwards: bool = False
    dry_run: bool = False


@dataclass(frozen=True, kw_only=True)
class BackfillFilter(pagination.Query):
    """Which backfills to list.

    Attributes:
        dag_id: only this DAG's; None for all DAGs'.
        state: only those in this state; None for every state.
    """

    dag_id: str | None = None
    state: str | None = None
