"""Webhooks: created, found, deleted."""

import json
from typing import Any

from sqlalchemy import delete as sql_delete
from sqlalchemy import select
from sqlalchemy.orm import Session

from airflow_platform_plugin import crypto, paging
from airflow_platform_plugin.errors import NotFound
from airflow_platform_plugin.webhooks import signing
from airflow_platform_plugin.webhooks.models import Delivery, Webhook


def create(session: Session, fields: dict[str, Any], *, by: str) -> Webhook:
    """Subscribe a receiver; events from now on are delivered to it."""
    headers = fields.pop("headers")
    webhook = Webhook(
        **fields,
        encrypted_headers=crypto.encrypt(json.dumps(headers)),
        encrypted_secret=crypto.encrypt(signing.new_secret()),
        created_by=by,
    )
    session.add(webhook)
    session.flush()
    return webhook


def get(session: Session, webhook_id: str) -> Webhook:
    """The webhook of that id.

    Raises:
        NotFound: there is none.
    """
    webhook: Webhook | None = session.get(Webhook, webhook_id)
    if webhook is None:
        raise NotFound(f"Webhook '{webhook_id}' not found", webhook_id=webhook_id)
    return webhook


def change(webhook: Webhook, fields: dict[str, Any]) -> None:
    """Set what is given; deliveries that are due from now on go by it."""
    headers = fields.pop("headers", None)
    if headers is not None:
        webhook.encrypted_headers = crypto.encrypt(json.dumps(headers))
    for name, value in fields.items():
        setattr(webhook, name, value)


def page(session: Session, **wanted: Any) -> paging.Page:  # noqa: ANN401 - as paging.fetch has them
    """Webhooks, the oldest first if nothing else is asked for; ``wanted`` as ``paging.fetch`` takes it."""
    return paging.fetch(session, select(Webhook).order_by(Webhook.created_at), **wanted)


def delete(session: Session, webhook_id: str) -> None:
    """Delete a webhook, and what was still to be delivered to it.

    Raises:
        NotFound: there is none.
    """
    webhook = get(session, webhook_id)
    session.execute(sql_delete(Delivery).where(Delivery.webhook_id == webhook_id))
    session.delete(webhook)
