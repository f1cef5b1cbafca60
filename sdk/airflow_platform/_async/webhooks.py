"""Webhooks."""

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_platform._async.session import AsyncCollection
from airflow_platform._http import path
from airflow_platform.models import Webhook, WebhookPage


class AsyncWebhooks(AsyncCollection[Webhook]):
    """``client.webhooks``."""

    async def create(
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
        return await self._session.fetch(Webhook, "POST", path("platform", "webhooks"), json=body)

    async def list(self, *, limit: int | None = None, offset: int | None = None) -> WebhookPage:
        """One page of the webhooks."""
        params = {"limit": limit, "offset": offset}
        return await self._session.fetch(WebhookPage, "GET", path("platform", "webhooks"), params=params)

    async def get(self, webhook_id: str) -> Webhook:
        """One webhook."""
        return await self._session.fetch(Webhook, "GET", path("platform", "webhooks", webhook_id))

    async def delete(self, webhook_id: str) -> None:
        """Delete a webhook."""
        await self._session.request("DELETE", path("platform", "webhooks", webhook_id))
