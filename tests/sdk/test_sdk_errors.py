"""What callers see when something goes wrong."""

import inspect
import socket
import traceback
from email.utils import formatdate
from time import time

import httpx
import pytest
from airflow_platform import PlatformClient, PlatformError, _http, exceptions
from fake_platform import FakePlatform

ENVELOPE = {
    "error": {
        "code": "RESOURCE_NOT_FOUND",
        "message": "DAG 'non_existent_dag' not found",
        "details": {"dag_id": "non_existent_dag"},
        "request_id": "req_123456789",
        "timestamp": "2024-01-15T10:30:00Z",
    }
}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, exceptions.ValidationError),
        (401, exceptions.AuthenticationError),
        (403, exceptions.PermissionDeniedError),
        (404, exceptions.ResourceNotFoundError),
        (409, exceptions.ConflictError),
        (418, exceptions.APIError),
        (429, exceptions.RateLimitError),
        (500, exceptions.ServerError),
        (502, exceptions.ServerError),
        (503, exceptions.ServiceUnavailableError),
    ],
)
def test_status(status: int, kind: type, client: PlatformClient, platform: FakePlatform) -> None:
    """Each status has its class, which carries what the envelope says."""
    platform.routes["PATCH", "/api/v1/dags/non_existent_dag"] = lambda _: (status, {}, ENVELOPE)
    with pytest.raises(exceptions.APIError) as caught:
        client.dags.pause("non_existent_dag")
    error = caught.value
    assert type(error) is kind
    assert (error.status_code, error.code) == (status, "RESOURCE_NOT_FOUND")
    assert error.details == {"dag_id": "non_existent_dag"}
    assert str(error) == "DAG 'non_existent_dag' not found (RESOURCE_NOT_FOUND, request req_123456789)"


def test_envelope_beside_problem_json(client: PlatformClient, platform: FakePlatform) -> None:
    """The envelope wins over the problem+json keys of stock Airflow beside it."""
    platform.answer(404, ENVELOPE | {"title": "DAG not found", "detail": "no", "status": 404})
    with pytest.raises(exceptions.ResourceNotFoundError, match="non_existent_dag"):
        client.dags.get("non_existent_dag")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"title": "Conflict", "detail": "it runs already"}, "it runs already (CONFLICT)"),
        ({"title": "Conflict", "detail": None}, "Conflict (CONFLICT)"),
        (b"<html>a proxy</html>", "Conflict (CONFLICT)"),
        (["no", "object"], "Conflict (CONFLICT)"),
        ({"error": "no object"}, "Conflict (CONFLICT)"),
        ({"error": {"details": "no object", "message": None}}, "Conflict (CONFLICT)"),
    ],
)
def test_without_envelope(body: object, message: str, client: PlatformClient, platform: FakePlatform) -> None:
    """An answer that is not the platform's own is still told as well as it can be."""
    platform.answer(409, body)
    with pytest.raises(exceptions.ConflictError) as caught:
        client.dags.trigger("a")
    assert str(caught.value) == message


def test_fields(client: PlatformClient, platform: FakePlatform) -> None:
    """A validation error lists the fields."""
    errors = [{"pointer": "/name", "message": "is missing"}]
    platform.answer(
        400, {"error": {"code": "VALIDATION_ERROR", "message": "no", "details": {"errors": errors}}}
    )
    with pytest.raises(exceptions.ValidationError) as caught:
        client.datakits.register("", "1", "image")
    assert caught.value.errors == errors


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("30", 30), (100, 100), ("soon", 1), ("", 1)],
)
def test_retry_after(
    header: str | int, seconds: float, client: PlatformClient, platform: FakePlatform
) -> None:
    """Either form of Retry-After ends in seconds, and so does nonsense."""
    if isinstance(header, int):
        header = formatdate(time() + header)
    for _ in range(3):
        platform.answer(429, Retry_After=header)
    with pytest.raises(exceptions.RateLimitError) as caught:
        client.dags.list()
    assert caught.value.retry_after == pytest.approx(seconds, abs=5)


