"""What both clients know about HTTP, apart from sending: build, judge and read, all without I/O."""

import time
from collections.abc import Mapping
from datetime import date, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Any, Final, TypeVar
from urllib.parse import quote

import httpx
import pydantic

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
"""What an update leaves as it is; None, in contrast, removes a value."""

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

RETRY_DELAYS = (0.2, 0.8)
RETRY_AFTER_LIMIT = 5.0
RETRY_AFTER_DEFAULT = 1.0


def path(*segments: str | int) -> str:
    """The path of a resource below ``/api/v1``, with each segment escaped."""
    for segment in segments:
        # Any of these would silently turn the request into one for another resource.
        if segment in ("", ".", ".."):
            raise PlatformError(f"{segment!r} is no identifier")
    return "/".join(["/api/v1", *(quote(str(segment), safe="") for segment in segments)])


def present(values: Mapping[str, Any], *, nulls: bool = False) -> dict[str, Any]:
    """The values that were given, with dates as ISO 8601; None is one if ``nulls``."""
    return {
        name: value.isoformat() if isinstance(value, date | datetime) else value
        for name, value in values.items()
        if value is not UNSET and (nulls or value is not None)
    }


def retry_delay(method: str, attempt: int, outcome: httpx.Response | Exception) -> float | None:
    """How many seconds to wait before the next attempt, or None if there is to be none.

    Only reads are repeated: a write may have been carried out although its answer was lost.
    """
    if method != "GET" or attempt >= len(RETRY_DELAYS):
        return None
    if isinstance(outcome, httpx.Response):
        if outcome.status_code == httpx.codes.TOO_MANY_REQUESTS:
            delay = retry_after(outcome)
            return delay if delay <= RETRY_AFTER_LIMIT else None
        transient = outcome.status_code in (502, 503, 504)
    else:
        transient = isinstance(outcome, httpx.NetworkError | httpx.RemoteProtocolError)
    return RETRY_DELAYS[attempt] if transient else None


def retry_after(response: httpx.Response) -> float:
    """How many seconds the answer asks to wait, from either form of Retry-After."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return int(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return RETRY_AFTER_DEFAULT


def connection_error(error: Exception) -> PlatformError:
    """Our error for an httpx error that came instead of an answer."""
    kind = PlatformTimeoutError if isinstance(error, httpx.TimeoutException) else PlatformConnectionError
    reason = str(error) or type(error).__name__
    if isinstance(error, httpx.RequestError):
        url = error.request.url
        # netloc leaves out a user and password that base_url may carry.
        return kind(f"No answer from {url.scheme}://{url.netloc.decode()}: {reason}")
    return kind(reason)


def api_error(response: httpx.Response) -> APIError:
    """Our error for an answer that is not a success."""
    status = response.status_code
    fallback = ServerError if status >= httpx.codes.INTERNAL_SERVER_ERROR else APIError
    kind, code = ERRORS.get(status, (fallback, f"HTTP_{status}"))
    body = _json_object(response)
    error = body.get("error")
    is_oauth = response.request.url.path.endswith((TOKEN_PATH, REVOKE_PATH))
    if is_oauth and response.is_client_error and kind is not RateLimitError:
        # Whoever asked for a DAG would be misled by a token endpoint that is "not found".
        kind = AuthenticationError
        if isinstance(error, str):  # RFC 6749, section 5.2
            error = {"code": error, "message": body.get("error_description") or "The platform refuses"}
    if not isinstance(error, dict):
        # Not a word from the platform: Airflow without the plugin, or a proxy in front of it.
        error = {"message": body.get("detail") or body.get("title") or _reason(response)}
    details = error.get("details")
    answer: dict[str, Any] = {
        "status_code": status,
        "code": error.get("code") or code,
        "details": details if isinstance(details, dict) else {},
        "request_id": error.get("request_id") or response.headers.get("X-Request-ID"),
    }
    if kind is RateLimitError:
        answer["retry_after"] = retry_after(response)
    return kind(str(error.get("message") or _reason(response)), **answer)


def parse(model: type[ModelT], response: httpx.Response) -> ModelT:
    """The body of a successful answer as ``model``."""
    try:
        return model.model_validate_json(response.content)
    except pydantic.ValidationError as error:
        raise APIError(
            f"{response.url.path} answered with something other than a {model.__name__}; is base_url right?",
            status_code=response.status_code,
            code="INVALID_RESPONSE",
        ) from error


def _json_object(response: httpx.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _reason(response: httpx.Response) -> str:
    if response.has_redirect_location:
        return f"The server redirects to {response.headers['Location']}; is base_url right?"
    return response.reason_phrase or f"HTTP {response.status_code}"
