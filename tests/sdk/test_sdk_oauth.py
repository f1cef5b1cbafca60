"""Access tokens are requested, renewed and kept secret, with a fake OAuth server."""

import asyncio
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from threading import Barrier
from typing import Any

import pytest
from airflow_platform import AsyncPlatformClient, PlatformClient, PlatformError, Token, TokenStore
from airflow_platform.exceptions import (
    APIError,
    AuthenticationError,
    PermissionDeniedError,
    ResourceNotFoundError,
    ServiceUnavailableError,
)
from fake_oauth import FakeOAuth
from fake_platform import FakePlatform

DAG = {"dag_id": "a"}
CONCURRENCY = 8


@pytest.fixture
def oauth(platform: FakePlatform) -> FakeOAuth:
    """Return a fake OAuth server; its tokens give access to a DAG."""
    oauth = FakeOAuth(platform)
    platform.routes["GET", "/api/v1/dags/a"] = oauth.protect(DAG)
    return oauth


def create_client(platform: FakePlatform) -> PlatformClient:
    """Return a client with a client id and secret."""
    return PlatformClient(platform.url, client_id="program", client_secret="sesame")


def create_expired_login(oauth: FakeOAuth) -> TokenStore:
    """Return the tokens of a user; the access token has expired."""
    return TokenStore(Token(**oauth.log_in() | {"expires_in": 0}))


def test_a_client_requests_a_token_once(oauth: FakeOAuth, platform: FakePlatform) -> None:
    """The first request gets a token, which further requests use."""
    with create_client(platform) as client:
        assert not platform.requests
        assert [client.dags.get("a").dag_id for _ in range(3)] == ["a"] * 3
    assert oauth.token_requests == [{"grant_type": "client_credentials"}]
    assert platform.last.headers["authorization"].startswith("Bearer access-")
    assert "x-api-key" not in platform.last.headers


def test_ids_and_secrets_may_have_any_characters(oauth: FakeOAuth, platform: FakePlatform) -> None:
    """The id and the secret are encoded so that the server gets them unchanged."""
    oauth.clients = {"a:b c": "ü%:+ /"}
    with PlatformClient(platform.url, client_id="a:b c", client_secret="ü%:+ /") as client:
        assert client.dags.get("a").dag_id == "a"


