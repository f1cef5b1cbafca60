"""``NewEvent``, an event that may not be stored yet, and how listeners store it.

Every task process imports this module when its task ends, so it imports very little.
"""

import uuid
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any

from sqlalchemy.engine import Connection

from airflow_platform_plugin.airflow_compat import config
from airflow_platform_plugin.core import nowait

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "airflow-platform-plugin")
# Hosts' clocks differ by less than this. So much before its end of life an event is not stored any more.
MARGIN = timedelta(hours=1)
_SHORTEST = timedelta(days=1)  # the shortest retention there is
# The same as in ``naming``, which is not imported: one more module costs a task process half a millisecond.
TENANT_TAG_PREFIX = "tenant:"
LONGEST_TENANT_TAG = 70


@dataclass(frozen=True)
class NewEvent:
    """An event that may not be stored yet.

    Attributes:
        type: such as ``dag.success``.
        identity: what tells this change from every other of its type. Equal ones are the same event.
        occurred_at: when it happened, in UTC.
        data: the payload, as JSON.
        tenant_id: the tenant that it belongs to. None for no tenant, and for the one that owns the DAG
            ``data["dag_id"]``.
    """

    type: str
    identity: tuple[str, ...]
    occurred_at: datetime
    data: dict[str, Any]
    tenant_id: str | None = None

    @property
    def id(self) -> str:
        """Return the event's id, the same in every process that sees the change."""
        return str(uuid.uuid5(_NAMESPACE, "\x1f".join((self.type, *self.identity))))


def to_row(event: NewEvent) -> dict[str, Any]:
    """Return the event's row in ``platform_event``, the primary key first."""
    return {
        "id": event.id,
        "type": event.type,
        "occurred_at": event.occurred_at,
        "data": event.data,
        "tenant_id": event.tenant_id,
    }


# While these tables are empty, nobody wants events. Features declare them; they are repeated here, and a test
# compares, because the list of features is too much to read at the end of every task.
SUBSCRIBERS = ("platform_webhook", "platform_deployment")


def record_now(connection: Connection, event: NewEvent) -> None:
    """Store an event in Airflow's transaction, on its connection, without waiting for a lock.

    It is not written if nobody can want it. The sweep writes it if a subscriber comes at the same moment.
    """
    values = to_row(event)
    if event.tenant_id is None and "dag_id" in event.data:
        values["tenant_id"] = _owner_of_dag(connection.dialect.name, event.data["dag_id"])
    nowait.insert(connection, "platform_event", values, where_any=SUBSCRIBERS)


# The same as ``deployments.dag_owners``, for one DAG; a test compares.
_OWNER_BY_DEPLOYMENT = (
    "(SELECT platform_deployment.tenant_id FROM platform_deployment"
    " JOIN dag ON dag.dag_id = platform_deployment.dag_id"
    " JOIN platform_loader_file ON platform_loader_file.fileloc = dag.fileloc"
    " WHERE platform_deployment.dag_id = {})"
)


def _owner_of_dag(dialect: str, dag_id: str) -> nowait.Expression:
    """Return what ``dag_ownership.owner`` says, as part of the INSERT.

    Folders are left out: the owner is looked up when the event is delivered.
    """
    made = nowait.Expression(_OWNER_BY_DEPLOYMENT, (dag_id,))
    if config.platform_option("dag_ownership") != "tags":
        return made
    tagged = _owner_by_tag(dialect, dag_id)
    return nowait.Expression(
        f"CASE WHEN EXISTS {made.sql} THEN {made.sql} ELSE {tagged.sql} END",
        (dag_id, *made.parameters, *tagged.parameters),
    )


def _owner_by_tag(dialect: str, dag_id: str) -> nowait.Expression:
    """Return what ``naming.tenant_of`` says of the DAG's tags."""
    # MySQL compares text without case and accents, unless one side is binary.
    prefix = "CAST({} AS BINARY)" if dialect == "mysql" else "{}"
    length = "CHAR_LENGTH" if dialect == "mysql" else "LENGTH"  # there, LENGTH counts bytes
    size = len(TENANT_TAG_PREFIX)
    return nowait.Expression(
        "(SELECT CASE WHEN COUNT(*) = 1 AND :length(MIN(name)) <= {} THEN SUBSTR(MIN(name), {}) END"
        " FROM dag_tag WHERE dag_id = {} AND SUBSTR(name, 1, {}) = :prefix)".replace(
            ":prefix", prefix
        ).replace(":length", length),
        (LONGEST_TENANT_TAG, size + 1, dag_id, size, TENANT_TAG_PREFIX),
    )


def redate_expired(event: NewEvent) -> NewEvent:
    """Return the event of a change that happens right now, whatever its dates say.

    ``airflow dags test`` starts a run on its logical date. An event that is older than the horizon would be
    deleted at once, so it gets the current time.
    """
    moment = datetime.now(tz=timezone.utc)
    age = moment - event.occurred_at + MARGIN
    return event if age < _SHORTEST or age < retention() else replace(event, occurred_at=moment)


def retention() -> timedelta:
    """Return how long events are kept."""
    from airflow_platform_plugin.core import settings  # not with the module: task processes rarely need it

    return timedelta(days=settings.get(settings.CoreSettings).event_retention_days)
