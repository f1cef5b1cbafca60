# Written by scripts/unasync from the file of this name in _async; change that one.
"""The client that users hold."""

import os
from types import TracebackType

import httpx

from airflow_platform._sync.analytics import Analytics
from airflow_platform._sync.dags import Dags
from airflow_platform._sync.datakits import DataKits
from airflow_platform._sync.session import Session
from airflow_platform._sync.tasks import Tasks
from airflow_platform._sync.tenants import Tenants
from airflow_platform._sync.webhooks import Webhooks
from airflow_platform._auth import ApiKeyAuth


class PlatformClient:
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
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        base_url = base_url or os.environ.get("AIRFLOW_PLATFORM_BASE_URL") or "http://localhost:8080"
        api_key = api_key or os.environ.get("AIRFLOW_PLATFORM_API_KEY")
        auth = ApiKeyAuth(api_key) if api_key else None
        self._session = Session(base_url, auth=auth, timeout=timeout, transport=transport)
        self.dags = Dags(self._session)
        self.tasks = Tasks(self._session)
        self.datakits = DataKits(self._session)
        self.tenants = Tenants(self._session)
        self.analytics = Analytics(self._session)
        self.webhooks = Webhooks(self._session)

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