def test_arguments_precede_the_environment(
    oauth: FakeOAuth, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment's client is used only if no credentials are given."""
    monkeypatch.setenv("AIRFLOW_PLATFORM_CLIENT_ID", "program")
    monkeypatch.setenv("AIRFLOW_PLATFORM_CLIENT_SECRET", "sesame")
    with PlatformClient(platform.url) as client:
        client.dags.get("a")
    with PlatformClient(platform.url, api_key="key") as client, pytest.raises(AuthenticationError):
        client.dags.get("a")
    assert platform.last.headers["x-api-key"] == "key"


@pytest.mark.parametrize(
    "given",
    [
        {"api_key": "k", "client_id": "i", "client_secret": "s"},
        {"api_key": "k", "client_id": "i"},
        {"api_key": "k", "client_secret": "s"},
        {"api_key": "k", "tokens": TokenStore()},
        {"client_id": "i"},
        {"client_id": "i", "client_secret": ""},
        {"client_secret": "s"},
        {"tokens": TokenStore()},
        {"client_id": "i", "client_secret": "s", "tokens": TokenStore()},
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("kind", [PlatformClient, AsyncPlatformClient])
def test_incomplete_credentials_are_refused(kind: type, given: dict[str, Any]) -> None:
    """The error names the arguments that were given, without their values."""
    with pytest.raises(PlatformError) as caught:
        kind("http://a", **given)
    names = [name for name, value in given.items() if value]
    assert str(caught.value).endswith(f"given: {', '.join(names)}")


@pytest.mark.parametrize(("seconds", "early"), [(3600, 60), (100, 10), (0, 0)])
def test_a_token_is_renewed_before_it_expires(seconds: int, early: int) -> None:
    """The margin is a tenth of the lifetime, at most 60 s."""
    token = Token(access_token="a", expires_in=seconds)  # type: ignore[call-arg]
    expected = datetime.now(timezone.utc) + timedelta(seconds=seconds - early)
    assert token.renew_at is not None
    assert abs(token.renew_at - expected) < timedelta(seconds=5)


def test_an_expired_token_is_replaced_before_the_request(oauth: FakeOAuth, platform: FakePlatform) -> None:
    """The platform never sees the expired token."""
    oauth.lifetime = 0
    with create_client(platform) as client:
        client.dags.get("a")
        client.dags.get("a")
    assert len(oauth.token_requests) == 2
    assert len(platform.requests) == 4


def test_a_token_without_lifetime_is_used_until_it_is_rejected(
    oauth: FakeOAuth, platform: FakePlatform
) -> None:
    """After a 401 the client gets a new token."""
    platform.answer(200, {"access_token": "forgotten", "token_type": "Bearer"})
    with create_client(platform) as client:
        client.dags.get("a")
        client.dags.get("a")
    assert len(oauth.token_requests) == 2


def test_a_rejected_token_is_replaced(oauth: FakeOAuth, platform: FakePlatform) -> None:
    """The request is sent again with a new token."""
    with create_client(platform) as client:
        client.dags.get("a")
        oauth.grants.clear()
        assert client.dags.get("a").dag_id == "a"
    assert len(oauth.token_requests) == 2


def test_a_second_rejection_is_an_error(oauth: FakeOAuth, platform: FakePlatform) -> None:
    """If the new token is rejected too, the error is raised."""
    platform.routes["GET", "/api/v1/dags/a"] = lambda _: (401, {}, {"error": {"message": "Never."}})
    with create_client(platform) as client, pytest.raises(AuthenticationError, match="Never"):
        client.dags.get("a")
    assert [request.path for request in platform.requests] == ["/oauth/token", "/api/v1/dags/a"] * 2


def test_concurrent_threads_request_one_token(oauth: FakeOAuth, platform: FakePlatform) -> None:
    """Of many threads, one requests the token, at first and after a rejection."""
    barrier = Barrier(CONCURRENCY)

    def get(client: PlatformClient) -> None:
        barrier.wait()
        client.dags.get("a")

    with create_client(platform) as client, ThreadPoolExecutor(CONCURRENCY) as threads:
        list(threads.map(get, [client] * CONCURRENCY))
        assert len(oauth.token_requests) == 1
        oauth.grants.clear()
        list(threads.map(get, [client] * CONCURRENCY))
        assert len(oauth.token_requests) == 2


def test_concurrent_tasks_request_one_token(oauth: FakeOAuth, platform: FakePlatform) -> None:
    """Of many tasks, one requests the token; a cancelled task does not block the others."""

    async def session() -> None:
        async with AsyncPlatformClient(platform.url, client_id="program", client_secret="sesame") as client:
            first = asyncio.create_task(client.dags.get("a"))
            await asyncio.sleep(0)
            first.cancel()
            await asyncio.gather(*(client.dags.get("a") for _ in range(CONCURRENCY)))
            assert len(oauth.token_requests) == 1
            oauth.grants.clear()
            await asyncio.gather(*(client.dags.get("a") for _ in range(CONCURRENCY)))
            assert len(oauth.token_requests) == 2

    asyncio.run(session())


def test_a_wrong_secret_is_not_shown(
    oauth: FakeOAuth, platform: FakePlatform, caplog: pytest.LogCaptureFixture
) -> None:
    """A wrong secret is an authentication error with OAuth's code; the secret is in no log, error or repr."""
    with (
        caplog.at_level("DEBUG"),
        PlatformClient(platform.url, client_id="program", client_secret="do_not_tell") as client,
        pytest.raises(AuthenticationError) as caught,
    ):
        client.dags.get("a")
    assert (caught.value.status_code, caught.value.code) == (401, "invalid_client")
    assert str(caught.value) == "That is invalid_client (invalid_client)"
    texts = [*traceback.format_exception(caught.value), repr(client), repr(vars(client)), caplog.text]
    assert caplog.text
    assert "do_not_tell" not in "".join(texts)


def test_a_missing_token_endpoint_is_an_authentication_error(platform: FakePlatform) -> None:
    """The error is not the one for a DAG that does not exist."""
    with create_client(platform) as client, pytest.raises(AuthenticationError) as caught:
        client.dags.get("a")
    assert not isinstance(caught.value, ResourceNotFoundError)
    assert "POST /oauth/token: nothing here" in str(caught.value)


def test_a_failing_token_endpoint_is_a_server_error(platform: FakePlatform) -> None:
    """A 503 of the token endpoint is no authentication error."""
    for _ in range(5):
        platform.answer(503, {"error": "temporarily_unavailable"})
    with create_client(platform) as client, pytest.raises(ServiceUnavailableError):
        client.dags.get("a")


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>do_not_show</html>",
        {"token": "do_not_show"},
        {"access_token": "do\nnot_show", "refresh_token": "do_not_show"},
        {"access_token": None, "refresh_token": "do_not_show"},
    ],
)
def test_an_invalid_token_response_is_not_quoted(answer: Any, platform: FakePlatform) -> None:
    """The error for a response without a valid token quotes nothing of it."""
    platform.answer(200, answer)
    with create_client(platform) as client, pytest.raises(APIError, match="is base_url right") as caught:
        client.dags.get("a")
    assert "not_show" not in "".join(traceback.format_exception(caught.value))


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


def test_a_permission_error_names_the_missing_scope(client: PlatformClient, platform: FakePlatform) -> None:
    """``scope`` is the missing scope, or None if the response has none."""
    platform.answer(403, {"error": {"message": "no", "details": {"scope": "dags:write"}}})
    platform.answer(403, {"detail": "no"})
    scopes: list[str | None] = []
    for _ in range(2):
        with pytest.raises(PermissionDeniedError) as caught:
            client.dags.pause("a")
        scopes.append(caught.value.scope)
    assert scopes == ["dags:write", None]


@pytest.mark.parametrize(
    ("change", "sent"),
    [
        (lambda keys: keys.update("k", name="n"), {"name": "n"}),
        (lambda keys: keys.update("k", scopes=None), {"scopes": None}),
        (lambda keys: keys.update("k", expires_at=None, scopes=[]), {"scopes": [], "expires_at": None}),
        (
            lambda keys: keys.update("k", expires_at=datetime(2030, 1, 1, tzinfo=timezone.utc)),
            {"expires_at": "2030-01-01T00:00:00+00:00"},
        ),
        (lambda keys: keys.update("k"), {}),
    ],
)
def test_an_update_sends_only_what_is_given(
    change: Callable[[Any], Any], sent: dict[str, Any], client: PlatformClient, platform: FakePlatform
) -> None:
    """None is sent as null; arguments that are left out are not sent."""
    platform.answer(200, {"id": "k", "name": "n"})
    change(client.api_keys)
    assert platform.last.body == sent


def test_an_oauth_client_from_creation_to_deletion(client: PlatformClient, platform: FakePlatform) -> None:
    """Each method sends its request; the repr does not contain the secret."""
    url = "/api/v1/platform/oauth-clients"
    fields = {"client_id": "c_1", "name": "n", "grant_types": ["client_credentials"], "public": False}
    platform.routes |= {
        ("POST", url): fields | {"client_secret": "do_not_tell"},
        ("GET", url): {"oauth_clients": [fields], "total_entries": 1},
        ("GET", f"{url}/c_1"): fields,
        ("PATCH", f"{url}/c_1"): lambda request: fields | request.body,
        ("POST", f"{url}/c_1/rotate-secret"): fields | {"client_secret": "another"},
    }
    created = client.oauth_clients.create(
        "n", scopes=None, grant_types=["client_credentials"], acting_user="bot"
    )
    assert platform.last.body == {
        "name": "n",
        "scopes": None,
        "redirect_uris": [],
        "grant_types": ["client_credentials"],
        "public": False,
        "acting_user": "bot",
    }
    assert created.client_secret == "do_not_tell"
    assert "do_not_tell" not in repr(created)
    assert [each.client_id for each in client.oauth_clients.list()] == ["c_1"]
    assert client.oauth_clients.get("c_1").client_secret is None
    assert client.oauth_clients.update("c_1", scopes=["dags:read"]).scopes == ["dags:read"]
    assert platform.last.body == {"scopes": ["dags:read"]}
    assert client.oauth_clients.rotate_secret("c_1").client_secret == "another"
    platform.answer(204, b"")
    client.oauth_clients.delete("c_1")
    assert (platform.last.method, platform.last.path) == ("DELETE", f"{url}/c_1")
