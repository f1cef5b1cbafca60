"""Which requests are sent again, how often, and when."""

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
READ: Call = lambda client: client.dags.get("a")  # noqa: E731 - the shortest way to name it
DELETE: Call = lambda client: client.dags.delete_run("a", "r")  # noqa: E731
OURS: Call = lambda client: client.tenants.create("t")  # noqa: E731
STOCK: Call = lambda client: client.dags.trigger("a")  # noqa: E731
CHANGE: Call = lambda client: client.dags.pause("a")  # noqa: E731
ANSWER = {"dag_id": "a", "dag_run_id": "r", "state": "queued", "tenant_id": "t"}


@contextmanager
def cut_off(after: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A server that reads each request, says so much and closes the connection; and what it has read."""
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
@pytest.mark.parametrize("call", [READ, DELETE, OURS], ids=["read", "delete", "ours"])
def test_what_is_safe_is_repeated(
    call: Call, status: int, client: PlatformClient, platform: FakePlatform
) -> None:
    """A read, a deletion and what is carried out once for each key survive two transient failures."""
    platform.answer(status)
    platform.answer(status)
    platform.answer(200, ANSWER)
    call(client)
    assert len(platform.requests) == 3


@pytest.mark.parametrize("status", [502, 503, 504])
@pytest.mark.parametrize("call", [STOCK, CHANGE], ids=["stock", "change"])
def test_what_may_have_been_done_is_not_repeated(
    call: Call, status: int, client: PlatformClient, platform: FakePlatform
) -> None:
    """A run is not triggered twice."""
    platform.answer(status)
    with pytest.raises(ServerError):
        call(client)
    assert len(platform.requests) == 1


@pytest.mark.parametrize("call", [STOCK, CHANGE], ids=["stock", "change"])
def test_what_was_refused_is_repeated(call: Call, client: PlatformClient, platform: FakePlatform) -> None:
    """Too many requests: this one was not carried out, so it can come again."""
    platform.answer(429, Retry_After="0")
    platform.answer(200, ANSWER)
    call(client)
    assert len(platform.requests) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 500, 501])
@pytest.mark.parametrize("call", [READ, OURS], ids=["read", "ours"])
def test_what_will_fail_again_is_not_repeated(
    call: Call, status: int, client: PlatformClient, platform: FakePlatform
) -> None:
    """A failure that will come again is told at once."""
    platform.answer(status)
    with pytest.raises(APIError):
        call(client)
    assert len(platform.requests) == 1


def test_query_that_took_too_long(client: PlatformClient, platform: FakePlatform) -> None:
    """The platform's own 504 is the end of a query, not the beginning of another."""
    platform.answer(504, {"error": {"code": "TIMEOUT", "message": "The query took too long."}})
    with pytest.raises(ServerError, match="TIMEOUT"):
        client.analytics.query("SELECT 1")
    assert len(platform.requests) == 1


@pytest.mark.parametrize("attempts", [1, 2, 5])
def test_max_retries(attempts: int, platform: FakePlatform) -> None:
    """How often is up to the caller, and the last failure is told."""
    for _ in range(10):
        platform.answer(503, {"error": {"message": f"{len(platform.answers)}"}})
    with (
        PlatformClient(platform.url, "k", max_retries=attempts - 1) as client,
        pytest.raises(ServiceUnavailableError, match=f"^{attempts - 1} "),
    ):
        client.dags.list()
    assert len(platform.requests) == attempts


def test_idempotency_key(client: PlatformClient, platform: FakePlatform) -> None:
    """Each POST has a key, the same however often it is sent, and no other has one; reads have none."""
    platform.answer(503)
    platform.routes = {
        ("POST", "/api/v1/platform/tenants"): ANSWER,
        ("POST", "/api/v1/dags/a/dagRuns"): ANSWER,
        ("GET", "/api/v1/dags/a"): ANSWER,
    }
    OURS(client)
    OURS(client)
    STOCK(client)
    READ(client)
    first, again, second, stock, read = (
        request.headers.get("idempotency-key") for request in platform.requests
    )
    assert first == again
    assert len({first, second, stock}) == 3
    assert first is not None
    assert len(first) == 36
    assert read is None


@pytest.mark.parametrize(("call", "times"), [(READ, 3), (OURS, 3), (STOCK, 1), (CHANGE, 1)])
@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"])
def test_connection_that_breaks(call: Call, times: int, said: bytes) -> None:
    """An answer that is lost leads to another request only where that does no harm."""
    with cut_off(said) as (url, read), PlatformClient(url, "k") as client:
        with pytest.raises(PlatformConnectionError):
            call(client)
        assert len(read) == times


@pytest.mark.parametrize("call", [READ, OURS, STOCK, CHANGE])
def test_connection_that_cannot_be_made(call: Call) -> None:
    """What was certainly not sent is tried again, whatever it is."""
    attempts: list[httpx.Request] = []

    def refuse(request: httpx.Request) -> httpx.Response:
        attempts.append(request)
        if len(attempts) < 3:
            raise httpx.ConnectError("refused", request=request)
        return httpx.Response(200, json=ANSWER)

    with PlatformClient("http://a", "k", transport=httpx.MockTransport(refuse)) as client:
        call(client)
    assert len(attempts) == 3


def test_time_outs_are_not_repeated() -> None:
    """Whoever allows a second does not wait three."""
    attempts: list[httpx.Request] = []

    def silence(request: httpx.Request) -> httpx.Response:
        attempts.append(request)
        raise httpx.ReadTimeout("silence", request=request)

    with (
        PlatformClient("http://a", "k", transport=httpx.MockTransport(silence)) as client,
        pytest.raises(PlatformTimeoutError),
    ):
        READ(client)
    assert len(attempts) == 1


def test_refresh_token_is_not_sent_twice() -> None:
    """A refresh token that may have arrived is not sent again, as that would end the login."""
    store = TokenStore(Token(access_token="a", refresh_token="r", expires_in=0))  # type: ignore[call-arg]
    with (
        cut_off(b"") as (url, read),
        PlatformClient(url, client_id="airflow-cli", tokens=store) as client,
    ):
        with pytest.raises(PlatformConnectionError):
            READ(client)
        assert len(read) == 1


def test_client_credentials_are_sent_again(platform: FakePlatform) -> None:
    """A program's own credentials may arrive twice."""
    platform.answer(503)
    platform.answer(200, {"access_token": "a", "token_type": "Bearer"})
    platform.answer(200, ANSWER)
    with PlatformClient(platform.url, client_id="i", client_secret="s") as client:
        READ(client)
    assert [request.path for request in platform.requests] == ["/oauth/token"] * 2 + ["/api/v1/dags/a"]


def waits(monkeypatch: pytest.MonkeyPatch, responses: list[httpx.Response]) -> list[float]:
    """How long the client waits between these answers."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    answers = iter(responses)
    transport = httpx.MockTransport(lambda _: next(answers))
    with PlatformClient("http://a", "k", transport=transport, max_retries=20) as client:
        READ(client)
    return slept


def test_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """The waits grow, each by a part that is left to chance, up to some seconds."""
    monkeypatch.setattr(_http, "INITIAL_DELAY", 0.25)
    failures = [httpx.Response(503) for _ in range(10)]
    slept = waits(monkeypatch, [*failures, httpx.Response(200, json=ANSWER)])
    for attempt, delay in enumerate(slept):
        longest = min(8.0, 0.25 * 2**attempt)
        assert longest / 2 <= delay <= longest
    assert len(slept) == 10
    assert len({delay / 2 ** min(attempt, 5) for attempt, delay in enumerate(slept)}) > 1


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_waited_for(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The platform's wish is granted, in seconds or as a date, and it is no shorter than it says."""
    moment = formatdate(time.time() + 4, usegmt=True)
    wishes = [httpx.Response(status, headers={"Retry-After": wish}) for wish in ("3", moment)]
    seconds, date = waits(monkeypatch, [*wishes, httpx.Response(200, json=ANSWER)])
    assert seconds == 3
    assert 1 < date <= 4


@pytest.mark.parametrize("status", [429, 503])
def test_long_waits_are_the_callers(status: int, client: PlatformClient, platform: FakePlatform) -> None:
    """The client does not sleep for minutes behind its caller's back."""
    platform.answer(status, Retry_After=str(int(_http.MAX_RETRY_AFTER) + 1))
    with pytest.raises(APIError) as caught:
        client.dags.list()
    assert len(platform.requests) == 1
    if isinstance(caught.value, RateLimitError):
        assert caught.value.retry_after == 6


def test_async(platform: FakePlatform) -> None:
    """The asynchronous client repeats the same."""
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
