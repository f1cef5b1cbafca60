"""The errors that callers get."""

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
def test_each_status_has_its_class(
    status: int, kind: type, client: PlatformClient, platform: FakePlatform
) -> None:
    """The error has the code, message, details and request id of the response."""
    platform.routes["PATCH", "/api/v1/dags/non_existent_dag"] = lambda _: (status, {}, ENVELOPE)
    with pytest.raises(exceptions.APIError) as caught:
        client.dags.pause("non_existent_dag")
    error = caught.value
    assert type(error) is kind
    assert (error.status_code, error.code) == (status, "RESOURCE_NOT_FOUND")
    assert error.details == {"dag_id": "non_existent_dag"}
    assert str(error) == "DAG 'non_existent_dag' not found (RESOURCE_NOT_FOUND, request req_123456789)"


def test_the_platforms_error_precedes_problem_json(client: PlatformClient, platform: FakePlatform) -> None:
    """If a response has both forms, the platform's own error counts."""
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
def test_other_error_bodies_give_a_message(
    body: object, message: str, client: PlatformClient, platform: FakePlatform
) -> None:
    """The message of Airflow or of a proxy is used, or else the status."""
    platform.answer(409, body)
    with pytest.raises(exceptions.ConflictError) as caught:
        client.dags.trigger("a")
    assert str(caught.value) == message


def test_a_validation_error_lists_the_fields(client: PlatformClient, platform: FakePlatform) -> None:
    """``errors`` is the list of the response."""
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
def test_retry_after_is_in_seconds(
    header: str | int, seconds: float, client: PlatformClient, platform: FakePlatform
) -> None:
    """Both forms of Retry-After become seconds; an invalid value becomes the default."""
    if isinstance(header, int):
        header = formatdate(time() + header)
    for _ in range(3):
        platform.answer(429, Retry_After=header)
    with pytest.raises(exceptions.RateLimitError) as caught:
        client.dags.list()
    assert caught.value.retry_after == pytest.approx(seconds, abs=5)


def test_a_retry_after_in_the_past_means_no_wait() -> None:
    """The wait is 0, not negative."""
    response = httpx.Response(429, headers={"Retry-After": formatdate(time() - 100)})
    assert _http.parse_retry_after(response) == 0


def test_every_httpx_error_is_mapped() -> None:
    """Each httpx error of sending becomes an SDK error; a new httpx class fails this test."""
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
        mapped = _http.map_transport_error(error)
        timeout = issubclass(kind, httpx.TimeoutException)
        assert type(mapped) is (
            exceptions.PlatformTimeoutError if timeout else exceptions.PlatformConnectionError
        )
        assert "why" in str(mapped)
        assert "password" not in str(mapped)
    # Errors of wrong use of httpx, and the base classes.
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


def test_an_unreachable_server_is_a_connection_error() -> None:
    """The error names the server."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with PlatformClient(url) as client, pytest.raises(exceptions.PlatformConnectionError, match=url):
            client.dags.list()


def test_a_silent_server_is_a_timeout_error() -> None:
    """A server that does not answer in time raises PlatformTimeoutError."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with (
            PlatformClient(url, timeout=0.05) as client,
            pytest.raises(exceptions.PlatformTimeoutError, match="timed out"),
        ):
            client.dags.list()


@pytest.mark.parametrize("url", ["airflow.example.com", "http://[nonsense", "http://a:port"])
def test_an_invalid_url_is_a_connection_error(url: str) -> None:
    """An invalid base_url raises PlatformConnectionError, not an httpx error."""
    with pytest.raises(exceptions.PlatformConnectionError), PlatformClient(url) as client:
        client.dags.list()


@pytest.mark.parametrize("body", [b"<html>a page</html>", {"dags": "many"}, ["no", "object"], b""])
def test_another_server_is_recognized(body: object, client: PlatformClient, platform: FakePlatform) -> None:
    """The error for an unexpected body asks whether base_url is right."""
    platform.answer(200, body)
    with pytest.raises(exceptions.APIError, match=r"is base_url right\? \(INVALID_RESPONSE"):
        client.dags.list()


def test_redirects_are_not_followed(client: PlatformClient, platform: FakePlatform) -> None:
    """A redirect is an error, so that the key is not sent to another host."""
    platform.answer(302, b"", Location="https://elsewhere.example.com/")
    with pytest.raises(exceptions.APIError, match="redirects to https://elsewhere"):
        client.dags.list()
    assert len(platform.requests) == 1


def test_the_key_is_in_no_log_error_or_repr(platform: FakePlatform, caplog: pytest.LogCaptureFixture) -> None:
    """The key is sent, and appears nowhere else."""
    key = "plk_do_not_tell"
    with caplog.at_level("DEBUG"), PlatformClient(platform.url, key) as client:
        with pytest.raises(PlatformError) as caught:
            client.dags.get("a")
        assert platform.last.headers["x-api-key"] == key
        texts = [repr(client), repr(client.dags), *traceback.format_exception(caught.value), caplog.text]
    with pytest.raises(PlatformError) as caught:
        PlatformClient(platform.url, f"{key}\n{key}")
    texts += traceback.format_exception(caught.value)
    assert caplog.text
    assert key not in "".join(texts)
