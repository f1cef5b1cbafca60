"""The errors that callers of the API see, each with its HTTP status and code.

PlatformError
├── ValidationFailed       400 VALIDATION_ERROR
├── AuthenticationFailed   401 AUTHENTICATION_FAILED
├── PermissionDenied       403 PERMISSION_DENIED
├── NotFound               404 RESOURCE_NOT_FOUND
├── Conflict               409 CONFLICT
├── PreconditionFailed     412 PRECONDITION_FAILED
├── PayloadTooLarge        413 PAYLOAD_TOO_LARGE
├── UnsupportedMediaType   415 UNSUPPORTED_MEDIA_TYPE
├── RateLimitExceeded      429 RATE_LIMIT_EXCEEDED
├── ServiceUnavailable     503 SERVICE_UNAVAILABLE
└── TimedOut               504 TIMEOUT
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from airflow_platform_plugin.core.types import Json

# Also for responses that no class below has made, such as Flask's own 405 or a stock endpoint's 404.
CODES = {
    400: "VALIDATION_ERROR",
    401: "AUTHENTICATION_FAILED",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    406: "NOT_ACCEPTABLE",
    409: "CONFLICT",
    412: "PRECONDITION_FAILED",
    413: "PAYLOAD_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    429: "RATE_LIMIT_EXCEEDED",
    500: "INTERNAL_ERROR",
    503: "SERVICE_UNAVAILABLE",
    504: "TIMEOUT",
}


_MOST_ERRORS = 100


class FieldError(NamedTuple):
    """One invalid field: its path as a JSON pointer (RFC 6901), and why it is invalid."""

    pointer: str
    message: str

    @classmethod
    def at(cls, path: Iterable[str | int], message: str) -> "FieldError":
        """Return the error of the field at ``path``, such as ``("inputs", 0, "name")``."""
        steps = (str(step).replace("~", "~0").replace("/", "~1") for step in path)
        return cls("".join(f"/{step}" for step in steps), message)


class PlatformError(Exception):
    """A response other than success; ``details`` are for the caller and hold no secret."""

    status = 500
    retry_after: int | None = None  # seconds after which the same request may succeed

    def __init__(self, message: str, **details: Json) -> None:
        super().__init__(message)
        self.message = message
        self.details = details

    @property
    def code(self) -> str:
        """Return the code for programs, one for each status."""
        return CODES[self.status]


class ValidationFailed(PlatformError):
    """The request is invalid; ``details.errors`` names every invalid field, or the first hundred."""

    status = 400

    def __init__(self, errors: Sequence[FieldError]) -> None:
        errors = errors[:_MOST_ERRORS]  # or a response would be many times as long as its request
        message = "; ".join(f"{error.pointer or 'body'}: {error.message}" for error in errors)
        super().__init__(message, errors=[error._asdict() for error in errors])

    @classmethod
    def of(cls, *path: str | int, message: str) -> "ValidationFailed":
        """Return the error of a single field."""
        return cls([FieldError.at(path, message)])


class AuthenticationFailed(PlatformError):
    """No credentials, or wrong ones. The message does not say which."""

    status = 401


class PermissionDenied(PlatformError):
    """The caller is known but may not do this."""

    status = 403


class NotFound(PlatformError):
    """There is nothing with that name that the caller may see."""

    status = 404


class Conflict(PlatformError):
    """The request contradicts what is stored."""

    status = 409


class PreconditionFailed(PlatformError):
    """The resource has changed since the caller read it."""

    status = 412


class PayloadTooLarge(PlatformError):
    """The body is longer than the operator allows."""

    status = 413


class UnsupportedMediaType(PlatformError):
    """The body is not JSON."""

    status = 415


class RateLimitExceeded(PlatformError):
    """The caller has reached a limit of requests; ``Retry-After`` says when to try again."""

    status = 429


class ServiceUnavailable(PlatformError):
    """The platform cannot answer now; an operator can fix the cause."""

    status = 503
    retry_after = 5


class TimedOut(PlatformError):
    """Something that the platform needs, such as a database, did not answer in time."""

    status = 504