def test_retry_after_a_moment_that_has_passed() -> None:
    """A moment of the past is no negative wait."""
    response = httpx.Response(429, headers={"Retry-After": formatdate(time() - 100)})
    assert _http.parse_retry_after(response) == 0


def test_every_httpx_error_is_mapped() -> None:
    """Whatever httpx may raise while it sends becomes one of our errors, and no new class slips through."""
    raised = {
        kind
        for _, kind in inspect.getmembers(httpx, inspect.isclass)
        if issubclass(kind, httpx.RequestError | httpx.InvalidURL)
    }
    others = {
        kind for _, kind in inspect.getmembers(httpx, inspect.isclass) if issubclass(kind, Exception)
    } - raised
    request = httpx.Request("GET", "https://user:password@airflow.example.com/secret")
    for kind in raised:
        error = kind("why", request=request) if issubclass(kind, httpx.RequestError) else kind("why")
        ours = _http.map_transport_error(error)
        timeout = issubclass(kind, httpx.TimeoutException)
        assert type(ours) is (
            exceptions.PlatformTimeoutError if timeout else exceptions.PlatformConnectionError
        )
        assert "why" in str(ours)
        assert "password" not in str(ours)
    # Those of wrong use of httpx, and the parents of both kinds.
    assert others == {
        httpx.HTTPError,
        httpx.HTTPStatusError,
        httpx.CookieConflict,
        httpx.StreamError,
        httpx.StreamConsumed,
        httpx.StreamClosed,
        httpx.ResponseNotRead,
        httpx.RequestNotRead,
    }


def test_unreachable() -> None:
    """A server that is not there is an error that names it."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with PlatformClient(url) as client, pytest.raises(exceptions.PlatformConnectionError, match=url):
            client.dags.list()


def test_silent_server() -> None:
    """A server that does not answer in time is a timeout."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with (
            PlatformClient(url, timeout=0.05) as client,
            pytest.raises(exceptions.PlatformTimeoutError, match="timed out"),
        ):
            client.dags.list()


@pytest.mark.parametrize("url", ["airflow.example.com", "http://[nonsense", "http://a:port"])
def test_wrong_address(url: str) -> None:
    """An address that is none is an error of ours."""
    with pytest.raises(exceptions.PlatformConnectionError), PlatformClient(url) as client:
        client.dags.list()


@pytest.mark.parametrize("body", [b"<html>a page</html>", {"dags": "many"}, ["no", "object"], b""])
def test_not_the_platform(body: object, client: PlatformClient, platform: FakePlatform) -> None:
    """A success that holds something else hints at base_url."""
    platform.answer(200, body)
    with pytest.raises(exceptions.APIError, match=r"is base_url right\? \(INVALID_RESPONSE"):
        client.dags.list()


def test_redirect(client: PlatformClient, platform: FakePlatform) -> None:
    """A redirect is not followed, lest the key goes to another host."""
    platform.answer(302, b"", Location="https://elsewhere.example.com/")
    with pytest.raises(exceptions.APIError, match="redirects to https://elsewhere"):
        client.dags.list()
    assert len(platform.requests) == 1


def test_key_stays_secret(platform: FakePlatform, caplog: pytest.LogCaptureFixture) -> None:
    """The key shows up neither in the log nor in an error nor in a repr."""
    key = "plk_do_not_tell"
    with caplog.at_level("DEBUG"), PlatformClient(platform.url, key) as client:
        with pytest.raises(PlatformError) as caught:
            client.dags.get("a")
        assert platform.last.headers["x-api-key"] == key
        told = [repr(client), repr(client.dags), *traceback.format_exception(caught.value), caplog.text]
    with pytest.raises(PlatformError) as caught:
        PlatformClient(platform.url, f"{key}\n{key}")
    told += traceback.format_exception(caught.value)
    assert caplog.text
    assert key not in "".join(told)
