"""Which requests are retried, how often, and when."""

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate
from threading import Thread
from typing import Any

import httpx
import pytest
from airflow_platform import AsyncPlatformClient, PlatformClient, PlatformError, Token, TokenStore, _http
from airflow_platform.exceptions import (
    APIError,
    PlatformConnectionError,
    PlatformTimeoutError,
    RateLimitError,
    ServerError,
    ServiceUnavailableError,
)
from fake_platform import FakePlatform

Call = Callable[[PlatformClient], Any]
GET: Call = lambda client: client.dags.get("a")  # noqa: E731 - shorter than a function
DELETE: Call = lambda client: client.dags.delete_run("a", "r")  # noqa: E731
PLATFORM_POST: Call = lambda client: client.tenants.create("t")  # noqa: E731
AIRFLOW_POST: Call = lambda client: client.dags.trigger("a")  # noqa: E731
AIRFLOW_PATCH: Call = lambda client: client.dags.pause("a")  # noqa: E731
ANSWER = {"dag_id": "a", "dag_run_id": "r", "state": "queued", "tenant_id": "t"}


@contextmanager
def cut_off(after: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """Serve connections that break: read each request, send ``after``, and close; yield what was read."""
    read: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                read.append(connection.recv(65536))
                connection.sendall(after)

    thread = Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}", read
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


@pytest.mark.parametrize("status", [429, 502, 503, 504])
@pytest.mark.parametrize("call", [GET, DELETE, PLATFORM_POST], ids=["read", "delete", "platform_post"])
def test_safe_requests_are_retried(
    call: Call, status: int, client: PlatformClient, platform: FakePlatform
) -> None:
    """GET, DELETE and POSTs with an idempotency key survive two transient failures."""
    platform.answer(status)
    platform.answer(status)
    platform.answer(200, ANSWER)
    call(client)
    assert len(platform.requests) == 3


@pytest.mark.parametrize("status", [502, 503, 504])
@pytest.mark.parametrize("call", [AIRFLOW_POST, AIRFLOW_PATCH], ids=["airflow_post", "airflow_patch"])
def test_unsafe_requests_are_not_retried(
    call: Call, status: int, client: PlatformClient, platform: FakePlatform
) -> None:
    """A request that Airflow may have executed is not sent again: no run is triggered twice."""
    platform.answer(status)
    with pytest.raises(ServerError):
        call(client)
    assert len(platform.requests) == 1


@pytest.mark.parametrize("call", [AIRFLOW_POST, AIRFLOW_PATCH], ids=["airflow_post", "airflow_patch"])
def test_rate_limited_requests_are_retried(
    call: Call, client: PlatformClient, platform: FakePlatform
) -> None:
    """A 429 was not executed, so any request is sent again."""
    platform.answer(429, Retry_After="0")
    platform.answer(200, ANSWER)
    call(client)
    assert len(platform.requests) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 500, 501])
@pytest.mark.parametrize("call", [GET, PLATFORM_POST], ids=["read", "platform_post"])
def test_permanent_failures_are_not_retried(
    call: Call, status: int, client: PlatformClient, platform: FakePlatform
) -> None:
    """An error that would come again is raised at once."""
    platform.answer(status)
    with pytest.raises(APIError):
        call(client)
    assert len(platform.requests) == 1


def test_a_query_timeout_is_not_retried(client: PlatformClient, platform: FakePlatform) -> None:
    """The platform's own 504 means that the query took too long."""
    platform.answer(504, {"error": {"code": "TIMEOUT", "message": "The query took too long."}})
    with pytest.raises(ServerError, match="TIMEOUT"):
        client.analytics.query("SELECT 1")
    assert len(platform.requests) == 1


@pytest.mark.parametrize("attempts", [1, 2, 5])
def test_max_retries_limits_the_attempts(attempts: int, platform: FakePlatform) -> None:
    """The error is that of the last attempt."""
    for _ in range(10):
        platform.answer(503, {"error": {"message": f"{len(platform.answers)}"}})
    with (
        PlatformClient(platform.url, "k", max_retries=attempts - 1) as client,
        pytest.raises(ServiceUnavailableError, match=f"^{attempts - 1} "),
    ):
        client.dags.list()
    assert len(platform.requests) == attempts


def test_each_post_has_its_own_idempotency_key(client: PlatformClient, platform: FakePlatform) -> None:
    """Retries of a POST have the same key; other POSTs have others; a GET has none."""
    platform.answer(503)
    platform.routes = {
        ("POST", "/api/v1/platform/tenants"): ANSWER,
        ("POST", "/api/v1/dags/a/dagRuns"): ANSWER,
        ("GET", "/api/v1/dags/a"): ANSWER,
    }
    PLATFORM_POST(client)
    PLATFORM_POST(client)
    AIRFLOW_POST(client)
    GET(client)
    first, again, second, stock, read = (
        request.headers.get("idempotency-key") for request in platform.requests
    )
    assert first == again
    assert len({first, second, stock}) == 3
    assert first is not None
    assert len(first) == 36
    assert read is None


