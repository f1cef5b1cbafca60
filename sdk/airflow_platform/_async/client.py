"""The client that users hold."""

import os
from types import TracebackType

import httpx

from airflow_platform._async.analytics import AsyncAnalytics
from airflow_platform._async.api_keys import AsyncApiKeys
from airflow_platform._async.backfills import AsyncBackfills
from airflow_platform._async.connections import AsyncConnections
from airflow_platform._async.dags import AsyncDags
from airflow_platform._async.datakits import AsyncDataKits
from airflow_platform._async.oauth import AsyncOAuth
from airflow_platform._async.oauth_clients import AsyncOAuthClients
from airflow_platform._async.session import AsyncSession
from airflow_platform._async.tasks import AsyncTasks
from airflow_platform._async.tenants import AsyncTenants
from airflow_platform._async.webhooks import AsyncWebhooks
from airflow_platform._auth import credentials
from airflow_platform._http import DEFAULT_BASE_URL
from airflow_platform.tokens import TokenStore


class AsyncPlatformClient:
    """Talks to one Airflow platform, over connections that it keeps open until it is closed.

    Its credentials are an API key, or the id and secret of an OAuth client, or the id of a client without a
    secret and the tokens of a user who has logged in. Where no such argument is given, they come from
    ``$AIRFLOW_PLATFORM_API_KEY``, or ``$AIRFLOW_PLATFORM_CLIENT_ID`` and ``$AIRFLOW_PLATFORM_CLIENT_SECRET``.

    Args:
        base_url: Where the platform's webserver is; by default ``$AIRFLOW_PLATFORM_BASE_URL``,
            or else ``http://localhost:8080``.
        api_key: An API key.
        client_id: An OAuth client.
        client_secret: Its secret. The client asks for access tokens with it, and renews them in time.
        tokens: Where the tokens of a login are kept; they are renewed there.
        timeout: How many seconds the platform may keep silent.
        max_retries: How often a request is repeated at most, where that is safe and may help.
        transport: What carries the requests, for example through a proxy or in a test.

    Raises:
        PlatformError: The credentials are too many, or half of them is missing.
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        client_id: str | None = None,
        client_secret: str | None = None,
        tokens: TokenStore | None = None,
        timeout: float = 60.0,
        max_retries: int = 2,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._session = AsyncSession(
            base_url or os.environ.get("AIRFLOW_PLATFORM_BASE_URL") or DEFAULT_BASE_URL,
            credentials=credentials(api_key, client_id, client_secret, tokens),
            timeout=timeout,
            max_retries=max_retries,
            transport=transport,
        )
        self.dags = AsyncDags(self._session)
        self.backfills = AsyncBackfills(self._session)
        self.tasks = AsyncTasks(self._session)
        self.datakits = AsyncDataKits(self._session)
        self.tenants = AsyncTenants(self._session)
        self.connections = AsyncConnections(self._session)
        self.analytics = AsyncAnalytics(self._session)
        self.webhooks = AsyncWebhooks(self._session)
        self.api_keys = AsyncApiKeys(self._session)
        self.oauth_clients = AsyncOAuthClients(self._session)
        self.oauth = AsyncOAuth(self._session)

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
