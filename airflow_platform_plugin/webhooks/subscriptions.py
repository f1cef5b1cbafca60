"""Subscriptions: a delivery for each webhook that wants an event."""

import logging
from collections.abc import Sequence

from sqlalchemy import delete, select
from sqlalchemy.orm import Session
from sqlalchemy.sql import Select

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.core import dag_ownership, db
from airflow_platform_plugin.core.events import Event
from airflow_platform_plugin.core.feature import EventReference
from airflow_platform_plugin.webhooks.models import Delivery, Webhook

log = logging.getLogger(__name__)


def enqueue(session: Session, waiting: Sequence[Event]) -> None:
    """Create the deliveries of new events."""
    webhooks = list(session.scalars(select(Webhook)))
    dag_ids = {dag_id for event in waiting if (dag_id := event.data.get("dag_id")) is not None}
    tags = airflow_compat.dags.tags(session, dag_ids) if webhooks else {}
    owners = _find_owners(session, waiting) if any(each.tenant_id is not None for each in webhooks) else {}
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
        if _may_want(webhook, event, owners.get(event.id), tags.get(event.data.get("dag_id"), set()))
    ]
    db.insert_absent(session.connection(), Delivery.__table__, rows)


def _find_owners(session: Session, waiting: Sequence[Event]) -> dict[str, str | None]:
    """Return the tenants of events, by the event's id.

    The present owner of the DAG decides for an event without a tenant: nobody owned its DAG when it happened,
    or only a later look finds out.
    """
    unknown = {
        event.data["dag_id"] for event in waiting if event.tenant_id is None and "dag_id" in event.data
    }
    owners = dag_ownership.owners(session, unknown)
    return {event.id: event.tenant_id or owners.get(event.data.get("dag_id")) for event in waiting}


def _may_want(webhook: Webhook, event: Event, owner: str | None, tags: set[str]) -> bool:
    try:
        return wants(webhook, event, owner, tags)
    except Exception:
        log.exception("The subscription of the webhook %s cannot be read", webhook.webhook_id)
        return False


def wants(webhook: Webhook, event: Event, owner: str | None, tags: set[str]) -> bool:
    """Return whether a webhook is subscribed to an event. A webhook of no tenant sees all events.

    Args:
        webhook: the subscription.
        event: what has happened.
        owner: the tenant that the event belongs to; None for no tenant.
        tags: the present tags of the event's DAG; empty without a DAG.
    """
    if webhook.tenant_id is not None and webhook.tenant_id != owner:
        return False
    dag_ids, wanted_tags = webhook.filters.get("dag_ids"), webhook.filters.get("tags")
    return (
        event.type in webhook.events
        and (not dag_ids or event.data.get("dag_id") in dag_ids)
        and (not wanted_tags or bool(tags & set(wanted_tags)))
    )


def _undelivered() -> Select:
    """Select the ids of the events with a delivery that is due."""
    return select(Delivery.event_id).where(Delivery.due_at.is_not(None))


def _forget(session: Session, event_ids: list[str]) -> None:
    """Delete the deliveries of those events."""
    session.execute(delete(Delivery).where(Delivery.event_id.in_(event_ids)))


EVENT_REFERENCE = EventReference(undeletable_ids=_undelivered, delete_rows=_forget)
