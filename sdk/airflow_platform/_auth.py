"""How requests prove who sends them."""

from collections.abc import Generator

import httpx

from airflow_platform.exceptions import PlatformError


class ApiKeyAuth(httpx.Auth):
    """Sends an API key with each request."""

    def __init__(self, api_key: str) -> None:
        self._api_key = api_key.strip()
        # httpx would refuse such a header with an error that quotes the key.
        if not (self._api_key.isascii() and self._api_key.isprintable()):
            raise PlatformError("The API key holds characters that an HTTP header cannot carry")

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the key to the request."""
        request.headers["X-API-Key"] = self._api_key
        yield request
