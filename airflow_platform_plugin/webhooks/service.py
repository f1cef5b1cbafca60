"""Webhooks: created, found, deleted."""

import json
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from cryptography.fernet import InvalidToken
from sqlalchemy import delete as sql_delete
from sqlalchemy import select
from sqlalchemy.orm import Session

from airflow_platform_plugin.core import crypto, pagination
from airflow_platform_plugin.core.errors import NotFound, ValidationFailed
from airflow_platform_plugin.core.principal import Principal
from airflow_platform_plugin.core.reach import Reach
from airflow_platform_plugin.tenants import service as tenants
from airflow_platform_plugin.webhooks import signing
from airflow_platform_plugin.webhooks.models import MASKED, Delivery, Webhook


def create(session: Session, fields: dict[str, Any], *, by: Principal) -> Webhook:
    """Subscribe a receiver; events from now on are delivered to it.

    Raises:
        ValidationFailed: the caller may not make one for that tenant, or has given a masked header.
    """
    masked = next((name for name, value in fields["headers"].items() if value == MASKED), None)
    if masked is not None:
        raise ValidationFailed.of("headers", masked, message="has no value to be kept: give one")
    fields["tenant_id"] = tenants.resolve_owner(
        session, fields.get("tenant_id"), reach=by.reach("webhooks:write")
    )
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


def get(session: Session, webhook_id: str, *, reach: Reach) -> Webhook:
    """The webhook of that id, if it is of a tenant that the caller reaches (None for all).

    Raises:
        NotFound: there is none.
    """
    webhook: Webhook | None = session.get(Webhook, webhook_id)
    if webhook is None or not reach.allows(webhook.tenant_id):
        raise NotFound(f"Webhook '{webhook_id}' not found", webhook_id=webhook_id)
    return webhook


def change(webhook: Webhook, fields: dict[str, Any]) -> None:
    """Set what is given; deliveries that are due from now on go by it.

    A header whose value is ``***``, as answers show it, keeps its value.

    Raises:
        ValidationFailed: the id is another's, a header that is to be kept is not there, or the address is on
            another host and the headers, which were meant for the old one, are not given again.
    """
    if fields.pop("webhook_id", webhook.webhook_id) != webhook.webhook_id:
        raise ValidationFailed.of("webhook_id", message="cannot be changed")
    headers = fields.pop("headers", None)
    moves = "url" in fields and _origin(fields["url"]) != _origin(str(webhook.url))
    if headers is not None:
        webhook.encrypted_headers = crypto.encrypt(json.dumps(_kept(webhook, headers, moves=moves)))
    elif moves and webhook.encrypted_headers and _stored(webhook):
        raise ValidationFailed.of(
            "headers",
            message="must be given again where the url is on another host: they were for the old one",
        )
    for name, value in fields.items():
        setattr(webhook, name, value)


def _origin(url: str) -> tuple[str, str | None, int | None] | None:
    with suppress(ValueError):
        parts = urlsplit(url)
        return parts.scheme, parts.hostname, parts.port
    return None


def _stored(webhook: Webhook) -> dict[str, str]:
    try:
        return webhook.headers
    except (InvalidToken, ValueError):
        return {}


def _kept(webhook: Webhook, headers: dict[str, str], *, moves: bool) -> dict[str, str]:
    """The headers, with the stored values of those that are masked."""
    there = {} if moves else {name.lower(): value for name, value in _stored(webhook).items()}
    unknown = [name for name, value in headers.items() if value == MASKED and name.lower() not in there]
    if unknown:
        raise ValidationFailed.of("headers", unknown[0], message="has no value to be kept: give one")
    return {name: there[name.lower()] if value == MASKED else value for name, value in headers.items()}


def reveal(webhook: Webhook, to: Principal) -> Webhook:
    """Let the whole address be seen by who may change it."""
    webhook.revealed = to.may("webhooks:write", webhook.tenant_id)
    return webhook


def page(session: Session, *, reach: Reach, **wanted: Any) -> pagination.Page:  # noqa: ANN401 - as paging.fetch has them
    """The webhooks that the caller reaches, the oldest first if nothing else is asked for."""
    rows = select(Webhook).order_by(Webhook.created_at)
    rows = rows.where(reach.where(Webhook.tenant_id))
    return pagination.fetch(session, rows, **wanted)


def delete(session: Session, webhook: Webhook) -> None:
    """Delete a webhook, and what was still to be delivered to it."""
    session.execute(sql_delete(Delivery).where(Delivery.webhook_id == webhook.webhook_id))
    session.delete(webhook)
