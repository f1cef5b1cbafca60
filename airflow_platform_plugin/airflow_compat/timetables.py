"""Schedules of DAGs: which runs a timetable plans."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import lru_cache

from airflow_platform_plugin.airflow_compat.types import DataInterval, PlannedRun, Timetable


@lru_cache(maxsize=1000)
def timetable(schedule: str, offset: timedelta) -> Timetable:
    """Return the timetable of a valid cron expression or preset.

    DAGs with the same schedule share one: to create and validate a timetable takes about as long as all
    other work on a DAG.

    Args:
        schedule: the cron expression, or a preset such as ``@daily``.
        offset: the UTC offset of the DAG's start date.
    """
    from airflow.models.dag import create_timetable
    from airflow.utils.timezone import utc
    from pendulum import FixedTimezone

    made = create_timetable(schedule, FixedTimezone(int(offset.total_seconds())) if offset else utc)
    made.validate()
    return made


def cron_presets() -> dict[str, str]:
    """Return the cron expressions of ``@daily`` and the other presets."""
    from airflow.utils.dates import cron_presets as presets

    return dict(presets)


def planned_runs(
    timetable: Timetable,
    *,
    earliest: datetime,
    latest: datetime | None = None,
    catchup: bool = True,
    after: DataInterval | None = None,
) -> Iterator[PlannedRun]:
    """Yield the runs that a timetable plans, the earliest first.

    Each has ``logical_date``, ``data_interval`` (``start`` and ``end``) and ``run_after``. A timetable may
    ignore ``latest``.

    Args:
        timetable: the timetable.
        earliest: the first logical date, for a timetable without an earlier run.
        latest: the last logical date; None for no end.
        catchup: whether runs are planned that are due already.
        after: the data interval of the run before the first one.
    """
    from airflow.timetables.base import DataInterval, TimeRestriction
    from airflow.utils.timezone import coerce_datetime, convert_to_utc

    restriction = TimeRestriction(coerce_datetime(earliest), coerce_datetime(latest), catchup)
    while True:
        planned = timetable.next_dagrun_info(last_automated_data_interval=after, restriction=restriction)
        # A custom timetable may return the same date again and again.
        if planned is None or (after is not None and planned.logical_date <= after.start):
            return
        yield planned
        # In UTC, as the scheduler reads it from the database.
        after = DataInterval(*map(convert_to_utc, planned.data_interval))


def load_interval(moments: Sequence[str]) -> DataInterval:
    """Return the data interval whose start and end are given in ISO 8601."""
    from airflow.timetables.base import DataInterval
    from airflow.utils.timezone import parse

    return DataInterval(*map(parse, moments))


def dump_interval(interval: DataInterval) -> list[str]:
    """Return the start and the end of a data interval in ISO 8601 and UTC."""
    from airflow.utils.timezone import convert_to_utc

    return [convert_to_utc(moment).isoformat() for moment in interval]
