"""What a new backfill will do: its dates, and what happens to each. Nothing is written."""

from collections.abc import Sequence
from datetime import date, datetime, time
from itertools import islice
from typing import Any

import pendulum
from sqlalchemy import select
from sqlalchemy.orm import Session

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.models import DagRun
from airflow_platform_plugin.airflow_compat.types import Dag, PlannedRun
from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.errors import Conflict, ValidationFailed
from airflow_platform_plugin.runs.backfill import transitions
from airflow_platform_plugin.runs.backfill.dates import PAGE, Anchor, Window, anchor, walk
from airflow_platform_plugin.runs.backfill.models import Backfill

# Dates that are computed for the response, and to estimate how many there are.
SAMPLE = 100


def require_order(dag: Dag, *, backwards: bool) -> bool:
    """Return whether the runs must come one after the other.

    Raises:
        Conflict: the DAG has no schedule that its dates could follow, or it cannot run backwards because its
            tasks depend on the past.
    """
    if not dag.timetable.periodic:
        raise Conflict(
            f"DAG '{dag.dag_id}' has no schedule that its dates could follow: {dag.timetable.summary}.",
            dag_id=dag.dag_id,
        )
    dependent = sorted(task.task_id for task in dag.tasks if task.depends_on_past)
    if dependent and backwards:
        raise Conflict(
            f"Tasks of DAG '{dag.dag_id}' depend on the past, so it cannot run backwards: "
            f"{', '.join(dependent)}.",
            dag_id=dag.dag_id,
            tasks=dependent,
        )
    return bool(dependent)


def window(dag: Dag, start: date | datetime, end: date | datetime) -> Window:
    """Return the range of dates, in UTC, up to now and to the DAG's end.

    Raises:
        ValidationFailed: it ends before it starts.
    """
    now = db.now()
    first, last = _moment(dag, start), _moment(dag, end)
    if last < first:
        raise ValidationFailed.of("end_date", message="must not be before start_date")
    bounds = [last, now] if dag.end_date is None else [last, now, dag.end_date]
    return Window(first, max(first, min(bounds)), due=now)


def _moment(dag: Dag, given: date | datetime) -> datetime:
    """Return a date in UTC; without a time it is midnight, without a zone in the DAG's."""
    moment = given if isinstance(given, datetime) else datetime.combine(given, time())
    if moment.tzinfo is None:
        moment = pendulum.instance(moment, tz=dag.timezone)
    return pendulum.instance(moment).in_timezone("UTC")


def sample(dag: Dag, dates: Window) -> list[PlannedRun]:
    """Return the earliest dates; fewer than ``SAMPLE`` are all.

    Raises:
        Conflict: the DAG's timetable fails.
        ValidationFailed: there are no dates.
    """
    try:
        found = list(islice(walk(dag.timetable, dates), SAMPLE))
    except Exception as error:
        raise Conflict(
            f"The timetable of DAG '{dag.dag_id}' fails: {type(error).__name__}.", dag_id=dag.dag_id
        ) from error
    if not found:
        raise ValidationFailed.of(
            "start_date", message=f"no run of the schedule {dag.timetable.summary!r} is due up to end_date"
        )
    return found


def anchors(found: Sequence[PlannedRun]) -> list[Anchor]:
    """Return where each page of the sample begins, for going backwards; the worker finds the later ones."""
    return [None, *(anchor(found[index - 1]) for index in range(PAGE, len(found) + 1, PAGE))]


def first_runs(session: Session, backfill: Backfill, found: Sequence[PlannedRun]) -> list[dict[str, Any]]:
    """Return what would be done about each of the dates now.

    Returns:
        ``logical_date``, ``data_interval_start``, ``data_interval_end``, ``action``, and ``dag_run_id`` of
        the existing run or None.
    """
    logical_date = airflow_compat.runs.logical_date()
    stored = select(logical_date.label("logical_date"), DagRun.run_id, DagRun.state).where(
        DagRun.dag_id == backfill.dag_id, logical_date.in_([info.logical_date for info in found])
    )
    existing = {row.logical_date: row for row in session.execute(stored)}
    rows = ((info, existing.get(info.logical_date)) for info in found)
    return [
        {
            "logical_date": info.logical_date,
            "data_interval_start": info.data_interval.start,
            "data_interval_end": info.data_interval.end,
            "action": transitions.action(backfill, row.state if row else None),
            "dag_run_id": row.run_id if row else None,
        }
        for info, row in rows
    ]
