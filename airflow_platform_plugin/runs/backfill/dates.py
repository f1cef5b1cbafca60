"""The dates of a backfill, as the DAG's timetable has them. Pure.

A timetable tells a date from the one before, and a cron expression takes half a millisecond for it. So
nobody here asks for all dates of a range at once.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

from airflow.timetables.base import DataInterval, TimeRestriction
from airflow.utils import timezone

PAGE = 50

# A data interval as JSON: its start and end. None stands before the first date.
Anchor = list[str] | None


class Window(NamedTuple):
    """A range of logical dates, both ends included.

    Attributes:
        due: runs that are due later are left to the DAG's own schedule.
    """

    start: datetime
    end: datetime
    due: datetime


def walk(timetable: Any, window: Window, after: Anchor = None) -> Iterator[Any]:  # noqa: ANN401 - Airflow's Timetable
    """The dates of a window, as ``DagRunInfo``, from the earliest on or from the one behind ``after``.

    They are those of ``airflow dags backfill``.
    """
    restriction = TimeRestriction(
        timezone.coerce_datetime(window.start), timezone.coerce_datetime(window.end), catchup=True
    )
    last = None if after is None else DataInterval(*map(timezone.parse, after))
    while True:
        info = timetable.next_dagrun_info(last_automated_data_interval=last, restriction=restriction)
        # A timetable of somebody's own may not know the restriction, or stand still.
        if info is None or info.run_after > window.due or info.logical_date > window.end:
            return
        if last is not None and info.logical_date <= last.start:
            return
        yield info
        # In UTC, as it is when this goes on from an anchor, or the scheduler from its database.
        last = DataInterval(*map(timezone.convert_to_utc, info.data_interval))


def anchor(info: Any) -> Anchor:  # noqa: ANN401 - Airflow's DagRunInfo
    """Where the dates behind this one begin."""
    return [timezone.convert_to_utc(moment).isoformat() for moment in info.data_interval]


def page(timetable: Any, window: Window, after: Anchor) -> list[Any]:  # noqa: ANN401 - Airflow's Timetable
    """The next dates; fewer than ``PAGE`` are the last."""
    return list(islice(walk(timetable, window, after), PAGE))


def estimate(found: Sequence[Any], window: Window) -> int:
    """How many dates a window has, from the first ones, which must be two at least."""
    first, last = found[0].logical_date, found[-1].logical_date
    apart = (last - first).total_seconds() / (len(found) - 1)
    rest = (min(window.end, window.due) - last).total_seconds()
    return len(found) + max(0, int(rest / apart))
