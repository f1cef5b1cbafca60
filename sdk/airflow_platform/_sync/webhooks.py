# Written by scripts/unasync from the file of this name in _async; change that one.
"""Webhooks."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from airflow_platform._sync.pages import Page
from airflow_platform._sync.session import Resource
from airflow_platform._http import path
from airflow_platform.models import Webhook


class WebhookPage(Page[Webhook]):
    """Some webhooks."""

    collection: ClassVar = "webhooks"
    webhooks: list[Webhook]


class Webhooks(Resource):
    """``client.webhooks``."""

    def create(
        self,
        name: str,
        url: str,
        events: Sequence[str],
        *,
        filters: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        retry_policy: Mapping[str, Any] | None = None,
    ) -> Webhook:
        """Have ``url`` hear of events; the answer alone tells the secret that signs them."""
        body = {
            "name": name,
            "url": url,
            "events": events,
            "filters": filters,
            "headers": headers,
            "retry_policy": retry_policy,
        }
        return self._session.fetch(Webhook, "POST", path("platform", "webhooks"), json=body)

    def list(self, *, limit: int | None = None, offset: int | None = None) -> WebhookPage:
        """The webhooks."""
        params = {"limit": limit, "offset": offset}
        return self._session.list(WebhookPage, path("platform", "webhooks"), params)

    def get(self, webhook_id: str) -> Webhook:
        """One webhook."""
        return self._session.fetch(Webhook, "GET", path("platform", "webhooks", webhook_id))

    def delete(self, webhook_id: str) -> None:
        """Delete a webhook."""
        self._session.request("DELETE", path("platform", "webhooks", webhook_id))
