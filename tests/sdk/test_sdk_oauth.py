"""Access tokens: asked for, renewed and kept secret, against an OAuth server of the tests' own."""

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
TOGETHER = 8


@pytest.fixture
def oauth(platform: FakePlatform) -> FakeOAuth:
    """An OAuth server, and a DAG that a token opens."""
    oauth = FakeOAuth(platform)
    platform.routes["GET", "/api/v1/dags/a"] = oauth.protect(DAG)
    return oauth


def program(platform: FakePlatform) -> PlatformClient:
    """A client with a secret."""
    return PlatformClient(platform.url, client_id="program", client_secret="sesame")


def login(oauth: FakeOAuth) -> TokenStore:
    """The tokens of a user, of which the access token's time is up."""
    return TokenStore(Token(**oauth.log_in() | {"expires_in": 0}))


def test_client_credentials(oauth: FakeOAuth, platform: FakePlatform) -> None:
    """A client asks for a token when it needs one, and goes on with it."""
    with program(platform) as client:
        assert not platform.requests
        assert [client.dags.get("a").dag_id for _ in range(3)] == ["a"] * 3
    assert oauth.asked == [{"grant_type": "client_credentials"}]
    assert platform.last.headers["authorization"].startswith("Bearer access-")
    assert "x-api-key" not in platform.last.headers


def test_any_secret(oauth: FakeOAuth, platform: FakePlatform) -> None:
    """An id or a secret of any characters arrives as it is."""
    oauth.clients = {"a:b c": "ü%:+ /"}
    with PlatformClient(platform.url, client_id="a:b c", client_secret="ü%:+ /") as client:
        assert client.dags.get("a").dag_id == "a"


def test_environment(oauth: FakeOAuth, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without arguments, the environment's client is taken; with one, nothing of the environment's is."""
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
def test_wrong_combinations(kind: type, given: dict[str, Any]) -> None:
    """Credentials that are too many or too few are refused by name, and none of their values is told."""
    with pytest.raises(PlatformError) as caught:
        kind("http://a", **given)
    names = [name for name, value in given.items() if value]
    assert str(caught.value).endswith(f"given: {', '.join(names)}")


@pytest.mark.parametrize(("seconds", "early"), [(3600, 60), (100, 10), (0, 0)])
def test_margin(seconds: int, early: int) -> None:
    """A token is renewed a little before it ends."""
    token = Token(access_token="a", expires_in=seconds)  # type: ignore[call-arg]
    wanted = datetime.now(timezone.utc) + timedelta(seconds=seconds - early)
    assert token.renew_at is not None
    assert abs(token.renew_at - wanted) < timedelta(seconds=5)


def test_renewal_in_time(oauth: FakeOAuth, platform: FakePlatform) -> None:
    """A token whose time is up is replaced before the platform can refuse it."""
    oauth.lifetime = 0
    with program(platform) as client:
        client.dags.get("a")
        client.dags.get("a")
    assert len(oauth.asked) == 2
    assert len(platform.requests) == 4


def test_unknown_lifetime(oauth: FakeOAuth, platform: FakePlatform) -> None:
    """A token that does not say how long it lasts is used until the platform refuses it."""
    platform.answer(200, {"access_token": "forgotten", "token_type": "Bearer"})
    with program(platform) as client:
        client.dags.get("a")
        client.dags.get("a")
    assert len(oauth.asked) == 2


def test_renewal_after_refusal(oauth: FakeOAuth, platform: FakePlatform) -> None:
    """A token that was revoked is replaced, and the request sent once more."""
    with program(platform) as client:
        client.dags.get("a")
        oauth.grants.clear()
        assert client.dags.get("a").dag_id == "a"
    assert len(oauth.asked) == 2


def test_one_renewal_after_refusal(oauth: FakeOAuth, platform: FakePlatform) -> None:
    """Where the new token is refused too, that is told."""
    platform.routes["GET", "/api/v1/dags/a"] = lambda _: (401, {}, {"error": {"message": "Never."}})
    with program(platform) as client, pytest.raises(AuthenticationError, match="Never"):
        client.dags.get("a")
    assert [request.path for request in platform.requests] == ["/oauth/token", "/api/v1/dags/a"] * 2


def test_many_threads(oauth: FakeOAuth, platform: FakePlatform) -> None:
    """However many threads need a token, one asks for it, at first and after a refusal."""
    barrier = Barrier(TOGETHER)

    def get(client: PlatformClient) -> None:
        barrier.wait()
        client.dags.get("a")

    with program(platform) as client, ThreadPoolExecutor(TOGETHER) as threads:
        list(threads.map(get, [client] * TOGETHER))
        assert len(oauth.asked) == 1
        oauth.grants.clear()
        list(threads.map(get, [client] * TOGETHER))
        assert len(oauth.asked) == 2


def test_many_tasks(oauth: FakeOAuth, platform: FakePlatform) -> None:
    """The same for tasks of the asynchronous client, of which one that is cancelled holds nobody up."""

    async def session() -> None:
        async with AsyncPlatformClient(platform.url, client_id="program", client_secret="sesame") as client:
            first = asyncio.create_task(client.dags.get("a"))
            await asyncio.sleep(0)
            first.cancel()
            await asyncio.gather(*(client.dags.get("a") for _ in range(TOGETHER)))
            assert len(oauth.asked) == 1
            oauth.grants.clear()
            await asyncio.gather(*(client.dags.get("a") for _ in range(TOGETHER)))
            assert len(oauth.asked) == 2

    asyncio.run(session())


def test_wrong_secret(oauth: FakeOAuth, platform: FakePlatform, caplog: pytest.LogCaptureFixture) -> None:
    """A wrong secret is an authentication error in OAuth's words, and stays secret."""
    with (
        caplog.at_level("DEBUG"),
        PlatformClient(platform.url, client_id="program", client_secret="do_not_tell") as client,
        pytest.raises(AuthenticationError) as caught,
    ):
        client.dags.get("a")
    assert (caught.value.status_code, caught.value.code) == (401, "invalid_client")
    assert str(caught.value) == "That is invalid_client (invalid_client)"
    told = [*traceback.format_exception(caught.value), repr(client), repr(vars(client)), caplog.text]
    assert caplog.text
    assert "do_not_tell" not in "".join(told)


def test_platform_without_oauth(platform: FakePlatform) -> None:
    """A token endpoint that is not there is not taken for a DAG that is not there."""
    with program(platform) as client, pytest.raises(AuthenticationError) as caught:
        client.dags.get("a")
    assert not isinstance(caught.value, ResourceNotFoundError)
    assert "POST /oauth/token: nothing here" in str(caught.value)


def test_token_endpoint_that_fails(platform: FakePlatform) -> None:
    """A token endpoint that is unwell is no fault of the credentials."""
    for _ in range(5):
        platform.answer(503, {"error": "temporarily_unavailable"})
    with program(platform) as client, pytest.raises(ServiceUnavailableError):
        client.dags.get("a")


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>tell_nobody</html>",
        {"token": "tell_nobody"},
        {"access_token": "tell\nnobody", "refresh_token": "tell_nobody"},
        {"access_token": None, "refresh_token": "tell_nobody"},
    ],
)
def test_answer_that_is_no_token(answer: Any, platform: FakePlatform) -> None:
    """Something other than a token is an error that quotes none of it."""
    platform.answer(200, answer)
    with program(platform) as client, pytest.raises(APIError, match="is base_url right") as caught:
        client.dags.get("a")
    assert "nobody" not in "".join(traceback.format_exception(caught.value))


