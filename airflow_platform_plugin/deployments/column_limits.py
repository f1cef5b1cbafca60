"""What Airflow's own tables can hold of a deployment's DAG.

All deployments are in one file, and Airflow stores the DAGs of a file in one transaction: one value that its
column cannot hold keeps every DAG of every tenant from being stored. So each DAG is held against the columns
before it gets there: at the deploy, and again by the loader, for what was deployed before a limit was known.
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
from airflow_platform_plugin.deployments.spec import LONGEST_SCHEDULE, ON_INPUTS, DeploymentSpec, dataset_uri

# Characters of a schedule that the loader evaluates, of what was deployed before there was a limit:
# evaluating a cron line takes time in proportion to its length.
_LONGEST_STORED_SCHEDULE = 1000
# Characters, as Airflow declares its columns.
_LONGEST_ID = DagModel.__table__.c.dag_id.type.length
_LONGEST_OWNER = DagModel.__table__.c.owners.type.length
_LONGEST_TIMETABLE = DagModel.__table__.c.timetable_description.type.length
_LONGEST_TAG = DagTag.__table__.c.name.type.length
_LONGEST_POOL = TaskInstance.__table__.c.pool.type.length
_LONGEST_URI = DatasetModel.__table__.c.uri.type.length
# Of a name and a schema, which may become twelve characters of the URI each: fewer cannot be too many.
_SHORT_DATASET = 200
# MySQL's TEXT, in bytes; the other databases have no limit, and a deployment is to fit into all of them.
_LONGEST_TEXT = 65_535
# MySQL's TIMESTAMP.
_FIRST_TIME = datetime(1970, 1, 2, tzinfo=timezone.utc)
_LAST_TIME = datetime(2038, 1, 18, tzinfo=timezone.utc)
# When a run starts Airflow writes down when the next one does: so the second next one must fit too.
_RUNS_AHEAD = 2


class Misfit(NamedTuple):
    """A value that does not fit: of which field, and why."""

    field: str
    message: str


def misfits(dag: DAG, spec: DeploymentSpec, dialect: str) -> Iterator[Misfit]:
    """What of the DAG its columns cannot hold.

    Args:
        dag: as it was built from the spec.
        spec: the deployment.
        dialect: the name of Airflow's database, as SQLAlchemy has it.
    """
    yield from _too_long(dag)
    if dialect == "mysql":
        yield from _out_of_time(spec)


def early(spec: DeploymentSpec) -> Iterator[Misfit]:
    """What is seen to be too long before a DAG is built: of a long schedule that alone takes seconds."""
    if (length := len(spec.schedule or "")) > _LONGEST_STORED_SCHEDULE:
        yield Misfit("schedule", f"has {length} characters, of which {LONGEST_SCHEDULE} are allowed")
    for field, items in (("inputs", spec.manifest.inputs), ("outputs", spec.manifest.outputs)):
        for item in items:
            if len(item.name) + len(item.schema_ or "") < _SHORT_DATASET:
                continue
            length = len(dataset_uri(item, spec.namespace, spec.environment))
            if length > _LONGEST_URI:
                yield Misfit(
                    field, f"a Dataset's URI has {length} characters, and Airflow keeps {_LONGEST_URI}"
                )


def _too_long(dag: DAG) -> Iterator[Misfit]:
    values = [
        ("name", "the DAG's id", dag.dag_id, _LONGEST_ID),
        ("namespace", "the DAG's owner", dag.owner, _LONGEST_OWNER),
        ("schedule", "the schedule in words", dag.timetable.description, _LONGEST_TIMETABLE),
        *(("tags", f"the tag {tag[:20]!r}", tag, _LONGEST_TAG) for tag in dag.tags),
        *(("namespace", "the pool's name", task.pool, _LONGEST_POOL) for task in dag.tasks),
    ]
    for field, name, value, longest in values:
        if value is not None and len(value) > longest:
            yield Misfit(field, f"{name} has {len(value)} characters, and Airflow keeps {longest}")
    if (
        len(dag.description or "") > _LONGEST_TEXT // 4
        and (size := len(dag.description.encode())) > _LONGEST_TEXT
    ):
        yield Misfit("description", f"has {size} bytes, and Airflow keeps {_LONGEST_TEXT}")


def _out_of_time(spec: DeploymentSpec) -> Iterator[Misfit]:
    if not _FIRST_TIME <= spec.start_date <= _LAST_TIME:
        yield Misfit("start_date", "must be from 1970-01-02 to 2038-01-18: MySQL knows no other times")
    elif any(time > _LAST_TIME for time in _rare_runs(spec)):
        yield Misfit("schedule", "its next runs are after 2038-01-18, which is later than MySQL knows")


def _rare_runs(spec: DeploymentSpec) -> Iterator[datetime]:
    """The next times of a schedule that may skip years; of any other nothing, for these come soon enough."""
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
    """Make the document that Airflow stores for its scheduler.

    Raises:
        Exception: whatever keeps Airflow from making it.
    """
    airflow_compat.dags.serialize(dag)


def keep_distinct_tags(session: Session, dags: Iterable[DAG]) -> None:
    """Leave out of the DAGs the tags that MySQL takes for the same as another one.

    To its usual collations "Gold" and "gold" are one, and a DAG has each tag once. Which are the same is
    for the collation of the column to say.
    """
    column = DagTag.__table__.c.name
    for dag in dags:
        if len({tag.rstrip().casefold() for tag in dag.tags if tag.isascii()}) == len(dag.tags):
            continue
        # A tenant's own tag decides who may see the DAG: it is never the one that goes.
        tags = sorted(dag.tags, key=lambda tag: (not tag.startswith(tenant_tag("")), tag))
        kept = union(select(column).where(false()), *(select(literal(tag)) for tag in tags))
        dag.tags = type(dag.tags)(session.scalars(kept))
