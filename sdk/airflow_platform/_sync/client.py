# Written by scripts/unasync from the file of this name in _async; change that one.
"""The client that users hold."""

import os
from types import TracebackType

import httpx

from airflow_platform._sync.analytics import Analytics
from airflow_platform._sync.api_keys import ApiKeys
from airflow_platform._sync.backfills import Backfills
from airflow_platform._sync.connections import Connections
from airflow_platform._sync.dags import Dags
from airflow_platform._sync.datakits import DataKits
from airflow_platform._sync.oauth import OAuth
from airflow_platform._sync.oauth_clients import OAuthClients
from airflow_platform._sync.session import Session
from airflow_platform._sync.tasks import Tasks
from airflow_platform._sync.tenants import Tenants
from airflow_platform._sync.webhooks import Webhooks
from airflow_platform._auth import credentials
from airflow_platform._http import DEFAULT_BASE_URL
from airflow_platform.tokens import TokenStore


class PlatformClient:
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
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._session = Session(
            base_url or os.environ.get("AIRFLOW_PLATFORM_BASE_URL") or DEFAULT_BASE_URL,
            credentials=credentials(api_key, client_id, client_secret, tokens),
            timeout=timeout,
            max_retries=max_retries,
            transport=transport,
        )
        self.dags = Dags(self._session)
        self.backfills = Backfills(self._session)
        self.tasks = Tasks(self._session)
        self.datakits = DataKits(self._session)
        self.tenants = Tenants(self._session)
        self.connections = Connections(self._session)
        self.analytics = Analytics(self._session)
        self.webhooks = Webhooks(self._session)
        self.api_keys = ApiKeys(self._session)
        self.oauth_clients = OAuthClients(self._session)
        self.oauth = OAuth(self._session)

    def close(self) -> None:
        """Close the connections to the platform."""
        self._session.close()

    def __enter__(self) -> "PlatformClient":  # noqa: PYI034 - Python 3.10 has no typing.Self
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
