"""The client that users hold."""

import os
from types import TracebackType

import httpx

from airflow_platform._async.analytics import AsyncAnalytics
from airflow_platform._async.dags import AsyncDags
from airflow_platform._async.datakits import AsyncDataKits
from airflow_platform._async.session import AsyncSession
from airflow_platform._async.tasks import AsyncTasks
from airflow_platform._async.tenants import AsyncTenants
from airflow_platform._async.webhooks import AsyncWebhooks
from airflow_platform._auth import ApiKeyAuth


class AsyncPlatformClient:
    """Talks to one Airflow platform, over connections that it keeps open until it is closed.

    Args:
        base_url: Where the platform's webserver is; by default ``$AIRFLOW_PLATFORM_BASE_URL``,
            or else ``http://localhost:8080``.
        api_key: Who asks; by default ``$AIRFLOW_PLATFORM_API_KEY``.
        timeout: How many seconds the platform may keep silent.
        transport: What carries the requests, for example through a proxy or in a test.
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: float = 60.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        base_url = base_url or os.environ.get("AIRFLOW_PLATFORM_BASE_URL") or "http://localhost:8080"
        api_key = api_key or os.environ.get("AIRFLOW_PLATFORM_API_KEY")
        auth = ApiKeyAuth(api_key) if api_key else None
        self._session = AsyncSession(base_url, auth=auth, timeout=timeout, transport=transport)
        self.dags = AsyncDags(self._session)
        self.tasks = AsyncTasks(self._session)
        self.datakits = AsyncDataKits(self._session)
        self.tenants = AsyncTenants(self._session)
        self.analytics = AsyncAnalytics(self._session)
        self.webhooks = AsyncWebhooks(self._session)

    async def aclose(self) -> None:
        """Close the connections to the platform."""
        await self._session.aclose()

    async def __aenter__(self) -> "AsyncPlatformClient":  # noqa: PYI034 - Python 3.10 has no typing.Self
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()
