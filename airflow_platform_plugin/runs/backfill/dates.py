"""The dates of a backfill, from the DAG's timetable. Pure.

A timetable computes a date from the one before, and a cron expression takes half a millisecond for it. So
this module never computes all dates of a range at once.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import NamedTuple

from airflow_platform_plugin.airflow_compat import timetables
from airflow_platform_plugin.airflow_compat.types import PlannedRun, Timetable

PAGE = 50

# A data interval as JSON: its start and end. None is before the first date.
Anchor = list[str] | None


class Window(NamedTuple):
    """A range of logical dates, both ends included.

    Attributes:
        start: the first moment.
        end: the last moment.
        due: runs that are due later are left to the DAG's own schedule.
    """

    start: datetime
    end: datetime
    due: datetime


def walk(timetable: Timetable, window: Window, after: Anchor = None) -> Iterator[PlannedRun]:
    """Yield the dates of a window, the earliest first, from the start or after an anchor.

    They are the dates of ``airflow dags backfill``.
    """
    planned = timetables.planned_runs(
        timetable,
        earliest=window.start,
        latest=window.end,
        after=None if after is None else timetables.load_interval(after),
    )
    for info in planned:
        # A custom timetable may ignore the end of the window.
        if info.run_after > window.due or info.logical_date > window.end:
            return
        yield info


def anchor(info: PlannedRun) -> Anchor:
    """Return the anchor after which the dates behind this one begin."""
    return timetables.dump_interval(info.data_interval)


def page(timetable: Timetable, window: Window, after: Anchor) -> list[PlannedRun]:
    """Return the next dates; a page with fewer than ``PAGE`` is the last one."""
    return list(islice(walk(timetable, window, after), PAGE))


def estimate(found: Sequence[PlannedRun], window: Window) -> int:
    """Estimate how many dates a window has, from the first ones; at least two are needed."""
    first, last = found[0].logical_date, found[-1].logical_date
    apart = (last - first).total_seconds() / (len(found) - 1)
    rest = (min(window.end, window.due) - last).total_seconds()
    return len(found) + max(0, int(rest / apart))