@pytest.mark.parametrize(
    ("call", "times"), [(GET, 3), (PLATFORM_POST, 3), (AIRFLOW_POST, 1), (AIRFLOW_PATCH, 1)]
)
@pytest.mark.parametrize("partial", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"])
def test_broken_connections_are_retried_if_safe(call: Call, times: int, partial: bytes) -> None:
    """If the response is lost, only safe requests are sent again."""
    with cut_off(partial) as (url, read), PlatformClient(url, "k") as client:
        with pytest.raises(PlatformConnectionError):
            call(client)
        assert len(read) == times


@pytest.mark.parametrize("call", [GET, PLATFORM_POST, AIRFLOW_POST, AIRFLOW_PATCH])
def test_failed_connects_are_always_retried(call: Call) -> None:
    """A request that was certainly not sent is tried again, whatever its method."""
    attempts: list[httpx.Request] = []

    def refuse(request: httpx.Request) -> httpx.Response:
        attempts.append(request)
        if len(attempts) < 3:
            raise httpx.ConnectError("refused", request=request)
        return httpx.Response(200, json=ANSWER)

    with PlatformClient("http://a", "k", transport=httpx.MockTransport(refuse)) as client:
        call(client)
    assert len(attempts) == 3


def test_timeouts_are_not_retried() -> None:
    """The caller's timeout is not multiplied by retries."""
    attempts: list[httpx.Request] = []

    def silence(request: httpx.Request) -> httpx.Response:
        attempts.append(request)
        raise httpx.ReadTimeout("silence", request=request)

    with (
        PlatformClient("http://a", "k", transport=httpx.MockTransport(silence)) as client,
        pytest.raises(PlatformTimeoutError),
    ):
        GET(client)
    assert len(attempts) == 1


def test_a_refresh_token_is_sent_once() -> None:
    """A refresh token that may have arrived is not sent again, because that would end the login."""
    store = TokenStore(Token(access_token="a", refresh_token="r", expires_in=0))  # type: ignore[call-arg]
    with (
        cut_off(b"") as (url, read),
        PlatformClient(url, client_id="airflow-cli", tokens=store) as client,
    ):
        with pytest.raises(PlatformConnectionError):
            GET(client)
        assert len(read) == 1


def test_client_credentials_are_retried(platform: FakePlatform) -> None:
    """A token request with client credentials is safe to send again."""
    platform.answer(503)
    platform.answer(200, {"access_token": "a", "token_type": "Bearer"})
    platform.answer(200, ANSWER)
    with PlatformClient(platform.url, client_id="i", client_secret="s") as client:
        GET(client)
    assert [request.path for request in platform.requests] == ["/oauth/token"] * 2 + ["/api/v1/dags/a"]


def record_delays(monkeypatch: pytest.MonkeyPatch, responses: list[httpx.Response]) -> list[float]:
    """Return the delays of a client that gets these responses."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    answers = iter(responses)
    transport = httpx.MockTransport(lambda _: next(answers))
    with PlatformClient("http://a", "k", transport=transport, max_retries=20) as client:
        GET(client)
    return slept


def test_delays_grow_with_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Delays double up to 8 s, each with random jitter."""
    monkeypatch.setattr(_http, "INITIAL_DELAY", 0.25)
    failures = [httpx.Response(503) for _ in range(10)]
    slept = record_delays(monkeypatch, [*failures, httpx.Response(200, json=ANSWER)])
    for attempt, delay in enumerate(slept):
        longest = min(8.0, 0.25 * 2**attempt)
        assert longest / 2 <= delay <= longest
    assert len(slept) == 10
    assert len({delay / 2 ** min(attempt, 5) for attempt, delay in enumerate(slept)}) > 1


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_waited_for(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The delay is at least that of Retry-After, given in seconds or as a date."""
    moment = formatdate(time.time() + 4, usegmt=True)
    responses = [httpx.Response(status, headers={"Retry-After": value}) for value in ("3", moment)]
    seconds, date = record_delays(monkeypatch, [*responses, httpx.Response(200, json=ANSWER)])
    assert seconds == 3
    assert 1 < date <= 4


@pytest.mark.parametrize("status", [429, 503])
def test_a_long_retry_after_is_not_waited_for(
    status: int, client: PlatformClient, platform: FakePlatform
) -> None:
    """Above the limit, the error is raised at once with its ``retry_after``."""
    platform.answer(status, Retry_After=str(int(_http.MAX_RETRY_AFTER) + 1))
    with pytest.raises(APIError) as caught:
        client.dags.list()
    assert len(platform.requests) == 1
    if isinstance(caught.value, RateLimitError):
        assert caught.value.retry_after == 6


def test_the_asynchronous_client_retries_alike(platform: FakePlatform) -> None:
    """Safe requests are retried, unsafe ones are not."""
    platform.answer(503)
    platform.answer(429, Retry_After="0")
    platform.answer(200, ANSWER)
    platform.answer(503)

    async def session() -> None:
        async with AsyncPlatformClient(platform.url, "k") as client:
            await client.dags.get("a")
            with pytest.raises(PlatformError):
                await client.dags.trigger("a")

    asyncio.run(session())
    assert [request.method for request in platform.requests] == ["GET", "GET", "GET", "POST"]
