# Written by scripts/unasync from the file of this name in _async; change that one.
"""The connection to one platform; every request of the client passes through it."""

import time
from threading import Lock
from contextlib import suppress
from itertools import count
from typing import Any, TypeVar
from uuid import uuid4

import httpx

from airflow_platform import _http
from airflow_platform.__version__ import __version__
from airflow_platform._sync.pages import Origin, Page
from airflow_platform._auth import ApiKeyAuth, BearerAuth, ClientCredentials, Credentials, Login
from airflow_platform.exceptions import AuthenticationError
from airflow_platform.tokens import Token

PageT = TypeVar("PageT", bound=Page[Any])


class Session:
    """Sends requests, repeats those that may be, and raises only errors of our own."""

    def __init__(
        self,
        base_url: str,
        *,
        credentials: Credentials | None,
        timeout: float,
        max_retries: int,
        transport: httpx.BaseTransport | None,
    ) -> None:
        self._credentials = credentials
        self._token: Token | None = None
        self._renewing = Lock()
        self._max_retries = max_retries
        try:
            self._client = httpx.Client(
                base_url=base_url,
                timeout=timeout,
                transport=transport,
                headers={"Accept": "application/json", "User-Agent": f"airflow-platform-sdk/{__version__}"},
            )
        except httpx.InvalidURL as error:
            raise _http.connection_error(error) from error

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, Any] | None = None,
        json: dict[str, Any] | None = None,
        nulls: bool = False,
        accept: str | None = None,
        timeout: float | None = None,
    ) -> httpx.Response:
        """The platform's answer to whom the credentials name, which is a success.

        A value of None is left out, unless ``nulls`` in the body say something.
        """
        headers = {"Accept": accept or "application/json"}
        if method == "POST":
            headers["Idempotency-Key"] = str(uuid4())
        content: dict[str, Any] = {
            "repeatable": _http.is_repeatable(method, path),
            "params": _http.present(params or {}),
            "json": None if json is None else _http.present(json, nulls=nulls),
            "headers": headers,
            "timeout": timeout or self._client.timeout,
        }
        if self._credentials is None or isinstance(self._credentials, ApiKeyAuth):
            return self.send(method, path, auth=self._credentials, **content)
        token = self._access(self._credentials)
        # The platform may have revoked the token, or its clock may be ahead of ours: once more with another.
        with suppress(AuthenticationError):
            return self.send(method, path, auth=BearerAuth(token), **content)
        token = self._access(self._credentials, rejected=token)
        return self.send(method, path, auth=BearerAuth(token), **content)

    def send(
        self,
        method: str,
        path: str,
        *,
        repeatable: bool,
        **content: Any,  # noqa: ANN401 - httpx's own
    ) -> httpx.Response:
        """The platform's answer, which is a success.

        A request that failed is repeated where it was certainly not carried out, or is ``repeatable`` anyway.
        """
        for attempt in count():
            try:
                response = self._client.request(method, path, **content)
            except (httpx.RequestError, httpx.InvalidURL) as error:
                delay = _http.retry_delay(error, attempt, repeatable=repeatable)
                if delay is None or attempt >= self._max_retries:
                    raise _http.connection_error(error) from error
            else:
                if response.is_success:
                    return response
                delay = _http.retry_delay(response, attempt, repeatable=repeatable)
                if delay is None or attempt >= self._max_retries:
                    raise _http.api_error(response)
            time.sleep(delay)
        raise AssertionError("unreachable")

    def _access(
        self, credentials: ClientCredentials | Login, *, rejected: Token | None = None
    ) -> Token:
        """A token that can be sent; where there is none, one of all who need it asks for it."""
        self._token = self._token or credentials.store.load()
        if self._token is not None and self._token.serves(rejected):
            return self._token
        with self._renewing:
            with credentials.store.lock():
                token = credentials.store.load()
                if token is None or not token.serves(rejected):
                    form = credentials.form(token)
                    response = self.send(
                        "POST",
                        _http.TOKEN_PATH,
                        repeatable=credentials.repeatable,
                        data=form,
                        auth=credentials.auth,
                    )
                    token = _http.parse(Token, response).succeeding(token)
                    credentials.store.save(token)
            self._token = token
            return token

    def fetch(
        self,
        model: type[_http.ModelT],
        method: str,
        path: str,
        **request: Any,  # noqa: ANN401 - request()'s own
    ) -> _http.ModelT:
        """The body of the platform's answer."""
        response = self.request(method, path, **request)
        return _http.parse(model, response, Origin(self, path, request.get("params") or {}))

    def list(self, page: type[PageT], path: str, params: dict[str, Any] | None = None) -> PageT:
        """The first page of a list, which knows the way to the others."""
        return self.fetch(page, "GET", path, params=params)


class Resource:
    """One group of the client's methods."""

    def __init__(self, session: Session) -> None:
        self._session = session
