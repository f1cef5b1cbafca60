"""The tokens of a logged-in user are renewed and stored, with a fake OAuth server."""

import traceback
from typing import Any

import pytest
from airflow_platform import PlatformClient, PlatformError, Token, TokenStore
from airflow_platform.exceptions import AuthenticationError
from fake_oauth import FakeOAuth
from fake_platform import FakePlatform


def create_expired_login(oauth: FakeOAuth) -> TokenStore:
    """Return the tokens of a user; the access token has expired."""
    return TokenStore(Token(**oauth.log_in() | {"expires_in": 0}))


def test_a_login_is_renewed_and_stored(oauth: FakeOAuth, platform: FakePlatform) -> None:
    """Tokens are renewed without a secret, and stored before they are used."""
    saved: list[tuple[str | None, int]] = []

    class Store(TokenStore):
        def save(self, token: Token) -> None:
            super().save(token)
            saved.append((token.refresh_token, len(platform.requests)))

    store = Store(create_expired_login(oauth).load())
    oauth.lifetime = 0
    with PlatformClient(platform.url, client_id="airflow-cli", tokens=store) as client:
        client.dags.get("a")
        client.dags.get("a")
    assert [form["refresh_token"] for form in oauth.token_requests] == ["refresh-1", "refresh-2"]
    assert "authorization" not in platform.requests[0].headers
    assert saved == [("refresh-2", 1), ("refresh-3", 3)]


def test_a_refresh_token_is_kept_if_there_is_no_new_one(oauth: FakeOAuth, platform: FakePlatform) -> None:
    """A response without a refresh token keeps the stored one."""
    store = create_expired_login(oauth)
    platform.answer(200, {"access_token": "access-1", "token_type": "Bearer", "expires_in": 3600})
    with PlatformClient(platform.url, client_id="airflow-cli", tokens=store) as client:
        client.dags.get("a")
    assert store.load() == store.load().model_copy(update={"refresh_token": "refresh-1"})  # type: ignore[union-attr]


def test_tokens_renewed_by_another_process_are_used(oauth: FakeOAuth, platform: FakePlatform) -> None:
    """Under the store's lock, the client loads what another process has saved."""
    store = create_expired_login(oauth)
    locked: list[bool] = []

    class Shared(TokenStore):
        def lock(self) -> Any:
            locked.append(True)
            store.save(Token(**oauth.renew()))
            return super().lock()

        def load(self) -> Token | None:
            return store.load()

    with PlatformClient(platform.url, client_id="airflow-cli", tokens=Shared()) as client:
        client.dags.get("a")
    assert locked == [True]
    assert oauth.token_requests == []


def test_an_ended_login_is_an_authentication_error(oauth: FakeOAuth, platform: FakePlatform) -> None:
    """A refresh token that was used before is refused with OAuth's code."""
    store = create_expired_login(oauth)
    oauth.renew()
    with (
        PlatformClient(platform.url, client_id="airflow-cli", tokens=store) as client,
        pytest.raises(AuthenticationError) as caught,
    ):
        client.dags.get("a")
    assert (caught.value.status_code, caught.value.code) == (400, "invalid_grant")
    assert "refresh-1" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("tokens", [TokenStore(), TokenStore(Token(access_token="a", expires_in=0))])  # type: ignore[call-arg]
def test_an_expired_login_without_refresh_token_sends_nothing(
    tokens: TokenStore, platform: FakePlatform
) -> None:
    """The error asks the user to log in again."""
    with (
        PlatformClient(platform.url, client_id="airflow-cli", tokens=tokens) as client,
        pytest.raises(PlatformError, match="log in again"),
    ):
        client.dags.get("a")
    assert not platform.requests


def test_the_repr_of_a_token_has_no_secret() -> None:
    """The repr has the scope, but no token."""
    assert "secret" not in repr(Token(access_token="secret-1", refresh_token="secret-2", scope="dags:read"))
