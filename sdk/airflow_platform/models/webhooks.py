"""Webhooks: addresses that hear of events."""

from typing import Any

from pydantic import Field

from airflow_platform.models.base import Model, Timestamp


class Webhook(Model):
    """An address and the events it hears of; ``secret`` is there only when it was just created."""

    webhook_id: str
    name: str
    url: str
    events: list[str] = []
    filters: dict[str, Any] | None = None
    headers: dict[str, str] | None = Field(default=None, repr=False)
    retry_policy: dict[str, Any] | None = None
    secret: str | None = Field(default=None, repr=False)
    created_at: Timestamp | None = None
