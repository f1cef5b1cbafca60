"""Deliveries: the worker's steps from an event to its subscribers.

prepare   a delivery per subscribed webhook, in one transaction with the event's own mark
deliver   claim (transaction), POST (none open), record (transaction)
expire    what is older than the retention goes
"""

import json
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import httpx
from airflow.models.dag import DagTag
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from airflow_platform_plugin import crypto, db, settings
from airflow_platform_plugin.events import Event
from airflow_platform_plugin.names import tenant_tag
from airflow_platform_plugin.webhooks import signing
from airflow_platform_plugin.webhooks.models import Delivery, Webhook

log = logging.getLogger(__name__)

_BATCH = 100
_CONCURRENCY = 8


class Attempt(NamedTuple):
    """One POST to be made, with all that it needs."""

    delivery_id: str
    number: int
    retry_policy: dict[str, Any]
    url: str
    headers: dict[str, str]
    body: str


class Outcome(NamedTuple):
    """What became of a POST."""

    attempt: Attempt
    status: int | None
    error: str | None

    @property
    def delivered(self) -> bool:
        """Whether the receiver took it: any 2xx, as Standard Webhooks has it."""
        return self.status is not None and 200 <= self.status < 300  # noqa: PLR2004 - HTTP


def prepare(session: Session, waiting: Sequence[Event]) -> None:
    """Make the deliveries of new events."""
    webhooks = list(session.scalars(select(Webhook)))
    tags = _tags(session, {event.data.get("dag_id") for event in waiting}) if webhooks else {}
    moment = db.now()
    rows = [
        {
            "id": db.new_id("whd"),
            "event_id": event.id,
            "webhook_id": webhook.webhook_id,
            "attempts": 0,
            "due_at": moment,
        }
        for event in waiting
        for webhook in webhooks
        if wants(webhook, event, tags.get(event.data.get("dag_id"), set()))
    ]
    db.insert_absent(session.connection(), Delivery.__table__, rows)


def wants(webhook: Webhook, event: Event, tags: set[str]) -> bool:
    """Whether a webhook is subscribed to the event, whose DAG has those tags."""
    if webhook.tenant_id is not None and tenant_tag(webhook.tenant_id) not in tags:
        return False
    dag_ids, wanted_tags = webhook.filters.get("dag_ids"), webhook.filters.get("tags")
    return (
        event.type in webhook.events
        and (not dag_ids or event.data.get("dag_id") in dag_ids)
        and (not wanted_tags or bool(tags & set(wanted_tags)))
    )


def _tags(session: Session, dag_ids: set[str | None]) -> dict[str | None, set[str]]:
    found: dict[str | None, set[str]] = {}
    for row in session.execute(select(DagTag.dag_id, DagTag.name).where(DagTag.dag_id.in_(dag_ids))):
        found.setdefault(row.dag_id, set()).add(row.name)
    return found


def deliver() -> int:
    """Attempt what is due; returns the number of attempts."""
    timeout = settings.get().webhook_timeout
    with db.transaction() as session:
        attempts = claim(session, lease=timedelta(seconds=2 * timeout + 30))
    if not attempts:
        return 0
    # Redirects are not followed: a receiver that moved must say so to its owner, not to us.
    with (
        httpx.Client(timeout=timeout, follow_redirects=False) as client,
        ThreadPoolExecutor(_CONCURRENCY) as pool,
    ):
        outcomes = list(pool.map(lambda attempt: post(client, attempt), attempts))
    with db.transaction() as session:
        for outcome in outcomes:
            record(session, outcome)
    return len(attempts)


def claim(session: Session, *, lease: timedelta) -> list[Attempt]:
    """Take what is due, for this worker alone until the lease ends."""
    moment = db.now()
    due = (
        select(Delivery)
        .where(Delivery.due_at <= moment)
        .order_by(Delivery.due_at)
        .limit(_CONCURRENCY)
        .with_for_update(skip_locked=True)
    )
    taken = []
    for delivery in session.scalars(due):
        # Once more in the UPDATE itself: SQLite has no row locks, and another worker may have been faster.
        mine = session.execute(
            update(Delivery)
            .where(Delivery.id == delivery.id, Delivery.due_at == delivery.due_at)
            .values(due_at=moment + lease, attempts=Delivery.attempts + 1)
            .execution_options(synchronize_session=False)
        )
        if mine.rowcount == 1:
            taken.append(_attempt(delivery, moment))
    return taken


def _attempt(delivery: Delivery, moment: datetime) -> Attempt:
    event, webhook = delivery.event, delivery.webhook
    body = signing.payload(event.type, event.occurred_at, event.data)
    signed = signing.headers(webhook.secret, message_id=event.id, sent_at=moment, body=body)
    # In lower case, as the signed ones are: a user's "Webhook-Id" must not stand beside the real one.
    own = {
        name.lower(): value
        for name, value in json.loads(crypto.decrypt(str(webhook.encrypted_headers))).items()
    }
    return Attempt(
        delivery_id=str(delivery.id),
        number=delivery.attempts + 1,
        retry_policy=webhook.retry_policy,
        url=str(webhook.url),
        headers=own | signed,
        body=body,
    )


def post(client: httpx.Client, attempt: Attempt) -> Outcome:
    """Make the request; a failure is an outcome, not an exception."""
    try:
        answer = client.post(attempt.url, content=attempt.body, headers=attempt.headers)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        # The kind alone: messages of clients and proxies may repeat headers.
        return Outcome(attempt, None, type(error).__name__)
    return Outcome(attempt, answer.status_code, None)


def record(session: Session, outcome: Outcome) -> None:
    """Write down what became of an attempt, and when the next is due."""
    attempt, moment = outcome.attempt, db.now()
    values: dict[str, Any] = {"last_status": outcome.status, "last_error": outcome.error, "due_at": None}
    if outcome.delivered:
        values["delivered_at"] = moment
    elif attempt.number < attempt.retry_policy["max_attempts"]:
        values["due_at"] = moment + timedelta(seconds=backoff(attempt.retry_policy, attempt.number))
    session.execute(update(Delivery).where(Delivery.id == attempt.delivery_id).values(**values))


def backoff(retry_policy: dict[str, Any], attempts: int) -> int:
    """Seconds until the next attempt, after that many; the last of the list goes on."""
    steps = retry_policy["backoff_seconds"]
    return int(steps[min(attempts, len(steps)) - 1])


def expire() -> int:
    """Delete a batch of events past the retention, with their deliveries."""
    before = db.now() - timedelta(days=settings.get().event_retention_days)
    with db.transaction() as session:
        old = select(Event.id).where(Event.occurred_at < before).limit(_BATCH)
        ids = list(session.scalars(old))
        if ids:
            session.execute(delete(Delivery).where(Delivery.event_id.in_(ids)))
            session.execute(delete(Event).where(Event.id.in_(ids)))
    return len(ids)
