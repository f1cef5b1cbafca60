"""Webhooks: created, found, deleted."""

import json
from typing import Any

from sqlalchemy import delete as sql_delete
from sqlalchemy import select
from sqlalchemy.orm import Session

from airflow_platform_plugin import crypto, paging
from airflow_platform_plugin.errors import NotFound
from airflow_platform_plugin.principal import Principal
from airflow_platform_plugin.tenants import service as tenants
from airflow_platform_plugin.webhooks import signing
from airflow_platform_plugin.webhooks.models import Delivery, Webhook


def create(session: Session, fields: dict[str, Any], *, by: Principal) -> Webhook:
    """Subscribe a receiver; events from now on are delivered to it.

    Raises:
        ValidationFailed: the caller may not make one for that tenant.
    """
    fields["tenant_id"] = tenants.of_new(session, fields.get("tenant_id"), reach=by.reach("webhooks:write"))
    headers = fields.pop("headers")
    webhook = Webhook(
        **fields,
        encrypted_headers=crypto.encrypt(json.dumps(headers)),
        encrypted_secret=crypto.encrypt(signing.new_secret()),
        created_by=by.username,
    )
    session.add(webhook)
    session.flush()
    return webhook


def get(session: Session, webhook_id: str, *, reach: frozenset[str] | None) -> Webhook:
    """The webhook of that id, if it is of a tenant that the caller reaches (None for all).

    Raises:
        NotFound: there is none.
    """
    webhook: Webhook | None = session.get(Webhook, webhook_id)
    if webhook is None or not (reach is None or webhook.tenant_id in reach):
        raise NotFound(f"Webhook '{webhook_id}' not found", webhook_id=webhook_id)
    return webhook


def change(webhook: Webhook, fields: dict[str, Any]) -> None:
    """Set what is given; deliveries that are due from now on go by it."""
    headers = fields.pop("headers", None)
    if headers is not None:
        webhook.encrypted_headers = crypto.encrypt(json.dumps(headers))
    for name, value in fields.items():
        setattr(webhook, name, value)


def page(session: Session, *, reach: frozenset[str] | None, **wanted: Any) -> paging.Page:  # noqa: ANN401 - as paging.fetch has them
    """The webhooks that the caller reaches, the oldest first if nothing else is asked for."""
    rows = select(Webhook).order_by(Webhook.created_at)
    if reach is not None:
        rows = rows.where(Webhook.tenant_id.in_(reach))
    return paging.fetch(session, rows, **wanted)


def delete(session: Session, webhook: Webhook) -> None:
    """Delete a webhook, and what was still to be delivered to it."""
    session.execute(sql_delete(Delivery).where(Delivery.webhook_id == webhook.webhook_id))
    session.delete(webhook)
