"""The exceptions of the SDK.

PlatformError
├── APIError                        the platform answered with an error
│   ├── ValidationError             400
│   ├── AuthenticationError         401
│   ├── PermissionDeniedError       403
│   ├── ResourceNotFoundError       404
│   ├── ConflictError               409
│   ├── RateLimitError              429
│   └── ServerError                 5xx
│       └── ServiceUnavailableError 503
├── PlatformConnectionError         no answer: unreachable, connection broken, or not HTTP
├── DeploymentError                 Airflow cannot run a deployment
└── PlatformTimeoutError            no answer, or a run did not end, in time

A truncated query result is not an error: it comes with a TruncatedResultWarning.
"""

from collections.abc import Mapping

from airflow_platform.types import FieldError, Json


class PlatformError(Exception):
    """Base class of all errors that the SDK raises."""


class APIError(PlatformError):
    """The platform answered with an error.

    Attributes:
        status_code: HTTP status.
        code: Error code, such as ``RESOURCE_NOT_FOUND``, or OAuth's, such as ``invalid_grant``.
        message: Description for people.
        details: Further fields of the error, by name.
        request_id: Id of the request, which finds it in the server's log; None if the server sent no id.
    """

    def __init__(
        self,
        message: str,
        *,
        status_code: int,
        code: str,
        details: Mapping[str, Json] | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status_code = status_code
        self.code = code
        self.details = dict(details or {})
        self.request_id = request_id

    def __str__(self) -> str:
        request = f", request {self.request_id}" if self.request_id else ""
        return f"{self.message} ({self.code}{request})"


class ValidationError(APIError):
    """The request is invalid."""

    @property
    def errors(self) -> list[FieldError]:
        """The invalid fields, each with a ``pointer`` and a ``message``."""
        errors = self.details.get("errors")
        return errors if isinstance(errors, list) else []


class AuthenticationError(APIError):
    """The credentials are missing or invalid, or the platform issued no access token for them."""


class PermissionDeniedError(APIError):
    """The credentials do not allow this request."""

    @property
    def scope(self) -> str | None:
        """The missing scope, such as ``dags:write``, if the platform names one."""
        scope = self.details.get("scope")
        return scope if isinstance(scope, str) else None


class ResourceNotFoundError(APIError):
    """The resource does not exist, or these credentials may not see it."""


class ConflictError(APIError):
    """The resource exists already, or its state does not allow the request."""


class RateLimitError(APIError):
    """Too many requests.

    Attributes:
        retry_after: Seconds to wait before the next request.
    """

    def __init__(self, message: str, *, retry_after: float, **fields: Json) -> None:
        super().__init__(message, **fields)
        self.retry_after = retry_after


class ServerError(APIError):
    """The platform failed."""


class ServiceUnavailableError(ServerError):
    """The platform is temporarily unavailable."""


class PlatformConnectionError(PlatformError):
    """The platform could not be reached, or the connection broke."""


class DeploymentError(PlatformError):
    """Airflow cannot run a deployment; the message says why.

    Attributes:
        status: Status of the deployment: ``import_error`` or ``retired``.
    """

    def __init__(self, message: str, status: str) -> None:
        super().__init__(message)
        self.status = status


class PlatformTimeoutError(PlatformError):
    """The platform, or what the caller waits for, took longer than allowed."""


class TruncatedResultWarning(UserWarning):
    """A query has more rows than the platform returned."""
