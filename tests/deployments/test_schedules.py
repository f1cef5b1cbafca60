"""Schedules: which are valid, and that all are cheap. Pure."""

import time

import pytest
from croniter import croniter
from marshmallow import ValidationError

from airflow_platform_plugin.deployments import schedules

NASTY = [
    "0-59/1 0-23/1 1-31/1 1-12/1 0-6/1",
    "*/1 */1 29 2 mon#5",
    "0 0 29 2 sun#5,mon#5,tue#5,wed#5,thu#5,fri#5,sat#5",
    "0 0 L 2 L1,L2,L3,L4,L5",
    "59 23 31 12 5#5",
    "0 0 29 2 L0",
    ",".join(str(minute) for minute in range(35)) + " 0 29 2 *",
]


@pytest.mark.parametrize(
    "schedule",
    [
        "0 2 * * *",
        "0 8 1 * *",
        "*/15 0-6,18-23 * * 1-5",
        "30 4 1,15 JAN,jul mon-FRI",
        "0 0 L * *",
        "0 0 15W * *",
        "0 0 * * sun#2",
        "0 0 29 2 *",
        "0  2 * * *",
        "@once",
        "@daily",
        "@inputs",
    ],
)
def test_a_cron_expression_or_preset_is_valid(schedule: str) -> None:
    schedules.require_valid(schedule)


@pytest.mark.parametrize(
    ("schedule", "word"),
    [
        ("", "cron expression"),
        ("often", "cron expression"),
        ("@reboot", "cron expression"),
        ("@midnight ", "cron expression"),
        ("0 2 * *", "cron expression"),
        ("0 2 * * * *", "cron expression"),
        ("60 2 * * *", "cron expression"),
        ("0 2 * * *\n", "cron expression"),
        ("0\t2 * * *", "cron expression"),
        ("0\u00a02 * * *", "cron expression"),
        ("\u0660 2 * * *", "cron expression"),
        ("H 2 * * *", "cron expression"),  # another time in each process
        ("R 2 * * *", "cron expression"),
        ("R(0-59) 2 * * *", "cron expression"),
        ("*/0 * * * *", "cron expression"),
        ("9" * 90 + " * * * *", "cron expression"),
        ("1,1 * * * *", "twice"),
        ("1,01 * * * *", "twice"),
        ("0-59/1,0-59/01 * * * *", "twice"),
        ("0 0 * JAN,jan *", "twice"),
        ("0 0 30 2 *", "never fires"),
        ("0 0 31 2,4,6,9,11 *", "never fires"),
        ("0 0 29 2 1#1", "never fires"),
        ("1," * 50 + "1 * * * *", "cron expression"),
    ],
)
def test_anything_else_is_refused(schedule: str, word: str) -> None:
    with pytest.raises(ValidationError, match=word):
        schedules.require_valid(schedule)


@pytest.mark.parametrize("schedule", NASTY)
def test_no_valid_schedule_is_costly(schedule: str) -> None:
    """The check is fast, and so is the loader, which evaluates the schedules of all tenants."""
    started = time.process_time()
    try:
        schedules.require_valid(schedule)
        croniter(schedule).get_prev()
    except ValidationError:
        pass
    assert time.process_time() - started < 1  # milliseconds; 600 KB took a minute


def test_the_length_is_checked_first() -> None:
    started = time.process_time()
    with pytest.raises(ValidationError):
        schedules.require_valid(",".join(f"{n % 60}-59/1" for n in range(90_000)) + " * * * *")
    assert time.process_time() - started < 1