def test_login_is_renewed(oauth: FakeOAuth, platform: FakePlatform) -> None:
    """The tokens of a login are renewed without a secret, and kept before they are used."""
    kept: list[tuple[str | None, int]] = []

    class Store(TokenStore):
        def save(self, token: Token) -> None:
            super().save(token)
            kept.append((token.refresh_token, len(platform.requests)))

    store = Store(login(oauth).load())
    oauth.lifetime = 0
    with PlatformClient(platform.url, client_id="airflow-cli", tokens=store) as client:
        client.dags.get("a")
        client.dags.get("a")
    assert [form["refresh_token"] for form in oauth.asked] == ["refresh-1", "refresh-2"]
    assert "authorization" not in platform.requests[0].headers
    assert kept == [("refresh-2", 1), ("refresh-3", 3)]


def test_login_without_rotation(oauth: FakeOAuth, platform: FakePlatform) -> None:
    """An answer without a refresh token leaves the one that there is."""
    store = login(oauth)
    platform.answer(200, {"access_token": "access-1", "token_type": "Bearer", "expires_in": 3600})
    with PlatformClient(platform.url, client_id="airflow-cli", tokens=store) as client:
        client.dags.get("a")
    assert store.load() == store.load().model_copy(update={"refresh_token": "refresh-1"})  # type: ignore[union-attr]


def test_tokens_of_another_program(oauth: FakeOAuth, platform: FakePlatform) -> None:
    """What another program has renewed meanwhile is taken from where both keep it, under its lock."""
    store = login(oauth)
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
    assert oauth.asked == []


def test_login_that_has_ended(oauth: FakeOAuth, platform: FakePlatform) -> None:
    """A refresh token that was used before is refused, in OAuth's words."""
    store = login(oauth)
    oauth.renew()
    with (
        PlatformClient(platform.url, client_id="airflow-cli", tokens=store) as client,
        pytest.raises(AuthenticationError) as caught,
    ):
        client.dags.get("a")
    assert (caught.value.status_code, caught.value.code) == (400, "invalid_grant")
    assert "refresh-1" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("tokens", [TokenStore(), TokenStore(Token(access_token="a", expires_in=0))])  # type: ignore[call-arg]
def test_no_refresh_token(tokens: TokenStore, platform: FakePlatform) -> None:
    """Without a refresh token, nothing is sent when the login has ended."""
    with (
        PlatformClient(platform.url, client_id="airflow-cli", tokens=tokens) as client,
        pytest.raises(PlatformError, match="log in again"),
    ):
        client.dags.get("a")
    assert not platform.requests


def test_tokens_are_not_shown() -> None:
    """A token's repr holds no secret."""
    assert "secret" not in repr(Token(access_token="secret-1", refresh_token="secret-2", scope="dags:read"))


def test_scope_of_a_refusal(client: PlatformClient, platform: FakePlatform) -> None:
    """Who may not is told what is missing, where the platform says it."""
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
def test_update(
    change: Callable[[Any], Any], sent: dict[str, Any], client: PlatformClient, platform: FakePlatform
) -> None:
    """None removes a limit, and what is left out stays."""
    platform.answer(200, {"id": "k", "name": "n"})
    change(client.api_keys)
    assert platform.last.body == sent


def test_oauth_clients(client: PlatformClient, platform: FakePlatform) -> None:
    """A client is registered, with its secret told once, listed, changed, given a new secret and deleted."""
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
