"""The limits of the columns of Airflow's tables for the DAG of a deployment.

All deployments are in one file, and Airflow stores the DAGs of a file in one transaction: one value that is
too long for its column prevents every DAG of every tenant from being stored. So each DAG is compared with the
columns before: by a deploy, and by the loader, for deployments from before a limit was known.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from itertools import islice
from typing import NamedTuple

from croniter import CroniterBadDateError, croniter
from sqlalchemy import false, literal, select, union
from sqlalchemy.orm import Session

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.models import DAG, DagModel, DagTag, DatasetModel, TaskInstance
from airflow_platform_plugin.core.naming import tenant_tag
from airflow_platform_plugin.deployments.spec import (
    LONGEST_SCHEDULE,
    ON_INPUTS,
    DeploymentSpec,
    build_dataset_uri,
)

# Characters of a schedule that the loader evaluates, for deployments from before ``LONGEST_SCHEDULE``:
# the time to evaluate a cron expression is proportional to its length.
_LONGEST_STORED_SCHEDULE = 1000
# Characters, as Airflow declares its columns.
_LONGEST_ID = DagModel.__table__.c.dag_id.type.length
_LONGEST_OWNER = DagModel.__table__.c.owners.type.length
_LONGEST_TIMETABLE = DagModel.__table__.c.timetable_description.type.length
_LONGEST_TAG = DagTag.__table__.c.name.type.length
_LONGEST_POOL = TaskInstance.__table__.c.pool.type.length
_LONGEST_URI = DatasetModel.__table__.c.uri.type.length
# Characters of name and schema together. Each becomes at most twelve characters of the URI, so fewer fit.
_SHORT_DATASET = 200
# MySQL's TEXT, in bytes. The other databases have no limit, but a deployment must fit into all of them.
_LONGEST_TEXT = 65_535
# MySQL's TIMESTAMP.
_FIRST_TIME = datetime(1970, 1, 2, tzinfo=timezone.utc)
_LAST_TIME = datetime(2038, 1, 18, tzinfo=timezone.utc)
# When a run starts, Airflow stores when the next one starts: so the one after the next must fit, too.
_RUNS_AHEAD = 2


class Misfit(NamedTuple):
    """A value that does not fit, with its field."""

    field: str
    message: str


def find_misfits(dag: DAG, spec: DeploymentSpec, dialect: str) -> Iterator[Misfit]:
    """Find the values of a DAG that do not fit into their columns.

    Args:
        dag: the DAG that was built from the spec.
        spec: the deployment.
        dialect: SQLAlchemy's name of Airflow's database.
    """
    yield from _find_too_long(dag)
    if dialect == "mysql":
        yield from _find_out_of_time(spec)


def find_long_inputs(spec: DeploymentSpec) -> Iterator[Misfit]:
    """Find values that are too long before a DAG is built, which takes seconds for a long schedule."""
    if (length := len(spec.schedule or "")) > _LONGEST_STORED_SCHEDULE:
        yield Misfit("schedule", f"has {length} characters; at most {LONGEST_SCHEDULE} are allowed")
    for field, items in (("inputs", spec.manifest.inputs), ("outputs", spec.manifest.outputs)):
        for item in items:
            if len(item.name) + len(item.schema_ or "") < _SHORT_DATASET:
                continue
            length = len(build_dataset_uri(item, spec.namespace, spec.environment))
            if length > _LONGEST_URI:
                yield Misfit(
                    field, f"a Dataset's URI has {length} characters; Airflow can store {_LONGEST_URI}"
                )


def _find_too_long(dag: DAG) -> Iterator[Misfit]:
    values = [
        ("name", "the DAG's id", dag.dag_id, _LONGEST_ID),
        ("namespace", "the DAG's owner", dag.owner, _LONGEST_OWNER),
        ("schedule", "the schedule in words", dag.timetable.description, _LONGEST_TIMETABLE),
        *(("tags", f"the tag {tag[:20]!r}", tag, _LONGEST_TAG) for tag in dag.tags),
        *(("namespace", "the pool's name", task.pool, _LONGEST_POOL) for task in dag.tasks),
    ]
    for field, name, value, longest in values:
        if value is not None and len(value) > longest:
            yield Misfit(field, f"{name} has {len(value)} characters; Airflow can store {longest}")
    if (
        len(dag.description or "") > _LONGEST_TEXT // 4
        and (size := len(dag.description.encode())) > _LONGEST_TEXT
    ):
        yield Misfit("description", f"has {size} bytes; Airflow can store {_LONGEST_TEXT}")


def _find_out_of_time(spec: DeploymentSpec) -> Iterator[Misfit]:
    if not _FIRST_TIME <= spec.start_date <= _LAST_TIME:
        yield Misfit("start_date", "must be from 1970-01-02 to 2038-01-18: MySQL cannot store other times")
    elif any(time > _LAST_TIME for time in _find_rare_runs(spec)):
        yield Misfit("schedule", "its next runs are after 2038-01-18, which MySQL cannot store")


def _find_rare_runs(spec: DeploymentSpec) -> Iterator[datetime]:
    """Yield the next times of a schedule that may skip years; nothing for schedules that do not."""
    if spec.schedule in (None, ON_INPUTS) or spec.schedule.startswith("@"):
        return
    *_, month, weekday = spec.schedule.split()
    if month == "*" and not set(weekday) & set("#lL"):
        return
    after = max(spec.start_date, datetime.now(tz=timezone.utc))
    try:
        yield from islice(croniter(spec.schedule, after).all_next(datetime), _RUNS_AHEAD)
    except CroniterBadDateError:
        yield datetime.max.replace(tzinfo=timezone.utc)


def require_storable(dag: DAG) -> None:
    """Check that Airflow can serialize the DAG for its scheduler.

    Raises:
        Exception: whatever Airflow raises if it cannot.
    """
    airflow_compat.dags.serialize(dag)


def keep_distinct_tags(session: Session, dags: Iterable[DAG]) -> None:
    """Remove the tags that MySQL cannot distinguish from another tag of the same DAG.

    A DAG has each tag once, and "Gold" equals "gold" in MySQL's default collations. The column's collation
    decides, so the database compares them.
    """
    column = DagTag.__table__.c.name
    for dag in dags:
        if len({tag.rstrip().casefold() for tag in dag.tags if tag.isascii()}) == len(dag.tags):
            continue
        # The tenant's tag decides which users may see the DAG, so it always stays.
        tags = sorted(dag.tags, key=lambda tag: (not tag.startswith(tenant_tag("")), tag))
        kept = union(select(column).where(false()), *(select(literal(tag)) for tag in tags))
        dag.tags = type(dag.tags)(session.scalars(kept))
