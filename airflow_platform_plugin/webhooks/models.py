"""Webhooks and their deliveries."""

import json
from urllib.parse import urlsplit

from cryptography.fernet import InvalidToken
from sqlalchemy import JSON, Column, ForeignKey, Index, Integer, String, Text, UniqueConstraint

from airflow_platform_plugin.core import crypto, db
from airflow_platform_plugin.core.db import UtcDateTime

MASKED = "***"


def masked_url(url: str) -> str:
    """Return scheme, host and port alone: path, query and user name may be the secret that lets one post."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return MASKED
    place = f"[{host}]" if ":" in host else host
    rest = url[url.find("//") + 2 :].partition("/")[2] or parts.query or parts.fragment
    return f"{parts.scheme}://{place}{'' if port is None else f':{port}'}/{MASKED if rest else ''}"


class Webhook(db.Base):
    """A receiver and its subscription. Secret and headers are encrypted, because they are needed again."""

    __tablename__ = "platform_webhook"

    webhook_id = Column(String(24), primary_key=True, default=lambda: db.new_id("wh"))
    # It gets this tenant's events; None for the events of all tenants and of none.
    tenant_id = Column(String(63), index=True)
    name = Column(String(256), nullable=False)
    # Anybody who knows the URL of a chat service's webhook can post there.
    url = Column(String(2000), nullable=False, info=db.SECRET)
    events = Column(JSON, nullable=False)
    filters = Column(JSON, nullable=False)
    retry_policy = Column(JSON, nullable=False)
    encrypted_headers = Column(Text, nullable=False, info=db.SECRET)
    encrypted_secret = Column(Text, nullable=False, info=db.SECRET)
    row_version = Column(Integer, nullable=False)
    created_at = Column(UtcDateTime, nullable=False, default=db.now)
    created_by = Column(String(256), nullable=False)

    __mapper_args__ = {"version_id_col": row_version}  # noqa: RUF012 - SQLAlchemy's own

    @property
    def secret(self) -> str:
        """Return the secret that deliveries are signed with."""
        return crypto.decrypt(str(self.encrypted_secret))

    @property
    def headers(self) -> dict[str, str]:
        """Return the user's own headers."""
        headers: dict[str, str] = json.loads(crypto.decrypt(str(self.encrypted_headers)))
        return headers

    @property
    def shown_headers(self) -> dict[str, str]:
        """Return the names of the user's own headers; empty if they cannot be decrypted."""
        try:
            return dict.fromkeys(self.headers, MASKED)
        except (InvalidToken, ValueError):
            return {}

    # Whether the caller may see the whole URL: an attribute of this object, not a column.
    revealed = False

    @property
    def shown_url(self) -> str:
        """Return the URL; for most callers only scheme, host and port, because the rest may be a secret."""
        return str(self.url) if self.revealed else masked_url(str(self.url))


class Delivery(db.Base):
    """One event for one webhook."""

    __tablename__ = "platform_webhook_delivery"

    id = Column(String(24), primary_key=True, default=lambda: db.new_id("whd"))
    event_id = Column(String(36), ForeignKey("platform_event.id", ondelete="CASCADE"), nullable=False)
    webhook_id = Column(
        String(24), ForeignKey("platform_webhook.webhook_id", ondelete="CASCADE"), nullable=False
    )
    attempts = Column(Integer, nullable=False, default=0)
    # See ``core.outbox``. None once the event is delivered or the delivery given up.
    due_at = Column(UtcDateTime)
    delivered_at = Column(UtcDateTime)
    last_status = Column(Integer)
    last_error = Column(String(500))

    __table_args__ = (
        UniqueConstraint("event_id", "webhook_id"),
        Index(None, "due_at"),
        # Deliveries that are due are claimed for one webhook at a time, however many others wait.
        Index(None, "webhook_id", "due_at"),
    )
