"""The dates of a backfill: those of Airflow's own backfill, computed a few at a time."""

from datetime import datetime, timedelta, timezone
from itertools import islice
from typing import Any

import pendulum
import pytest
from airflow import DAG
from airflow.timetables.interval import CronDataIntervalTimetable, DeltaDataIntervalTimetable
from airflow.timetables.trigger import CronTriggerTimetable

from airflow_platform_plugin.runs.backfill.dates import PAGE, Window, anchor, estimate, page, walk

FOREVER = datetime(2100, 1, 1, tzinfo=timezone.utc)
RANGE = Window(pendulum.datetime(2024, 1, 10, 5), pendulum.datetime(2024, 5, 20), due=FOREVER)
TIMETABLES = [
    CronDataIntervalTimetable("0 0 * * *", pendulum.timezone("UTC")),
    CronDataIntervalTimetable("30 2 * * *", pendulum.timezone("Europe/Berlin")),  # not there on 31 March
    CronDataIntervalTimetable("0 6 * * 1-5", pendulum.timezone("America/New_York")),
    DeltaDataIntervalTimetable(timedelta(hours=36)),
    CronTriggerTimetable("0 3 * * *", timezone="UTC"),
    CronTriggerTimetable("0 3 * * *", timezone="UTC", interval=timedelta(days=1)),
]
IDS = ["daily", "berlin", "weekdays", "36 hours", "trigger", "trigger with interval"]


@pytest.mark.parametrize("timetable", TIMETABLES, ids=IDS)
def test_dates_are_those_of_airflows_own_backfill(timetable: Any) -> None:
    dag = DAG("d", schedule=timetable, start_date=datetime(2020, 1, 1, tzinfo=timezone.utc))
    expected = list(dag.iter_dagrun_infos_between(RANGE.start, RANGE.end))
    assert list(walk(timetable, RANGE)) == expected
    assert len(expected) > 50


@pytest.mark.parametrize("timetable", TIMETABLES, ids=IDS)
def test_dates_are_the_same_from_any_anchor(timetable: Any) -> None:
    """Any process can continue, also if dates depend on the first one."""
    whole = [info.logical_date for info in walk(timetable, RANGE)]
    for index, info in enumerate(islice(walk(timetable, RANGE), 0, None, 7)):
        rest = [later.logical_date for later in walk(timetable, RANGE, anchor(info))]
        assert rest == whole[7 * index + 1 :]


def test_both_ends_are_included() -> None:
    window = Window(pendulum.datetime(2024, 1, 1), pendulum.datetime(2024, 1, 31), due=FOREVER)
    found = [info.logical_date.day for info in walk(TIMETABLES[0], window)]
    assert found == list(range(1, 32))


def test_a_run_that_is_not_due_is_left_to_the_schedule() -> None:
    """The run of a day is due when the day is over."""
    window = Window(
        pendulum.datetime(2024, 1, 1), pendulum.datetime(2024, 1, 31), due=pendulum.datetime(2024, 1, 10, 12)
    )
    assert [info.logical_date.day for info in walk(TIMETABLES[0], window)] == list(range(1, 10))


def test_a_timetable_that_stands_still_ends() -> None:
    """A custom timetable cannot keep a worker busy for ever."""

    class Still:
        def next_dagrun_info(self, **_: Any) -> Any:
            return next(walk(TIMETABLES[0], RANGE))

    assert len(list(walk(Still(), RANGE))) == 1


def test_a_page_that_is_not_full_is_the_last() -> None:
    found = page(TIMETABLES[0], RANGE, None)
    assert len(found) == PAGE
    while len(found) == PAGE:
        last, found = found[-1], page(TIMETABLES[0], RANGE, anchor(found[-1]))
        assert not found or found[0].logical_date == last.logical_date.add(days=1)
    assert found[-1].logical_date == RANGE.end


@pytest.mark.parametrize("timetable", TIMETABLES, ids=IDS)
def test_an_estimate_is_near(timetable: Any) -> None:
    window = RANGE._replace(end=pendulum.datetime(2030, 1, 1))
    found = list(islice(walk(timetable, window), 100))
    actual = sum(1 for _ in walk(timetable, window))
    assert estimate(found, window) == pytest.approx(actual, rel=0.05)
