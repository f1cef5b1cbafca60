"""How requests authenticate."""

import os
from collections.abc import Generator
from urllib.parse import quote_plus

import httpx

from airflow_platform.exceptions import PlatformError
from airflow_platform.tokens import Token, TokenStore


class HeaderAuth(httpx.Auth):
    """Sends a header with each request."""

    def __init__(self, name: str, value: str) -> None:
        self._name = name
        self._value = value

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the header to the request."""
        request.headers[self._name] = self._value
        yield request


class ApiKeyAuth(HeaderAuth):
    """Sends an API key."""

    def __init__(self, api_key: str) -> None:
        api_key = api_key.strip()
        # httpx would refuse such a header with an error that quotes the key.
        if not (api_key.isascii() and api_key.isprintable()):
            raise PlatformError("The API key has characters that an HTTP header cannot carry; copy it again")
        super().__init__("X-API-Key", api_key)


class BearerAuth(HeaderAuth):
    """Sends an access token (RFC 6750)."""

    def __init__(self, token: Token) -> None:
        super().__init__("Authorization", f"Bearer {token.access_token}")


class ClientCredentials:
    """Requests tokens with a client secret (RFC 6749, section 4.4)."""

    retryable = True

    def __init__(self, client_id: str, client_secret: str) -> None:
        self.store = TokenStore()
        # Both are form-encoded before Basic encodes them (RFC 6749, section 2.3.1).
        self.auth: httpx.Auth | None = httpx.BasicAuth(
            quote_plus(client_id.strip()), quote_plus(client_secret.strip())
        )

    def build_form(self, _: Token | None) -> dict[str, str]:
        """Return the form that the token endpoint gets."""
        return {"grant_type": "client_credentials"}


class Login:
    """Refreshes the tokens of a logged-in user, for a client without a secret (RFC 6749, section 6)."""

    retryable = False  # a refresh token that arrives twice ends the login

    def __init__(self, client_id: str, store: TokenStore) -> None:
        self.store = store
        self.auth: httpx.Auth | None = None
        self._client_id = client_id

    def build_form(self, token: Token | None) -> dict[str, str]:
        """Return the form that the token endpoint gets.

        Raises:
            PlatformError: The store has no refresh token.
        """
        if token is None or token.refresh_token is None:
            raise PlatformError("The login has expired and there is no refresh token; log in again")
        return {
            "grant_type": "refresh_token",
            "refresh_token": token.refresh_token,
            "client_id": self._client_id,
        }


Credentials = ApiKeyAuth | ClientCredentials | Login


def resolve_credentials(
    api_key: str | None, client_id: str | None, client_secret: str | None, tokens: TokenStore | None
) -> Credentials | None:
    """Return the credentials that were given, or else those of the environment, or else None.

    Raises:
        PlatformError: The arguments are not one complete set of credentials.
    """
    if not (api_key or client_id or client_secret or tokens):
        api_key, client_id, client_secret = (
            os.environ.get(f"AIRFLOW_PLATFORM_{name}") for name in ("API_KEY", "CLIENT_ID", "CLIENT_SECRET")
        )
    values = {"api_key": api_key, "client_id": client_id, "client_secret": client_secret, "tokens": tokens}
    given = [name for name, value in values.items() if value]
    if not given:
        return None
    if api_key and given == ["api_key"]:
        return ApiKeyAuth(api_key)
    if client_id and client_secret and given == ["client_id", "client_secret"]:
        return ClientCredentials(client_id, client_secret)
    if client_id and tokens and given == ["client_id", "tokens"]:
        return Login(client_id, tokens)
    raise PlatformError(
        "Give an api_key, or a client_id with a client_secret, or a client_id with tokens; "
        f"given: {', '.join(given)}"
    )
