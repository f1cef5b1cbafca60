"""The connection to one platform; every request of the client passes through it."""

import asyncio
from collections.abc import AsyncIterator
from itertools import count
from typing import Any, Generic, TypeVar

import httpx

from airflow_platform import _http
from airflow_platform.__version__ import __version__
from airflow_platform.models import Page

T = TypeVar("T")


class AsyncSession:
    """Sends requests, repeats those that may be, and raises only errors of our own."""

    def __init__(
        self,
        base_url: str,
        *,
        auth: httpx.Auth | None,
        timeout: float,
        transport: httpx.AsyncBaseTransport | None,
    ) -> None:
        try:
            self._client = httpx.AsyncClient(
                base_url=base_url,
                auth=auth,
                timeout=timeout,
                transport=transport,
                headers={"Accept": "application/json", "User-Agent": f"airflow-platform-sdk/{__version__}"},
            )
        except httpx.InvalidURL as error:
            raise _http.connection_error(error) from error

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, Any] | None = None,
        json: dict[str, Any] | None = None,
        accept: str | None = None,
        timeout: float | None = None,
    ) -> httpx.Response:
        """The platform's answer, which is a success."""
        for attempt in count():
            try:
                response = await self._client.request(
                    method,
                    path,
                    params=_http.present(params or {}),
                    json=json if json is None else _http.present(json),
                    headers={"Accept": accept} if accept else None,
                    timeout=timeout or self._client.timeout,
                )
            except (httpx.RequestError, httpx.InvalidURL) as error:
                delay = _http.retry_delay(method, attempt, error)
                if delay is None:
                    raise _http.connection_error(error) from error
            else:
                if response.is_success:
                    return response
                delay = _http.retry_delay(method, attempt, response)
                if delay is None:
                    raise _http.api_error(response)
            await asyncio.sleep(delay)
        raise AssertionError("unreachable")

    async def fetch(
        self,
        model: type[_http.ModelT],
        method: str,
        path: str,
        **request: Any,  # noqa: ANN401 - request()'s own
    ) -> _http.ModelT:
        """The body of the platform's answer."""
        return _http.parse(model, await self.request(method, path, **request))


class AsyncResource:
    """One group of the client's methods."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session


class AsyncCollection(AsyncResource, Generic[T]):
    """One group of methods about things that can be listed."""

    async def list(self, *args: Any, **filters: Any) -> Page[T]:  # noqa: ANN401 - each has its own
        """One page of them."""
        raise NotImplementedError

    async def iterate(self, **filters: Any) -> AsyncIterator[T]:  # noqa: ANN401 - list()'s own
        """All that ``list`` would give with these filters, page after page."""
        offset = filters.pop("offset", None) or 0
        while True:
            page = await self.list(offset=offset or None, **filters)
            for item in page:
                yield item
            offset += len(page)
            if not page or offset >= page.total_entries:
                return
