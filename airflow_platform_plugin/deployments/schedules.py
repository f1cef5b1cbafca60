"""Schedules of deployments: a cron expression as in Airflow, or a preset. Pure.

The loader evaluates the schedules of all tenants each time that it is parsed, so a schedule must be cheap.
"""

import re

from croniter import CroniterBadDateError, CroniterError, croniter
from marshmallow import ValidationError

from airflow_platform_plugin.deployments.spec import LONGEST_SCHEDULE, ON_INPUTS

PRESETS = ("@once", "@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly", ON_INPUTS)
_FIELDS = 5  # croniter accepts a sixth field for seconds, which Airflow's timetables do not support
# Without croniter's H and R: they are random, and would differ each time that the loader is parsed.
_WORDS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|sun|mon|tue|wed|thu|fri|sat"
_MEMBER = re.compile(rf"(?:[0-9*/#?LW-]|{_WORDS})+", re.IGNORECASE)


def require_valid(schedule: str) -> None:
    """Check that the text is a schedule that fires.

    Raises:
        ValidationError: it is not a schedule, it is too costly to evaluate, or it never fires.
    """
    if schedule in PRESETS:
        return
    if len(schedule) > LONGEST_SCHEDULE or not _is_cron(schedule):
        raise ValidationError(
            f"Must be a cron expression such as '0 2 * * *', or one of {', '.join(PRESETS)}."
        )
    if any(_repeats(field) for field in schedule.split()):
        raise ValidationError("Must not name the same time twice.")
    try:
        croniter(schedule).get_next()
    except CroniterBadDateError:
        raise ValidationError("The schedule never fires (like 30 February).") from None


def _is_cron(text: str) -> bool:
    fields = [field for field in text.split(" ") if field]  # only spaces separate them
    if len(fields) != _FIELDS or not all(
        _MEMBER.fullmatch(member) for field in fields for member in field.split(",")
    ):
        return False
    try:
        croniter(text)
    except (CroniterError, ValueError, KeyError, IndexError, AttributeError, TypeError):
        return False  # croniter raises all of these for invalid text
    return True


def _repeats(field: str) -> bool:
    # croniter reads 01 as 1.
    members = [re.sub(r"0*([0-9]+)", r"\1", member).lower() for member in field.split(",")]
    return len(set(members)) < len(members)
