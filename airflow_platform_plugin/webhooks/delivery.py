"""Deliveries: the worker's steps from an event to its subscribers.

prepare   a delivery per subscribed webhook, in one transaction with the event's own mark
deliver   claim (transaction), POST (none open), record (a transaction for each)

Receivers are strangers: whatever one does, or is configured to be, is the outcome of its own deliveries.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import closing
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, NamedTuple

import httpx
from marshmallow import ValidationError
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session
from sqlalchemy.sql import Select

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.core import db, settings
from airflow_platform_plugin.core.events import Event
from airflow_platform_plugin.core.feature import EventReference
from airflow_platform_plugin.core.naming import tenant_tag
from airflow_platform_plugin.webhooks import signing
from airflow_platform_plugin.webhooks.models import Delivery, Webhook
from airflow_platform_plugin.webhooks.schemas import RetryPolicyInput
from airflow_platform_plugin.webhooks.settings import WebhookSettings
from airflow_platform_plugin.webhooks.transport import Courier, build, is_framing

log = logging.getLogger(__name__)

# Attempts at once, in one worker.
_CONCURRENCY = 32
_CONCURRENCY_OF_TENANT = 16
_CONCURRENCY_OF_WEBHOOK = 4
# Seconds after an attempt's deadline in which its outcome is written down; then another worker may try again.
_RECORDING = 5.0
_LAST = 5.0  # seconds that a worker waits for its last attempts when it is stopped
_DEFAULT_POLICY: MappingProxyType[str, Any] = MappingProxyType(RetryPolicyInput().load({}))


class Attempt(NamedTuple):
    """One POST to be made, with all that it needs.

    Attributes:
        number: 1 for the first attempt of a delivery.
        expires: when the lease ends, by this process's monotonic clock.
    """

    delivery_id: str
    webhook_id: str
    number: int
    expires: float
    tenant_id: str | None = None
    retry_policy: Any = _DEFAULT_POLICY
    request: Any = None

    @property
    def overdue(self) -> float:
        """When it must have ended even if the loop that it runs in hangs."""
        return self.expires - _RECORDING + Courier.GRACE


class Outcome(NamedTuple):
    """What became of a POST."""

    attempt: Attempt
    status: int | None
    error: str | None

    @property
    def slow(self) -> bool:
        """Whether it ran out of time."""
        return self.error is not None and "Timeout" in self.error

    @property
    def delivered(self) -> bool:
        """Whether the receiver took it: any 2xx, as Standard Webhooks has it."""
        return self.status is not None and 200 <= self.status < 300  # noqa: PLR2004 - HTTP


def enqueue(session: Session, waiting: Sequence[Event]) -> None:
    """Make the deliveries of new events."""
    webhooks = list(session.scalars(select(Webhook)))
    dag_ids = {dag_id for event in waiting if (dag_id := event.data.get("dag_id")) is not None}
    tags = airflow_compat.dags.tags(session, dag_ids) if webhooks else {}
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
        if _may_want(webhook, event, tags.get(event.data.get("dag_id"), set()))
    ]
    db.insert_absent(session.connection(), Delivery.__table__, rows)


def _may_want(webhook: Webhook, event: Event, tags: set[str]) -> bool:
    try:
        return wants(webhook, event, tags)
    except Exception:
        log.exception("What the webhook %s is subscribed to cannot be read", webhook.webhook_id)
        return False


def wants(webhook: Webhook, event: Event, tags: set[str]) -> bool:
    """Return whether a webhook is subscribed to an event.

    Args:
        webhook: the subscription.
        event: what has happened.
        tags: the present tags of the event's DAG; empty without a DAG.
    """
    if not _may_see(webhook, event, tags):
        return False
    dag_ids, wanted_tags = webhook.filters.get("dag_ids"), webhook.filters.get("tags")
    return (
        event.type in webhook.events
        and (not dag_ids or event.data.get("dag_id") in dag_ids)
        and (not wanted_tags or bool(tags & set(wanted_tags)))
    )


def _may_see(webhook: Webhook, event: Event, tags: set[str]) -> bool:
    """Return whether the event belongs to the webhook's tenant; a webhook of no tenant sees all.

    The tags decide for an event without a tenant: its DAG had several tags of tenants when it happened, or it
    was stored before events had a tenant.
    """
    if webhook.tenant_id is None:
        return True
    if event.tenant_id is not None:
        return bool(event.tenant_id == webhook.tenant_id)
    return tenant_tag(webhook.tenant_id) in tags


def deliver() -> int:
    """Attempt what is due, each to its end; returns the number of attempts."""
    with closing(Courier()) as courier:
        dispatcher = Dispatcher(courier)
        attempts = dispatcher.take()
        while dispatcher.under_way:
            dispatcher.wait(1.0)
            dispatcher.record()
        dispatcher.record()
    return attempts


def run(stopping: threading.Event, interval: float, beat: Callable[[], None]) -> None:
    """Deliver until told to stop: whatever is due goes out while others are still under way.

    Args:
        stopping: set where it is to end.
        interval: seconds between two looks for what is due.
        beat: called after each round.
    """
    with closing(Courier()) as courier:
        dispatcher = Dispatcher(courier)
        while not stopping.is_set():
            done = dispatcher.record() + dispatcher.take()
            beat()
            if dispatcher.under_way:
                dispatcher.wait(interval)
            elif not done:
                stopping.wait(interval)
        dispatcher.wait_for_all(_LAST)  # the rest is attempted again once its lease has ended
        dispatcher.record()


class Dispatcher:
    """What is under way, and the room that is left: no receiver and no tenant takes all of it."""

    def __init__(self, courier: Courier) -> None:
        self.under_way: dict[Future[int], Attempt] = {}
        self._finished: list[Outcome] = []
        self._courier = courier
        self._slow: set[str] = set()

    def take(self) -> int:
        """Claim what is due and there is room for, and start it; returns the number of attempts."""
        deadline = settings.get(WebhookSettings).webhook_timeout
        room = Room(self.under_way.values(), self._slow)
        if not room.left:
            return 0
        with db.transaction() as session:
            claimed = claim(session, lease=timedelta(seconds=deadline + _RECORDING), room=room)
        for made in claimed:
            if isinstance(made, Outcome):
                self._finished.append(made)
                continue
            try:
                self.under_way[self._courier.send(made.request, deadline=deadline)] = made
            except Exception as error:  # noqa: BLE001 - whatever it is, it is this delivery's alone
                self._finished.append(Outcome(made, None, type(error).__name__))
        return len(claimed)

    def wait(self, seconds: float) -> None:
        """Wait until an attempt has ended, so long at the most."""
        wait(self.under_way, timeout=seconds, return_when=FIRST_COMPLETED)

    def wait_for_all(self, seconds: float) -> None:
        """Wait until every attempt has ended, so long at the most."""
        wait(self.under_way, timeout=seconds)

    def record(self) -> int:
        """Write down what has ended, each by itself; returns how many."""
        self._collect()
        recorded, failed = 0, []
        for outcome in self._finished:
            try:
                with db.transaction() as session:
                    record(session, outcome)
                recorded += 1
            except Exception:
                log.exception("What became of a delivery could not be written down yet")
                failed.append(outcome)
        # Those wait for the database, but no longer than their lease: then another attempt is made.
        self._finished = [outcome for outcome in failed if outcome.attempt.expires > time.monotonic()]
        return recorded

    def _collect(self) -> None:
        moment, hangs = time.monotonic(), False
        for future, attempt in list(self.under_way.items()):
            if future.done():
                self._finished.append(_outcome(future, attempt))
            elif attempt.overdue <= moment:
                hangs = True
                self._finished.append(Outcome(attempt, None, "TimeoutError"))
            else:
                continue
            del self.under_way[future]
        for outcome in self._finished:
            (self._slow.add if outcome.slow else self._slow.discard)(outcome.attempt.webhook_id)
        if hangs:  # the loop itself does: a new one, for the next attempts
            log.error("Deliveries hang past their deadline and are given a new loop")
            self._courier.close()


def _outcome(future: "Future[int]", attempt: Attempt) -> Outcome:
    """What became of an attempt; whatever was raised is an outcome, and none of the others' business."""
    if future.cancelled():
        return Outcome(attempt, None, "TimeoutError")
    error = future.exception()
    # The kind alone: messages of clients and proxies may repeat headers.
    return Outcome(attempt, None, type(error).__name__) if error else Outcome(attempt, future.result(), None)


