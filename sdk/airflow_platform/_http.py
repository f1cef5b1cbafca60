"""What both clients know about HTTP, without I/O: build requests, decide on retries, read responses."""

import random
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Any, Final, TypeVar
from urllib.parse import quote

import httpx
import pydantic

from airflow_platform._json import to_json
from airflow_platform.exceptions import (
    APIError,
    AuthenticationError,
    ConflictError,
    PermissionDeniedError,
    PlatformConnectionError,
    PlatformError,
    PlatformTimeoutError,
    RateLimitError,
    ResourceNotFoundError,
    ServerError,
    ServiceUnavailableError,
    ValidationError,
)

ModelT = TypeVar("ModelT", bound=pydantic.BaseModel)


class Unset(Enum):
    """The type of ``UNSET``."""

    UNSET = "unset"

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.UNSET
"""Marks a field that an update leaves unchanged. None, in contrast, removes the field's value."""

ERRORS: dict[int, tuple[type[APIError], str]] = {
    400: (ValidationError, "VALIDATION_ERROR"),
    401: (AuthenticationError, "AUTHENTICATION_FAILED"),
    403: (PermissionDeniedError, "PERMISSION_DENIED"),
    404: (ResourceNotFoundError, "RESOURCE_NOT_FOUND"),
    409: (ConflictError, "CONFLICT"),
    429: (RateLimitError, "RATE_LIMIT_EXCEEDED"),
    500: (ServerError, "INTERNAL_ERROR"),
    503: (ServiceUnavailableError, "SERVICE_UNAVAILABLE"),
}

DEFAULT_BASE_URL = "http://localhost:8080"
TOKEN_PATH = "/oauth/token"  # noqa: S105 - a path
REVOKE_PATH = "/oauth/revoke"

# Below these paths the platform executes a POST once per Idempotency-Key, however often it arrives.
IDEMPOTENT_POST_PATHS = ("/api/v1/platform/", "/api/v1/datakits", "/api/v1/analytics/")

# Seconds.
INITIAL_DELAY = 0.25
MAX_DELAY = 8.0
MAX_RETRY_AFTER = 5.0
DEFAULT_RETRY_AFTER = 1.0


def build_path(*segments: str | int) -> str:
    """Return the path of a resource below ``/api/v1``, with each segment escaped.

    Raises:
        PlatformError: A segment is empty or a relative path.
    """
    for segment in segments:
        # Any of these would silently turn the request into one for another resource.
        if segment in ("", ".", ".."):
            raise PlatformError(f"{segment!r} is not a valid identifier")
    return "/".join(["/api/v1", *(quote(str(segment), safe="") for segment in segments)])


def encode_fields(values: Mapping[str, object], *, keep_none: bool = False) -> dict[str, Any]:
    """Return the fields to send, converted to JSON.

    Args:
        values: All fields of a body or query string. Fields that are ``UNSET`` are left out.
        keep_none: Whether to send None as null. By default fields that are None are left out.

    Raises:
        PlatformError: JSON cannot carry a value. The message names the field.
    """
    return {
        name: to_json(value, name)
        for name, value in values.items()
        if value is not UNSET and (keep_none or value is not None)
    }


def is_retryable(method: str, path: str) -> bool:
    """Return whether a request may arrive twice.

    Either its method is idempotent (RFC 9110, section 9.2.2), or its Idempotency-Key makes it so.
    """
    return method in ("GET", "PUT", "DELETE") or (method == "POST" and path.startswith(IDEMPOTENT_POST_PATHS))


