"""When a deployment may run: a cron expression of Airflow's, or a preset. Pure.

The loader evaluates every tenant's schedule each time that it is parsed, so one may not be costly.
"""

import re

from croniter import CroniterBadDateError, CroniterError, croniter
from marshmallow import ValidationError

from airflow_platform_plugin.deployments.spec import LONGEST_SCHEDULE, ON_INPUTS

PRESETS = ("@once", "@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly", ON_INPUTS)
_FIELDS = 5  # croniter would take a sixth for seconds, which Airflow's timetables do not know
# Without croniter's H and R: they are random, and would be so again each time that the loader is parsed.
_WORDS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|sun|mon|tue|wed|thu|fri|sat"
_MEMBER = re.compile(rf"(?:[0-9*/#?LW-]|{_WORDS})+", re.IGNORECASE)


def require_valid(schedule: str) -> None:
    """Refuse what is no schedule, or comes never.

    Raises:
        ValidationError: as it says.
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
        raise ValidationError("Never comes, like the 30th of February.") from None


def _is_cron(text: str) -> bool:
    fields = [field for field in text.split(" ") if field]  # spaces alone stand between them
    if len(fields) != _FIELDS or not all(
        _MEMBER.fullmatch(member) for field in fields for member in field.split(",")
    ):
        return False
    try:
        croniter(text)
    except (CroniterError, ValueError, KeyError, IndexError, AttributeError, TypeError):
        return False  # what croniter raises for what it does not understand
    return True


def _repeats(field: str) -> bool:
    # 01 is 1, as croniter reads it.
    members = [re.sub(r"0*([0-9]+)", r"\1", member).lower() for member in field.split(",")]
    return len(set(members)) < len(members)
