"""Webhooks: URLs that receive events."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from airflow_platform._async.pages import AsyncPage
from airflow_platform._async.session import AsyncResource
from airflow_platform._http import build_path
from airflow_platform._listing import AsyncListing
from airflow_platform.models import Webhook
from airflow_platform.types import RetryPolicy, WebhookFilters


class AsyncWebhookPage(AsyncPage[Webhook]):
    """One page of webhooks."""

    collection: ClassVar = "webhooks"
    webhooks: list[Webhook]


class AsyncWebhooks(AsyncResource):
    """Webhooks, as ``client.webhooks``."""

    async def create(
        self,
        name: str,
        url: str,
        events: Sequence[str],
        *,
        filters: WebhookFilters | None = None,
        headers: Mapping[str, str] | None = None,
        retry_policy: RetryPolicy | None = None,
    ) -> Webhook:
        """Create a webhook.

        Args:
            name: Name of the webhook.
            url: URL that receives events by POST.
            events: Types of the events, such as ``["dag.success", "dag.failure"]``.
            filters: Limit to the events of some DAGs: ``{"dag_ids": […], "tags": […]}``. An event must match
                each list that is given. By default there is no limit.
            headers: HTTP headers to send with each delivery.
            retry_policy: How failed deliveries are retried. By default
                ``{"max_attempts": 3, "backoff_seconds": [10, 30, 60]}``.

        Returns:
            The new webhook. Only this response contains the ``secret`` that signs deliveries, as Standard
            Webhooks defines it.

        Raises:
            PermissionDeniedError: You may not create webhooks.
            ValidationError: A value is invalid, or nothing can be sent to the URL.

        Example:
            webhook = await client.webhooks.create(
                "failures", "https://example.com/hook", ["dag.failure"], filters={"tags": ["production"]}
            )
            print(webhook.secret)
        """
        body = {
            "name": name,
            "url": url,
            "events": events,
            "filters": filters,
            "headers": headers,
            "retry_policy": retry_policy,
        }
        return await self._session.fetch(Webhook, "POST", build_path("platform", "webhooks"), json=body)

    def list(self, *, limit: int | None = None, offset: int | None = None) -> AsyncListing[AsyncWebhookPage]:
        """List webhooks.

        Args:
            limit: Maximum number of webhooks over all pages; by default all.
            offset: Number of webhooks to skip; by default 0.

        Returns:
            The first page when awaited; ``async for`` iterates over the webhooks of all pages.
        """
        params = {"limit": limit, "offset": offset}
        return self._session.list(AsyncWebhookPage, build_path("platform", "webhooks"), params)

    async def get(self, webhook_id: str) -> Webhook:
        """Return a webhook, without its secret.

        Args:
            webhook_id: Id of the webhook.

        Raises:
            ResourceNotFoundError: The webhook does not exist, or you may not see it.
        """
        return await self._session.fetch(Webhook, "GET", build_path("platform", "webhooks", webhook_id))

    async def delete(self, webhook_id: str) -> None:
        """Delete a webhook.

        Args:
            webhook_id: Id of the webhook.

        Raises:
            ResourceNotFoundError: The webhook does not exist, or you may not see it.
        """
        await self._session.request("DELETE", build_path("platform", "webhooks", webhook_id))
