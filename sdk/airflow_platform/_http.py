"""What both clients know about HTTP, apart from sending: build, judge and read, all without I/O."""

import random
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Any, Final, TypeVar
from urllib.parse import quote

import httpx
import pydantic

from airflow_platform._json import jsonable
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

# Below these, a POST is carried out once for each Idempotency-Key, however often it arrives.
KEYED_PATHS = ("/api/v1/platform/", "/api/v1/datakits", "/api/v1/analytics/")

FIRST_DELAY = 0.25
LONGEST_DELAY = 8.0
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
    """Return the values that were given, as JSON carries them; None counts as given if ``nulls``.

    Raises:
        PlatformError: a value has no form in JSON; the message names it.
    """
    return {
        name: jsonable(value, name)
        for name, value in values.items()
        if value is not UNSET and (nulls or value is not None)
    }


def is_repeatable(method: str, path: str) -> bool:
    """Whether a request may arrive twice: by its method (RFC 9110, section 9.2.2), or by its key."""
    return method in ("GET", "PUT", "DELETE") or (method == "POST" and path.startswith(KEYED_PATHS))


def retry_delay(outcome: httpx.Response | Exception, attempt: int, *, repeatable: bool) -> float | None:
    """How many seconds to wait before a request is sent again, or None if it is not to be."""
    wait = 0.0
    if isinstance(outcome, httpx.Response):
        wait = retry_after(outcome) or 0.0
        may_help = outcome.status_code == httpx.codes.TOO_MANY_REQUESTS or (
            repeatable and _is_transient(outcome)
        )
    else:
        # Without a connection nothing was sent. A time-out is the caller's limit, which is reached.
        may_help = isinstance(outcome, httpx.ConnectError) or (
            repeatable and isinstance(outcome, httpx.NetworkError | httpx.RemoteProtocolError)
        )
    if not may_help or wait > RETRY_AFTER_LIMIT:
        return None
    backoff: float = min(LONGEST_DELAY, FIRST_DELAY * 2**attempt)
    # Programs that failed together must not come back together.
    return wait + backoff * random.uniform(0.5, 1.0)  # noqa: S311 - nothing secret


def retry_after(response: httpx.Response) -> float | None:
    """How many seconds the answer asks to wait, in either form (RFC 9110, section 10.2.3)."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return int(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


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
        wait = retry_after(response)
        answer["retry_after"] = RETRY_AFTER_DEFAULT if wait is None else wait
    return kind(str(error.get("message") or _reason(response)), **answer)


def parse(model: type[ModelT], response: httpx.Response, context: object = None) -> ModelT:
    """The body of a successful answer as ``model``, whose ``model_post_init`` gets the context."""
    try:
        return model.model_validate_json(response.content, context=context)
    except pydantic.ValidationError as error:
        raise APIError(
            f"{response.url.path} answered with something other than a {model.__name__}; is base_url right?",
            status_code=response.status_code,
            code="INVALID_RESPONSE",
        ) from error


def _is_transient(response: httpx.Response) -> bool:
    if response.status_code == httpx.codes.GATEWAY_TIMEOUT:
        # A proxy's, that is. The platform's own says that a query took too long, and would say so again.
        return not isinstance(_json_object(response).get("error"), dict)
    return response.status_code in (httpx.codes.BAD_GATEWAY, httpx.codes.SERVICE_UNAVAILABLE)


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