class Room:
    """How many attempts may be started: at all, for each tenant and for each webhook.

    A webhook whose last attempt ran out of time has one at a time, until its receiver answers again.
    """

    def __init__(self, under_way: Iterable[Attempt] = (), slow: Collection[str] = ()) -> None:
        taken = list(under_way)
        self.left = _CONCURRENCY - len(taken)
        self._slow = slow
        self._webhooks = Counter(attempt.webhook_id for attempt in taken)
        self._tenants = Counter(attempt.tenant_id for attempt in taken)

    def of(self, webhook_id: str, tenant_id: str | None) -> int:
        """How many more one webhook may have."""
        most = 1 if webhook_id in self._slow else _CONCURRENCY_OF_WEBHOOK
        free = [self.left, most - self._webhooks[webhook_id]]
        if tenant_id is not None:
            free.append(_CONCURRENCY_OF_TENANT - self._tenants[tenant_id])
        return max(0, min(free))

    def take(self, webhook_id: str, tenant_id: str | None, count: int) -> None:
        """Count attempts that are about to be started."""
        self.left -= count
        self._webhooks[webhook_id] += count
        self._tenants[tenant_id] += count


def claim(session: Session, *, lease: timedelta, room: Room | None = None) -> list[Attempt | Outcome]:
    """Take what is due, for this worker alone until the lease ends.

    The webhooks come in the order in which their oldest delivery fell due, each with as many as there is room
    for. Where no request can be made of a delivery, its outcome comes in the place of the attempt.
    """
    room, moment = room or Room(), db.now()
    oldest = (
        select(func.min(Delivery.due_at))
        .where(Delivery.webhook_id == Webhook.webhook_id, Delivery.due_at <= moment)
        .scalar_subquery()
    )
    waiting = select(Webhook.webhook_id, Webhook.tenant_id, oldest.label("oldest")).where(oldest.is_not(None))
    found: list[Attempt | Outcome] = []
    for row in session.execute(waiting.order_by("oldest", Webhook.webhook_id)).all():
        free = room.of(row.webhook_id, row.tenant_id)
        if free:
            taken = _claim_of(session, row.webhook_id, moment, moment + lease, free)
            room.take(row.webhook_id, row.tenant_id, len(taken))
            found += taken
        if not room.left:
            break
    return found


