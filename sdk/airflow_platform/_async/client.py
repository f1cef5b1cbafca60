"""The client, which gives access to all resources."""

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
from airflow_platform._auth import resolve_credentials
from airflow_platform._http import DEFAULT_BASE_URL
from airflow_platform.tokens import TokenStore


class AsyncPlatformClient:
    """Asynchronous client of one Airflow platform. It keeps connections open until you close it.

    Give it one kind of credentials: an API key, or the id and secret of an OAuth client, or the id of a
    public OAuth client and the tokens of a logged-in user. Without such arguments it uses
    ``$AIRFLOW_PLATFORM_API_KEY``, or ``$AIRFLOW_PLATFORM_CLIENT_ID`` and ``$AIRFLOW_PLATFORM_CLIENT_SECRET``.

    Each method lists its own errors. In addition, any request can raise ``AuthenticationError``,
    ``PermissionDeniedError``, ``RateLimitError``, ``ServerError``, ``PlatformConnectionError`` and
    ``PlatformTimeoutError``, all of ``airflow_platform.exceptions``.

    Args:
        base_url: URL of the platform's webserver; by default ``$AIRFLOW_PLATFORM_BASE_URL``, or else
            ``http://localhost:8080``.
        api_key: API key.
        client_id: Id of an OAuth client.
        client_secret: Secret of the OAuth client. The client gets and renews access tokens with it.
        tokens: Store with the tokens of a logged-in user. The client renews the tokens and saves them there.
        timeout: Seconds that the platform may be silent during a request; by default 60.
        max_retries: Maximum number of retries of a request, where a retry is safe and may help; by default 2.
        transport: httpx transport that sends the requests, for example through a proxy or in tests.

    Attributes:
        dags: DAGs and their runs.
        backfills: Backfills.
        tasks: Tasks and task instances.
        datakits: DataKits and their deployments.
        tenants: Tenants.
        connections: Airflow connections.
        analytics: SQL queries.
        webhooks: Webhooks.
        api_keys: API keys.
        oauth_clients: OAuth clients.
        oauth: Logins of users.

    Raises:
        PlatformError: The arguments are not one complete set of credentials.

    Example:
        async with AsyncPlatformClient("https://airflow.example.com", "your-api-key") as client:
            run = await client.dags.trigger("bronze_to_silver_pipeline")
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
            credentials=resolve_credentials(api_key, client_id, client_secret, tokens),
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
        """Close the connections to the platform. ``async with`` does this at the end of its block."""
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
