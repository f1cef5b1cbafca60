"""The connection to one platform; every request of the client passes through it."""

import asyncio
from asyncio import Lock
from collections.abc import AsyncIterator
from contextlib import suppress
from itertools import count
from typing import Any, Generic, TypeVar

import httpx

from airflow_platform import _http
from airflow_platform.__version__ import __version__
from airflow_platform._auth import ApiKeyAuth, BearerAuth, ClientCredentials, Credentials, Login
from airflow_platform.exceptions import AuthenticationError
from airflow_platform.models import Page
from airflow_platform.tokens import Token

T = TypeVar("T")


class AsyncSession:
    """Sends requests, repeats those that may be, and raises only errors of our own."""

    def __init__(
        self,
        base_url: str,
        *,
        credentials: Credentials | None,
        timeout: float,
        transport: httpx.AsyncBaseTransport | None,
    ) -> None:
        self._credentials = credentials
        self._token: Token | None = None
        self._renewing = Lock()
        try:
            self._client = httpx.AsyncClient(
                base_url=base_url,
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
        """The platform's answer to whom the credentials name, which is a success.

        A value of None is left out, except from the body of a PATCH, where it removes what was set.
        """
        content = {
            "params": _http.present(params or {}),
            "json": None if json is None else _http.present(json, nulls=method == "PATCH"),
            "headers": {"Accept": accept} if accept else None,
            "timeout": timeout or self._client.timeout,
        }
        if self._credentials is None or isinstance(self._credentials, ApiKeyAuth):
            return await self.send(method, path, auth=self._credentials, **content)
        token = await self._access(self._credentials)
        # The platform may have revoked the token, or its clock may be ahead of ours: once more with another.
        with suppress(AuthenticationError):
            return await self.send(method, path, auth=BearerAuth(token), **content)
        token = await self._access(self._credentials, rejected=token)
        return await self.send(method, path, auth=BearerAuth(token), **content)

    async def send(self, method: str, path: str, **content: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own
        """The platform's answer, which is a success."""
        for attempt in count():
            try:
                response = await self._client.request(method, path, **content)
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

    async def _access(
        self, credentials: ClientCredentials | Login, *, rejected: Token | None = None
    ) -> Token:
        """A token that can be sent; where there is none, one of all who need it asks for it."""
        self._token = self._token or credentials.store.load()
        if self._token is not None and self._token.serves(rejected):
            return self._token
        async with self._renewing:
            with credentials.store.lock():
                token = credentials.store.load()
                if token is None or not token.serves(rejected):
                    form = credentials.form(token)
                    response = await self.send("POST", _http.TOKEN_PATH, data=form, auth=credentials.auth)
                    token = _http.parse(Token, response).succeeding(token)
                    credentials.store.save(token)
            self._token = token
            return token

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
