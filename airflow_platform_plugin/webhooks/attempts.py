"""Attempts: which deliveries a worker may make now, their requests, and their outcomes.

Receivers are strangers: whatever one does, or is configured to be, is the outcome of its own deliveries.
"""

import logging
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import httpx
from marshmallow import ValidationError
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from airflow_platform_plugin.core import db, outbox
from airflow_platform_plugin.core.events import Event
from airflow_platform_plugin.webhooks import signing
from airflow_platform_plugin.webhooks.models import Delivery, Webhook
from airflow_platform_plugin.webhooks.schemas import RetryPolicyInput
from airflow_platform_plugin.webhooks.transport import Courier, build, is_framing

log = logging.getLogger(__name__)

# Attempts at once, in one worker.
_CONCURRENCY = 32
_CONCURRENCY_OF_TENANT = 16
_CONCURRENCY_OF_WEBHOOK = 4
# Seconds after an attempt's deadline to record its outcome; then another worker may try again.
RECORDING = 5.0


def _backoff(retry_policy: Mapping[str, Any]) -> outbox.Backoff:
    policy = RetryPolicyInput().load(retry_policy)
    return outbox.Backoff(policy["max_attempts"], tuple(policy["backoff_seconds"]))


_DEFAULT_BACKOFF = _backoff({})


class Attempt(NamedTuple):
    """One POST to make, with everything that it needs.

    Attributes:
        number: 1 for the first attempt of a delivery.
        expires: when the lease ends, by this process's monotonic clock.
        tenant_id: the webhook's.
        backoff: when a failed attempt is made again.
        request: the ``httpx.Request``, once it is built.
    """

    delivery_id: str
    webhook_id: str
    number: int
    expires: float
    tenant_id: str | None = None
    backoff: outbox.Backoff = _DEFAULT_BACKOFF
    request: Any = None

    @property
    def overdue(self) -> float:
        """Return when it must have ended, even if the loop that it runs in hangs."""
        return self.expires - RECORDING + Courier.GRACE


class Outcome(NamedTuple):
    """What became of an attempt: the receiver's status, or the kind of error."""

    attempt: Attempt
    status: int | None
    error: str | None

    @property
    def slow(self) -> bool:
        """Return whether it timed out."""
        return self.error is not None and "Timeout" in self.error

    @property
    def delivered(self) -> bool:
        """Return whether the receiver accepted it: any 2xx, as Standard Webhooks says."""
        return self.status is not None and httpx.codes.is_success(self.status)


class Room:
    """How many attempts may be started: in all, for each tenant and for each webhook.

    A webhook has one attempt at a time if its last one timed out, until its receiver answers again.
    """

    def __init__(self, under_way: Iterable[Attempt] = (), slow: Collection[str] = ()) -> None:
        taken = list(under_way)
        self.left = _CONCURRENCY - len(taken)
        self._slow = slow
        self._webhooks = Counter(attempt.webhook_id for attempt in taken)
        self._tenants = Counter(attempt.tenant_id for attempt in taken)

    def of(self, webhook_id: str, tenant_id: str | None) -> int:
        """Return how many more attempts one webhook may have."""
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
    """Take deliveries that are due, for this worker alone until the lease ends.

    The webhooks come in the order in which their oldest delivery fell due, each with as many as there is room
    for. If the request of a delivery cannot be built, its outcome is returned instead of an attempt.
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
            of_webhook = Delivery.webhook_id == row.webhook_id
            claims = outbox.claim(session, Delivery, of_webhook, most=free, lease=lease)
            room.take(row.webhook_id, row.tenant_id, len(claims))
            found += [_prepare(session, each, moment, lease) for each in claims]
        if not room.left:
            break
    return found


def _prepare(
    session: Session, claimed: outbox.Claim, moment: datetime, lease: timedelta
) -> Attempt | Outcome:
    """Return the attempt of a delivery, or the outcome if its request cannot be built."""
    row = claimed.row
    expires = time.monotonic() + lease.total_seconds()
    attempt = Attempt(row.id, row.webhook_id, claimed.attempt, expires)
    try:
        webhook, event = session.get(Webhook, row.webhook_id), session.get(Event, row.event_id)
        attempt = attempt._replace(tenant_id=webhook.tenant_id, backoff=_backoff_of(webhook))
        if attempt.number > attempt.backoff.max_attempts:
            # Each earlier attempt's worker died before it recorded the outcome.
            return Outcome(attempt, None, "NoOutcome")
        return attempt._replace(request=_request(webhook, event, moment))
    except Exception as error:  # noqa: BLE001 - whatever is wrong with one delivery, the others are not harmed
        log.warning("The delivery %s cannot be made: %s", row.id, type(error).__name__)
        return Outcome(attempt, None, type(error).__name__)


def _backoff_of(webhook: Webhook) -> outbox.Backoff:
    """Return the webhook's retry policy, or the default one if the stored one is invalid."""
    try:
        return _backoff(webhook.retry_policy)
    except ValidationError:
        return _DEFAULT_BACKOFF


def _request(webhook: Webhook, event: Event, moment: datetime) -> httpx.Request:
    body = signing.payload(event.type, event.occurred_at, event.data)
    signed = signing.headers(webhook.secret, message_id=event.id, sent_at=moment, body=body)
    # In lower case, as the signed ones are: a user's "Webhook-Id" must not be sent next to the real one.
    # Framing headers are refused today; one that was stored before is left out.
    own = {name.lower(): value for name, value in webhook.headers.items() if not is_framing(name)}
    return build(str(webhook.url), own | signed, body)


def record(session: Session, outcome: Outcome) -> None:
    """Record what became of an attempt, and when the next one is due."""
    attempt = outcome.attempt
    result = {"last_status": outcome.status, "last_error": outcome.error}
    if outcome.delivered:
        # The first success counts: a worker whose lease had ended may record a second one.
        first = Delivery.delivered_at.is_(None)
        outbox.finish(session, Delivery, attempt.delivery_id, first, delivered_at=db.now(), **result)
    else:
        due_at = attempt.backoff.next_due(attempt.number)
        outbox.postpone(session, Delivery, attempt.delivery_id, attempt.number, due_at, **result)
