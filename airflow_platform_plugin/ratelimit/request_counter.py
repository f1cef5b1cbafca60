"""How one request is counted. Knows the request; nothing of hooks and answers."""

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
from airflow_platform_plugin.ratelimit import headers, request_class
from airflow_platform_plugin.ratelimit.limiter import Limiter, LimitStatus, Subject

EXTENSION = "platform_ratelimit"


@dataclass
class RequestCounter:
    """What is known of a request's caller and limits so far.

    Attributes:
        limiter: what counts.
        rate: the request's class.
        free: True where it costs nothing once it is known who calls.
        subject: by whom it was counted, once it was.
        states: what the limits were at then.
        exempt: True where it is not counted at all.
    """

    limiter: Limiter
    rate: RequestClass
    free: bool = False
    subject: Subject | None = None
    states: list[LimitStatus] = field(default_factory=list)
    exempt: bool = False

    @classmethod
    def begin(cls, limiter: Limiter) -> "RequestCounter":
        """Begin to count the current request."""
        rate = request_class.of_request()
        counter = (
            cls(limiter, RequestClass.READ, free=True) if rate is RequestClass.FREE else cls(limiter, rate)
        )
        request_state.current().put(counter)
        return counter

    def count(self, subject: Subject) -> None:
        """Count the request against the subject's limits.

        Raises:
            RateLimitExceeded: it is one too many.
        """
        self.subject = subject
        if self.free and subject.kind != "address":
            self.states = self.limiter.peek(subject, self.rate, overrides())
        else:
            self.states = self.limiter.hit(subject, self.rate, overrides())
            self._raise_exceeded()
            self.count_user()

    def count_user(self) -> None:
        """Count the request against what its user has with all credentials together.

        A credential with a limit of its own for the class has that instead: an administrator has set it.

        Raises:
            RateLimitExceeded: it is one too many.
        """
        if self.free or not self.limiter.counts_users(self.rate) or self.rate.value in overrides():
            return
        if (subject := user()) is not None:
            self.states = self.states + self.limiter.hit_user(subject, self.rate)
            self._raise_exceeded()

    def refuse_guesses(self, subject: Subject, shown: str) -> None:
        """Refuse a password from an address from which too many wrong ones came, unless it is known there.

        Args:
            subject: the address.
            shown: what the request shows to be recognised by.

        Raises:
            RateLimitExceeded: there were too many.
        """
        states = self.limiter.peek_failed(subject)
        if any(state.exceeded for state in states) and not self.limiter.remembers(proof(subject, shown)):
            self.subject, self.states = subject, states
            self._raise_exceeded()

    def count_failure(self, subject: Subject) -> None:
        """Count a wrong key or password.

        Raises:
            RateLimitExceeded: there were too many from that address.
        """
        states = self.limiter.hit_failed(subject)
        if any(state.exceeded for state in states):
            self.states = states
            self._raise_exceeded()

    def refuse_exhausted(self, subject: Subject) -> None:
        """Refuse the request where nothing is left; it is counted later, by this subject or a better one.

        Raises:
            RateLimitExceeded: it would be one too many.
        """
        states = self.limiter.peek(subject, self.rate)
        if any(state.exceeded for state in states):
            self.subject, self.states = subject, states
            self._raise_exceeded()

    def _raise_exceeded(self) -> None:
        if not any(state.exceeded for state in self.states):
            return
        state = headers.tightest(self.states)
        name = state.name or state.rate.value
        details: dict[str, Any] = {
            "class": name,
            "limit": state.limit,
            "window_seconds": state.window,
            "retry_after": headers.retry_after(state, time.time()),
        }
        raise RateLimitExceeded(
            f"No more than {state.limit} requests of the class {name} are allowed in {state.window} seconds.",
            **details,
        )


def limiter() -> Limiter | None:
    """The application's limiter, or None where requests are not limited."""
    found: Limiter | None = current_app.extensions[EXTENSION]
    return found


def overrides() -> dict[str, str]:
    """The limits that the request's credential brings along."""
    principal = current_principal()
    return {} if principal is None or principal.credential is None else dict(principal.credential.rate_limits)


def credential() -> Subject | None:
    """The key or token by which the request was recognised; each user of an OAuth client has an own count."""
    principal = current_principal()
    if principal is None or principal.credential is None:
        return None
    counted = principal.credential.counted_as or principal.credential.id
    return Subject("credential", f"{counted}/{principal.username}")


def user() -> Subject | None:
    """The user whom Airflow has recognised."""
    found = airflow_compat.users.request_user()
    return None if found is None else Subject("user", str(found.get_id()))


def browser() -> Subject | None:
    """The user whose session alone says who calls.

    A program that authenticates with each request may hold a session too, for Airflow hands one out to
    whoever does so; it stays a program.
    """
    return user() if "Authorization" not in request.headers and "_user_id" in session else None


def address() -> Subject:
    """The client's address; of IPv6 the network of 64 bits, which is what one customer gets."""
    try:
        client = ip_address(request.remote_addr or "")
    except ValueError:
        return Subject("address", "unknown")
    client = getattr(client, "ipv4_mapped", None) or client
    network = client if client.version == 4 else ip_network((client.packed, 64), strict=False)  # noqa: PLR2004 - IPv4
    return Subject("address", str(network))


def proof(subject: Subject, shown: str) -> str:
    """A digest of what was shown at that address: whoever reads the storage cannot try passwords on it."""
    secret = str(current_app.secret_key).encode()
    told = json.dumps([subject.id, shown]).encode()
    return "PROOF/" + hmac.new(secret, told, hashlib.sha256).hexdigest()


def claimed_client(subject: Subject) -> Subject:
    """The OAuth client that the request names, at that address; nobody elsewhere is counted with it."""
    basic = request.authorization.username if request.authorization else None
    return Subject("client", f"{subject.id}/{(basic or request.form.get('client_id', ''))[:64]}")


def current_usage(principal: Principal) -> dict[str, Any]:
    """What the caller has left of every class; no limits where none count."""
    counter = request_state.current().find(RequestCounter)
    subject = None if counter is None else counter.subject
    states: list[LimitStatus] = []
    of_user: list[LimitStatus] = []
    if counter is not None and subject is not None:
        person = user()
        for rate in LIMITED:
            states += counter.limiter.peek(subject, rate, overrides())
            if person is not None and rate.value not in overrides():
                of_user += counter.limiter.peek_user(person, rate)
    return {
        "enforced": bool(states),
        "counted_by": None if subject is None else subject.kind,
        "id": principal.username if principal.credential is None else principal.credential.id,
        "limits": [_told(state) for state in states],
        "user_limits": [_told(state) for state in of_user],
    }


def _told(state: LimitStatus) -> dict[str, Any]:
    return {
        "rate": state.rate.value,
        "limit": state.limit,
        "window_seconds": state.window,
        "remaining": state.remaining,
        "reset": headers.reset(state),
    }
