"""Count one request: choose the subject, and ask the limiter."""

import hashlib
import hmac
import json
import time
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

from flask import current_app, request, session

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.core.errors import RateLimitExceeded
from airflow_platform_plugin.core.principal import Principal
from airflow_platform_plugin.core.rate_limits import LIMITED, RequestClass
from airflow_platform_plugin.http import request_state
from airflow_platform_plugin.http.request_state import current_principal
from airflow_platform_plugin.ratelimit import headers
from airflow_platform_plugin.ratelimit.limiter import Limiter
from airflow_platform_plugin.ratelimit.limits import LimitStatus, Subject
from airflow_platform_plugin.ratelimit.request_class import classify_request

EXTENSION = "platform_ratelimit"


@dataclass
class RequestCounter:
    """The counting of one request.

    Attributes:
        limiter: counts it.
        request_class: its class.
        free: whether it costs nothing once the caller is known.
        subject: the subject that it was counted for; None before that.
        statuses: the limits after it was counted.
        exempt: whether it is not counted at all.
    """

    limiter: Limiter
    request_class: RequestClass
    free: bool = False
    subject: Subject | None = None
    statuses: list[LimitStatus] = field(default_factory=list)
    exempt: bool = False

    @classmethod
    def begin(cls, limiter: Limiter) -> "RequestCounter":
        """Start counting the current request."""
        request_class = classify_request()
        counter = (
            cls(limiter, RequestClass.READ, free=True)
            if request_class is RequestClass.FREE
            else cls(limiter, request_class)
        )
        request_state.current().put(counter)
        return counter

    def count(self, subject: Subject) -> None:
        """Count the request for a subject.

        Raises:
            RateLimitExceeded: it is one too many.
        """
        self.subject = subject
        if self.free and subject.kind != "address":
            self.statuses = self.limiter.test(subject, self.request_class, overrides())
        else:
            self.statuses = self.limiter.hit(subject, self.request_class, overrides())
            self._raise_exceeded()
            self.count_user()

    def count_user(self) -> None:
        """Count the request for its user with all credentials together.

        A credential with its own limit for the class is not counted: an administrator has set that limit.

        Raises:
            RateLimitExceeded: it is one too many.
        """
        if (
            self.free
            or not self.limiter.limits_users(self.request_class)
            or self.request_class.value in overrides()
        ):
            return
        if (subject := user()) is not None:
            self.statuses = self.statuses + self.limiter.hit_user(subject, self.request_class)
            self._raise_exceeded()

    def refuse_guesses(self, subject: Subject, secret: str) -> None:
        """Refuse a password from an address with too many wrong ones, unless it was correct there before.

        Args:
            subject: the address.
            secret: the request's password, or the name of its OAuth client.

        Raises:
            RateLimitExceeded: the address sent too many.
        """
        statuses = self.limiter.test_failure(subject)
        if any(status.exceeded for status in statuses) and not self.limiter.knows_proof(
            proof(subject, secret)
        ):
            self.subject, self.statuses = subject, statuses
            self._raise_exceeded()

    def count_failure(self, subject: Subject) -> None:
        """Count a wrong key or password.

        Raises:
            RateLimitExceeded: the address sent too many.
        """
        statuses = self.limiter.hit_failure(subject)
        if any(status.exceeded for status in statuses):
            self.statuses = statuses
            self._raise_exceeded()

    def refuse_exhausted(self, subject: Subject) -> None:
        """Refuse the request if the subject has nothing left. It is counted later, maybe for another subject.

        Raises:
            RateLimitExceeded: it would be one too many.
        """
        statuses = self.limiter.test(subject, self.request_class)
        if any(status.exceeded for status in statuses):
            self.subject, self.statuses = subject, statuses
            self._raise_exceeded()

    def _raise_exceeded(self) -> None:
        if not any(status.exceeded for status in self.statuses):
            return
        status = headers.most_restrictive(self.statuses)
        name = status.name or status.request_class.value
        details: dict[str, Any] = {
            "class": name,
            "limit": status.limit,
            "window_seconds": status.window,
            "retry_after": headers.retry_after(status, time.time()),
        }
        raise RateLimitExceeded(
            f"No more than {status.limit} requests of the class {name} are allowed in "
            f"{status.window} seconds.",
            **details,
        )


def limiter() -> Limiter | None:
    """Return the application's limiter; None if requests are not limited."""
    found: Limiter | None = current_app.extensions[EXTENSION]
    return found


def overrides() -> dict[str, str]:
    """Return the rate limits of the request's credential, by class."""
    principal = current_principal()
    return {} if principal is None or principal.credential is None else dict(principal.credential.rate_limits)


def credential() -> Subject | None:
    """Return the subject of the request's key or token; users of an OAuth client are counted separately."""
    principal = current_principal()
    if principal is None or principal.credential is None:
        return None
    counted = principal.credential.counted_as or principal.credential.id
    return Subject("credential", f"{counted}/{principal.username}")


def user() -> Subject | None:
    """Return the subject of the user that Airflow has authenticated."""
    found = airflow_compat.users.request_user()
    return None if found is None else Subject("user", str(found.get_id()))


def browser() -> Subject | None:
    """Return the subject of a user who is authenticated by a session alone.

    Airflow also gives a session to programs that authenticate with each request. They are not browsers.
    """
    is_browser = "HTTP_AUTHORIZATION" not in request.environ and "_user_id" in session
    return user() if is_browser else None


def address() -> Subject:
    """Return the subject of the client's address; for IPv6, of its /64, which one customer has."""
    try:
        client = ip_address(request.remote_addr or "")
    except ValueError:
        return Subject("address", "unknown")
    client = getattr(client, "ipv4_mapped", None) or client
    network = client if client.version == 4 else ip_network((client.packed, 64), strict=False)  # noqa: PLR2004 - IPv4
    return Subject("address", str(network))


def proof(subject: Subject, secret: str) -> str:
    """Return a keyed digest of a secret at an address, so that the storage helps nobody to guess it."""
    key = str(current_app.secret_key).encode()
    message = json.dumps([subject.id, secret]).encode()
    return "PROOF/" + hmac.new(key, message, hashlib.sha256).hexdigest()


def claimed_client(subject: Subject) -> Subject:
    """Return the subject of the OAuth client that the request names, at that address only."""
    basic = request.authorization.username if request.authorization else None
    return Subject("client", f"{subject.id}/{(basic or request.form.get('client_id', ''))[:64]}")


def current_usage(principal: Principal) -> dict[str, Any]:
    """Return what the caller has left in every class, as ``RateLimitResponse`` shows it."""
    counter = request_state.current().find(RequestCounter)
    subject = None if counter is None else counter.subject
    statuses: list[LimitStatus] = []
    user_statuses: list[LimitStatus] = []
    if counter is not None and subject is not None:
        person = user()
        for each in LIMITED:
            statuses += counter.limiter.test(subject, each, overrides())
            if person is not None and each.value not in overrides():
                user_statuses += counter.limiter.test_user(person, each)
    return {
        "enforced": bool(statuses),
        "counted_by": None if subject is None else subject.kind,
        "id": principal.username if principal.credential is None else principal.credential.id,
        "limits": [_usage(status) for status in statuses],
        "user_limits": [_usage(status) for status in user_statuses],
    }


def _usage(status: LimitStatus) -> dict[str, Any]:
    return {
        "request_class": status.request_class.value,
        "limit": status.limit,
        "window_seconds": status.window,
        "remaining": status.remaining,
        "reset": headers.reset(status),
    }
