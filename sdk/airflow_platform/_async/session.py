"""The HTTP session of a client; every request passes through it."""

import asyncio
from asyncio import Lock
from contextlib import suppress
from itertools import count
from typing import Any, TypeVar
from uuid import uuid4

import httpx

from airflow_platform import _http
from airflow_platform.__version__ import __version__
from airflow_platform._async.pages import AsyncPage, AsyncRequestContext
from airflow_platform._auth import ApiKeyAuth, BearerAuth, ClientCredentials, Credentials, Login
from airflow_platform._listing import AsyncListing
from airflow_platform.exceptions import AuthenticationError
from airflow_platform.tokens import Token
from airflow_platform.types import Json

PageT = TypeVar("PageT", bound=AsyncPage[Any])


class AsyncSession:
    """Sends requests, retries them where that is safe, and raises only the SDK's errors."""

    def __init__(
        self,
        base_url: str,
        *,
        credentials: Credentials | None,
        timeout: float,
        max_retries: int,
        transport: httpx.AsyncBaseTransport | None,
    ) -> None:
        self._credentials = credentials
        self._token: Token | None = None
        self._token_lock = Lock()
        self._max_retries = max_retries
        try:
            self._client = httpx.AsyncClient(
                base_url=base_url,
                timeout=timeout,
                transport=transport,
                headers={"Accept": "application/json", "User-Agent": f"airflow-platform-sdk/{__version__}"},
            )
        except httpx.InvalidURL as error:
            raise _http.map_transport_error(error) from error

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
        keep_none: bool = False,
        accept: str | None = None,
        timeout: float | None = None,
    ) -> httpx.Response:
        """Send a request with the client's credentials and return the successful response.

        Args:
            method: HTTP method.
            path: Path below the base URL.
            params: Query parameters. Those that are None are left out.
            json: Fields of the body. Those that are ``UNSET`` are left out.
            keep_none: Whether to send fields that are None as null. By default they are left out.
            accept: Media type of the response; by default JSON.
            timeout: Seconds that the server may be silent; by default the client's timeout.

        Raises:
            PlatformError: The request failed; see ``airflow_platform.exceptions``.
        """
        headers = {"Accept": accept or "application/json"}
        if method == "POST":
            headers["Idempotency-Key"] = str(uuid4())
        options: dict[str, Any] = {
            "retryable": _http.is_retryable(method, path),
            "params": _http.encode_fields(params or {}),
            "json": None if json is None else _http.encode_fields(json, keep_none=keep_none),
            "headers": headers,
            "timeout": timeout or self._client.timeout,
        }
        if self._credentials is None or isinstance(self._credentials, ApiKeyAuth):
            return await self.send(method, path, auth=self._credentials, **options)
        token = await self._get_token(self._credentials)
        # The platform may have revoked the token, or its clock may be ahead: try again with a new token.
        with suppress(AuthenticationError):
            return await self.send(method, path, auth=BearerAuth(token), **options)
        token = await self._get_token(self._credentials, rejected=token)
        return await self.send(method, path, auth=BearerAuth(token), **options)

    async def send(self, method: str, path: str, *, retryable: bool, **options: Json) -> httpx.Response:
        """Send a request as it is, with retries, and return the successful response.

        Args:
            method: HTTP method.
            path: Path below the base URL.
            retryable: Whether the request may arrive twice. Others are retried only if the server certainly
                did not execute them.
            options: Options of ``httpx.AsyncClient.request``.

        Raises:
            PlatformError: The last attempt failed; see ``airflow_platform.exceptions``.
        """
        for attempt in count():
            try:
                response = await self._client.request(method, path, **options)
            except (httpx.RequestError, httpx.InvalidURL) as error:
                delay = _http.compute_retry_delay(error, attempt, retryable=retryable)
                if delay is None or attempt >= self._max_retries:
                    raise _http.map_transport_error(error) from error
            else:
                if response.is_success:
                    return response
                delay = _http.compute_retry_delay(response, attempt, retryable=retryable)
                if delay is None or attempt >= self._max_retries:
                    raise _http.map_error_response(response)
            await asyncio.sleep(delay)
        raise AssertionError("unreachable")

    async def _get_token(
        self, credentials: ClientCredentials | Login, *, rejected: Token | None = None
    ) -> Token:
        """Return a valid token. If none is stored, one caller gets a new one and the others wait for it."""
        self._token = self._token or credentials.store.load()
        if self._token is not None and self._token.serves(rejected):
            return self._token
        async with self._token_lock:
            with credentials.store.lock():
                token = credentials.store.load()
                if token is None or not token.serves(rejected):
                    token = await self._request_token(credentials, token)
                    credentials.store.save(token)
            self._token = token
            return token

    async def _request_token(self, credentials: ClientCredentials | Login, former: Token | None) -> Token:
        response = await self.send(
            "POST",
            _http.TOKEN_PATH,
            retryable=credentials.retryable,
            data=credentials.build_form(former),
            auth=credentials.auth,
        )
        return _http.parse_body(Token, response).succeeding(former)

    async def fetch(self, model: type[_http.ModelT], method: str, path: str, **options: Json) -> _http.ModelT:
        """Send a request and return the response's body as a model.

        Args:
            model: Class of the result.
            method: HTTP method.
            path: Path below the base URL.
            options: Options of ``request``.
        """
        response = await self.request(method, path, **options)
        context = AsyncRequestContext(self, path, options.get("params") or {})
        return _http.parse_body(model, response, context)

    def list(self, page: type[PageT], path: str, params: dict[str, Any] | None = None) -> AsyncListing[PageT]:
        """Fetch the first page of a list.

        Args:
            page: Class of the page.
            path: Path of the list.
            params: Query parameters of the list.
        """
        return AsyncListing(self.fetch(page, "GET", path, params=params))


class AsyncResource:
    """Base class of the client's resources, each a group of methods."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session
