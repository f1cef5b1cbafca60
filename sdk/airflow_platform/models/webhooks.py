"""Webhooks: URLs that receive events."""

from typing import Any

from pydantic import Field

from airflow_platform.models.base import Model, Timestamp


class Webhook(Model):
    """A webhook.

    Attributes:
        webhook_id: Id of the webhook.
        name: Name of the webhook.
        url: URL that receives the events. Parts that may be secret are masked if you may not change it.
        events: Types of the events, such as ``dag.failure``.
        filters: Limit to the events of some DAGs: ``dag_ids`` and ``tags``.
        headers: HTTP headers of each delivery; ``***`` in place of their values.
        retry_policy: ``max_attempts`` and ``backoff_seconds`` of failed deliveries.
        secret: Secret that signs deliveries. Only the response that creates the webhook contains it.
        created_at: When the webhook was created.
    """

    webhook_id: str
    name: str
    url: str
    events: list[str] = []
    filters: dict[str, Any] | None = None
    headers: dict[str, str] | None = Field(default=None, repr=False)
    retry_policy: dict[str, Any] | None = None
    secret: str | None = Field(default=None, repr=False)
    created_at: Timestamp | None = None
