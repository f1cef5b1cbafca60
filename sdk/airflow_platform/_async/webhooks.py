"""Webhooks."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from airflow_platform._async.pages import AsyncPage
from airflow_platform._async.session import AsyncResource
from airflow_platform._http import path
from airflow_platform._listing import AsyncListing
from airflow_platform.models import Webhook


class AsyncWebhookPage(AsyncPage[Webhook]):
    """Some webhooks."""

    collection: ClassVar = "webhooks"
    webhooks: list[Webhook]


class AsyncWebhooks(AsyncResource):
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

    def list(self, *, limit: int | None = None, offset: int | None = None) -> AsyncListing[AsyncWebhookPage]:
        """The webhooks."""
        params = {"limit": limit, "offset": offset}
        return self._session.list(AsyncWebhookPage, path("platform", "webhooks"), params)

    async def get(self, webhook_id: str) -> Webhook:
        """One webhook."""
        return await self._session.fetch(Webhook, "GET", path("platform", "webhooks", webhook_id))

    async def delete(self, webhook_id: str) -> None:
        """Delete a webhook."""
        await self._session.request("DELETE", path("platform", "webhooks", webhook_id))
