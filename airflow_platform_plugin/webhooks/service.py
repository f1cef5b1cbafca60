"""Webhooks: create, get, list, change and delete."""

import json
from contextlib import suppress
from urllib.parse import urlsplit

from cryptography.fernet import InvalidToken
from sqlalchemy import delete as sql_delete
from sqlalchemy import select
from sqlalchemy.orm import Session

from airflow_platform_plugin.core import crypto, pagination
from airflow_platform_plugin.core.errors import NotFound, ValidationFailed
from airflow_platform_plugin.core.principal import Principal
from airflow_platform_plugin.tenants import service as tenants
from airflow_platform_plugin.webhooks import signing
from airflow_platform_plugin.webhooks.inputs import NewWebhook, WebhookChanges
from airflow_platform_plugin.webhooks.models import MASKED, Delivery, Webhook

READ, WRITE = "webhooks:read", "webhooks:write"


def create(session: Session, data: NewWebhook, *, by: Principal) -> Webhook:
    """Subscribe a receiver; events from now on are delivered to it.

    Raises:
        ValidationFailed: the caller may not create one for that tenant, or has given a masked header.
    """
    masked = next((name for name, value in data.headers.items() if value == MASKED), None)
    if masked is not None:
        raise ValidationFailed.of("headers", masked, message="no stored value to keep; send the value")
    webhook = Webhook(
        tenant_id=tenants.resolve_owner(session, data.tenant_id, by=by, scope=WRITE),
        name=data.name,
        url=data.url,
        events=data.events,
        filters=data.filters,
        retry_policy=data.retry_policy,
        encrypted_headers=crypto.encrypt(json.dumps(data.headers)),
        encrypted_secret=crypto.encrypt(signing.new_secret()),
        created_by=by.username,
    )
    session.add(webhook)
    session.flush()
    return _revealed(webhook, by)


def get(session: Session, webhook_id: str, *, by: Principal) -> Webhook:
    """Return a webhook that the caller may read.

    Raises:
        NotFound: it does not exist, or the caller may not see it.
    """
    return _find(session, webhook_id, by, READ)


def get_writable(session: Session, webhook_id: str, *, by: Principal) -> Webhook:
    """Return a webhook that the caller may change.

    Raises:
        NotFound: it does not exist, or the caller may not see it.
    """
    return _find(session, webhook_id, by, WRITE)


def _find(session: Session, webhook_id: str, by: Principal, scope: str) -> Webhook:
    webhook: Webhook | None = session.get(Webhook, webhook_id)
    if webhook is None or not by.reach(scope).allows(webhook.tenant_id):
        raise NotFound(f"Webhook '{webhook_id}' not found", webhook_id=webhook_id)
    return _revealed(webhook, by)


def _revealed(webhook: Webhook, by: Principal) -> Webhook:
    """Show the whole URL to a caller who may change it."""
    webhook.revealed = by.reach(WRITE).allows(webhook.tenant_id)
    return webhook


def page(session: Session, query: pagination.Query, *, by: Principal) -> pagination.Page:
    """Return a page of the webhooks that the caller may read, by default the oldest first."""
    rows = select(Webhook).where(by.reach(READ).where(Webhook.tenant_id)).order_by(Webhook.created_at)
    found = pagination.fetch(session, rows, query)
    for webhook in found.items:
        _revealed(webhook, by)
    return found


def update(session: Session, webhook: Webhook, data: WebhookChanges, *, by: Principal) -> Webhook:
    """Change what is given; deliveries that are due from now on use it.

    A header with the value ``***``, which responses show, keeps its value.

    Raises:
        ValidationFailed: the id is another's; a header that is to be kept is not stored; or the URL is on
            another host, and the headers, which were meant for the old one, are not given again.
    """
    fields = dict(data)
    if fields.pop("webhook_id", webhook.webhook_id) != webhook.webhook_id:
        raise ValidationFailed.of("webhook_id", message="cannot be changed")
    headers = data.get("headers")
    fields.pop("headers", None)
    moves = "url" in data and _origin(data["url"]) != _origin(str(webhook.url))
    if headers is not None:
        webhook.encrypted_headers = crypto.encrypt(json.dumps(_kept(webhook, headers, moves=moves)))
    elif moves and webhook.encrypted_headers and _stored(webhook):
        raise ValidationFailed.of(
            "headers",
            message="must be sent again with a url on another host: the stored ones are for the old host",
        )
    for name, value in fields.items():
        setattr(webhook, name, value)
    session.flush()
    return _revealed(webhook, by)


def delete(session: Session, webhook: Webhook) -> None:
    """Delete a webhook and the deliveries that are still due."""
    session.execute(sql_delete(Delivery).where(Delivery.webhook_id == webhook.webhook_id))
    session.delete(webhook)


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
    """Return the headers, with the stored values of those that are masked."""
    stored = {} if moves else {name.lower(): value for name, value in _stored(webhook).items()}
    unknown = [name for name, value in headers.items() if value == MASKED and name.lower() not in stored]
    if unknown:
        raise ValidationFailed.of("headers", unknown[0], message="no stored value to keep; send the value")
    return {name: stored[name.lower()] if value == MASKED else value for name, value in headers.items()}