def _claim_of(
    session: Session, webhook_id: str, moment: datetime, until: datetime, most: int
) -> list[Attempt | Outcome]:
    due = (
        select(Delivery.id, Delivery.event_id, Delivery.attempts, Delivery.due_at)
        .where(Delivery.webhook_id == webhook_id, Delivery.due_at <= moment)
        .order_by(Delivery.due_at, Delivery.id)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    taken: list[Attempt | Outcome] = []
    for row in session.execute(due).all():
        # Once more in the UPDATE itself: SQLite has no row locks, and another worker may have been faster.
        mine = session.execute(
            update(Delivery)
            .where(Delivery.id == row.id, Delivery.due_at == row.due_at)
            .values(due_at=until, attempts=Delivery.attempts + 1)
            .execution_options(synchronize_session=False)
        )
        if mine.rowcount == 1:
            taken.append(_prepared(session, row, webhook_id, moment, until))
    return taken


def _prepared(
    session: Session,
    row: Any,  # noqa: ANN401 - a row of a delivery
    webhook_id: str,
    moment: datetime,
    until: datetime,
) -> Attempt | Outcome:
    """The request of a delivery, or what keeps it from being made."""
    left = (until - moment).total_seconds()
    attempt = Attempt(
        delivery_id=row.id, webhook_id=webhook_id, number=row.attempts + 1, expires=time.monotonic() + left
    )
    try:
        webhook, event = session.get(Webhook, webhook_id), session.get(Event, row.event_id)
        attempt = attempt._replace(tenant_id=webhook.tenant_id, retry_policy=_policy(webhook))
        if attempt.number > attempt.retry_policy["max_attempts"]:
            # Claimed as often as it may be, and each time the worker died before it wrote down the outcome.
            return Outcome(attempt, None, "NoOutcome")
        return attempt._replace(request=_request(webhook, event, moment))
    except Exception as error:  # noqa: BLE001 - whatever is wrong with the one, the others are not harmed
        log.warning("The delivery %s cannot be made: %s", row.id, type(error).__name__)
        return Outcome(attempt, None, type(error).__name__)


def _policy(webhook: Webhook) -> dict[str, Any]:
    """The webhook's policy, or the default in place of what is none."""
    try:
        policy: dict[str, Any] = RetryPolicyInput().load(webhook.retry_policy)
    except ValidationError:
        return dict(_DEFAULT_POLICY)
    return policy


def _request(webhook: Webhook, event: Event, moment: datetime) -> httpx.Request:
    body = signing.payload(event.type, event.occurred_at, event.data)
    signed = signing.headers(webhook.secret, message_id=event.id, sent_at=moment, body=body)
    # In lower case, as the signed ones are: a user's "Webhook-Id" must not stand beside the real one.
    # What frames the message is refused today; one that was stored before is left out.
    own = {name.lower(): value for name, value in webhook.headers.items() if not is_framing(name)}
    return build(str(webhook.url), own | signed, body)


def record(session: Session, outcome: Outcome) -> None:
    """Write down what became of an attempt, and when the next is due.

    A failure is not written down where another worker has begun the next attempt since.
    """
    attempt, moment = outcome.attempt, db.now()
    values: dict[str, Any] = {"last_status": outcome.status, "last_error": outcome.error, "due_at": None}
    mine = update(Delivery).where(Delivery.id == attempt.delivery_id, Delivery.delivered_at.is_(None))
    if outcome.delivered:
        values["delivered_at"] = moment
    else:
        mine = mine.where(Delivery.attempts == attempt.number)
        if attempt.number < attempt.retry_policy["max_attempts"]:
            values["due_at"] = moment + timedelta(seconds=backoff(attempt.retry_policy, attempt.number))
    session.execute(mine.values(**values).execution_options(synchronize_session=False))


def backoff(retry_policy: dict[str, Any], attempts: int) -> int:
    """Seconds until the next attempt, after that many; the last of the list goes on."""
    steps = retry_policy["backoff_seconds"]
    return int(steps[min(attempts, len(steps)) - 1])


def _undelivered() -> Select:
    """The ids of the events that are still to be delivered."""
    return select(Delivery.event_id).where(Delivery.due_at.is_not(None))


def _forget(session: Session, event_ids: list[str]) -> None:
    """Delete the deliveries of those events."""
    session.execute(delete(Delivery).where(Delivery.event_id.in_(event_ids)))


EVENT_REFERENCE = EventReference(needed=_undelivered, forget=_forget)
