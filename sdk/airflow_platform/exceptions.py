"""Everything that the SDK raises.

PlatformError
├── APIError                        the platform answered, and not with success
│   ├── ValidationError             400
│   ├── AuthenticationError         401
│   ├── PermissionDeniedError       403
│   ├── ResourceNotFoundError       404
│   ├── ConflictError               409
│   ├── RateLimitError              429
│   └── ServerError                 5xx
│       └── ServiceUnavailableError 503
├── PlatformConnectionError         no answer: unreachable, cut off, or not HTTP
├── DeploymentError                 Airflow cannot run what was deployed
└── PlatformTimeoutError            no answer, or no end of a run, in time

A result that was cut is no error: it comes with a TruncatedResultWarning.
"""

from collections.abc import Mapping
from typing import Any


class PlatformError(Exception):
    """Whatever went wrong between this program and the platform."""


class APIError(PlatformError):
    """The platform's answer was not a success.

    Attributes:
        status_code: The HTTP status.
        code: The platform's word for it, such as ``RESOURCE_NOT_FOUND``, or OAuth's: ``invalid_grant``.
        message: A sentence for people.
        details: What else the platform says about it.
        request_id: What an operator finds the request by, if the platform named it.
    """

    def __init__(
        self,
        message: str,
        *,
        status_code: int,
        code: str,
        details: Mapping[str, Any] | None = None,
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
    """The request does not fit."""

    @property
    def errors(self) -> list[dict[str, Any]]:
        """Each field that does not fit: its ``pointer`` into the body and a ``message``."""
        errors = self.details.get("errors")
        return errors if isinstance(errors, list) else []


class AuthenticationError(APIError):
    """The credentials are missing or wrong, or no access token was given for them."""


class PermissionDeniedError(APIError):
    """The credentials do not allow this."""

    @property
    def scope(self) -> str | None:
        """What they lack, such as ``dags:write``, if the platform says."""
        scope = self.details.get("scope")
        return scope if isinstance(scope, str) else None


class ResourceNotFoundError(APIError):
    """Nothing of that name, or nothing that these credentials may see."""


class ConflictError(APIError):
    """It exists already, or is in a state that does not allow this."""


class RateLimitError(APIError):
    """Too many requests; ``retry_after`` is how many seconds to wait."""

    def __init__(self, message: str, *, retry_after: float, **answer: Any) -> None:  # noqa: ANN401 - APIError's
        super().__init__(message, **answer)
        self.retry_after = retry_after


class ServerError(APIError):
    """The platform failed."""


class ServiceUnavailableError(ServerError):
    """The platform cannot answer at the moment."""


class PlatformConnectionError(PlatformError):
    """The platform could not be reached, or the connection broke."""


class DeploymentError(PlatformError):
    """Airflow cannot run what was deployed; the message says why.

    Attributes:
        status: The deployment's: import_error or retired.
    """

    def __init__(self, message: str, status: str) -> None:
        super().__init__(message)
        self.status = status


class PlatformTimeoutError(PlatformError):
    """It took longer than allowed."""


class TruncatedResultWarning(UserWarning):
    """A query has more rows than the platform returned."""
