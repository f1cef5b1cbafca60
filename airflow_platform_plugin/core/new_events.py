"""What happens, as an event that may not be stored yet: what listeners need of ``events``.

Imported in every task process when its task ends, so it imports next to nothing.
"""

import uuid
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any

from sqlalchemy.engine import Connection

from airflow_platform_plugin.core import nowait

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "airflow-platform-plugin")
# Events go this much later than the last moment at which they would be recorded, whatever hosts' clocks say.
MARGIN = timedelta(hours=1)
_SHORTEST = timedelta(days=1)  # the shortest retention there is


@dataclass(frozen=True)
class NewEvent:
    """An event that may not be stored yet.

    Attributes:
        identity: what makes this happening differ from every other; two equal ones are one event.
    """

    type: str
    identity: tuple[str, ...]
    occurred_at: datetime
    data: dict[str, Any]

    @property
    def id(self) -> str:
        """The event's id, the same wherever the happening is seen."""
        return str(uuid.uuid5(_NAMESPACE, "\x1f".join((self.type, *self.identity))))


def row(event: NewEvent) -> dict[str, Any]:
    """The event's row."""
    return {"id": event.id, "type": event.type, "occurred_at": event.occurred_at, "data": event.data}


# Tables that are empty where no event is wanted: webhooks, mails and rollbacks of deployments.
_SUBSCRIBERS = ("platform_webhook", "platform_deployment")


def record_now(connection: Connection, event: NewEvent) -> None:
    """Store an event on a connection of Airflow's, in its transaction, without ever waiting for a lock.

    Nothing is written where nobody could want it: the sweep makes up for whoever subscribes meanwhile.
    """
    nowait.insert(connection, "platform_event", row(event), where_any=_SUBSCRIBERS)


def observed(event: NewEvent) -> NewEvent:
    """An event of what happens right now, whatever its dates say: ``dags test`` begins on the logical date.

    What is older than the horizon would be deleted at once, so it is told as of now.
    """
    moment = datetime.now(tz=timezone.utc)
    age = moment - event.occurred_at + MARGIN
    return event if age < _SHORTEST or age < retention() else replace(event, occurred_at=moment)


def retention() -> timedelta:
    """How long events are kept."""
    from airflow_platform_plugin.core import settings  # not with the module: task processes rarely need it

    return timedelta(days=settings.get(settings.CoreSettings).event_retention_days)