def compute_retry_delay(
    outcome: httpx.Response | Exception, attempt: int, *, retryable: bool
) -> float | None:
    """Return how many seconds to wait before the next attempt, or None to give up.

    Args:
        outcome: The failed attempt's response, or the exception that came instead of one.
        attempt: Number of attempts before the failed one.
        retryable: Whether the request may arrive twice.
    """
    wait = 0.0
    if isinstance(outcome, httpx.Response):
        wait = parse_retry_after(outcome) or 0.0
        may_help = outcome.status_code == httpx.codes.TOO_MANY_REQUESTS or (
            retryable and _is_transient(outcome)
        )
    else:
        # Without a connection nothing was sent. A timeout is not retried: the caller's limit is reached.
        may_help = isinstance(outcome, httpx.ConnectError) or (
            retryable and isinstance(outcome, httpx.NetworkError | httpx.RemoteProtocolError)
        )
    if not may_help or wait > MAX_RETRY_AFTER:
        return None
    backoff: float = min(MAX_DELAY, INITIAL_DELAY * 2**attempt)
    # Jitter: clients that failed together must not retry together.
    return wait + backoff * random.uniform(0.5, 1.0)  # noqa: S311 - not for security


def parse_retry_after(response: httpx.Response) -> float | None:
    """Return the seconds in ``Retry-After``, in either of its forms (RFC 9110, section 10.2.3)."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return int(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


def map_transport_error(error: Exception) -> PlatformError:
    """Return the SDK's error for an httpx error that came instead of a response."""
    kind = PlatformTimeoutError if isinstance(error, httpx.TimeoutException) else PlatformConnectionError
    reason = str(error) or type(error).__name__
    if isinstance(error, httpx.RequestError):
        url = error.request.url
        # netloc leaves out the user and password that base_url may contain.
        return kind(f"No answer from {url.scheme}://{url.netloc.decode()}: {reason}")
    return kind(reason)


def map_error_response(response: httpx.Response) -> APIError:
    """Return the SDK's error for a response that is not a success."""
    status = response.status_code
    fallback = ServerError if status >= httpx.codes.INTERNAL_SERVER_ERROR else APIError
    kind, code = ERRORS.get(status, (fallback, f"HTTP_{status}"))
    body = _read_json_object(response)
    error = body.get("error")
    is_oauth = response.request.url.path.endswith((TOKEN_PATH, REVOKE_PATH))
    if is_oauth and response.is_client_error and kind is not RateLimitError:
        # A caller that asked for a DAG would take "not found" for the DAG, not for the token endpoint.
        kind = AuthenticationError
        if isinstance(error, str):  # RFC 6749, section 5.2
            error = {"code": error, "message": body.get("error_description") or "The platform refuses"}
    if not isinstance(error, dict):
        # Not the platform's own error: Airflow without the plugin, or a proxy in front of it.
        error = {"message": body.get("detail") or body.get("title") or _describe_status(response)}
    details = error.get("details")
    fields: dict[str, Any] = {
        "status_code": status,
        "code": error.get("code") or code,
        "details": details if isinstance(details, dict) else {},
        "request_id": error.get("request_id") or response.headers.get("X-Request-ID"),
    }
    if kind is RateLimitError:
        wait = parse_retry_after(response)
        fields["retry_after"] = DEFAULT_RETRY_AFTER if wait is None else wait
    return kind(str(error.get("message") or _describe_status(response)), **fields)


def parse_body(model: type[ModelT], response: httpx.Response, context: object = None) -> ModelT:
    """Return the body of a successful response as a model.

    Args:
        model: Class of the result.
        response: The response.
        context: Passed to the model's ``model_post_init``.

    Raises:
        APIError: The body is not such a model; the code is ``INVALID_RESPONSE``.
    """
    try:
        return model.model_validate_json(response.content, context=context)
    except pydantic.ValidationError as error:
        raise APIError(
            f"The answer of {response.url.path} is not a {model.__name__}; is base_url right?",
            status_code=response.status_code,
            code="INVALID_RESPONSE",
        ) from error


def _is_transient(response: httpx.Response) -> bool:
    if response.status_code == httpx.codes.GATEWAY_TIMEOUT:
        # A proxy's 504 is transient. The platform's own 504 means that a query took too long.
        return not isinstance(_read_json_object(response).get("error"), dict)
    return response.status_code in (httpx.codes.BAD_GATEWAY, httpx.codes.SERVICE_UNAVAILABLE)


def _read_json_object(response: httpx.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _describe_status(response: httpx.Response) -> str:
    if response.has_redirect_location:
        return f"The server redirects to {response.headers['Location']}; is base_url right?"
    return response.reason_phrase or f"HTTP {response.status_code}"
