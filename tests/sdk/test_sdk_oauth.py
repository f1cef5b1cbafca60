"""Access tokens of OAuth clients are requested, renewed and kept secret, with a fake OAuth server."""

import asyncio
import traceback
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from threading import Barrier
from typing import Any

import pytest
from airflow_platform import AsyncPlatformClient, PlatformClient, PlatformError, Token, TokenStore
from airflow_platform.exceptions import (
    APIError,
    AuthenticationError,
    ResourceNotFoundError,
    ServiceUnavailableError,
)
from fake_oauth import FakeOAuth
from fake_platform import FakePlatform

CONCURRENCY = 8


def create_client(platform: FakePlatform) -> PlatformClient:
    """Return a client with a client id and secret."""
    return PlatformClient(platform.url, client_id="program", client_secret="sesame")


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
