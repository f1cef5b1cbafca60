"""How much a caller has left: requests are counted, in fixed windows, in a storage of ``limits``.

Nothing here ever keeps a request from passing but a limit that is reached: a storage that fails is told
in the log, left alone for a moment, and counts as if there were no limits.
"""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

from limits import RateLimitItem
from limits.errors import ConfigurationError
from limits.storage import Storage, storage_from_string

from airflow_platform_plugin.core import rate_limits, settings
from airflow_platform_plugin.core.rate_limits import LIMITED, RequestClass
from airflow_platform_plugin.ratelimit import file_storage  # noqa: F401 - makes its scheme known to the library
from airflow_platform_plugin.ratelimit.settings import RateLimitSettings

log = logging.getLogger(__name__)

# Seconds in which a storage that failed is not asked again, or this many times as long as the failure
# took: a name that cannot be resolved may take long, and must not take most of a worker's time.
REST = 2.0
REST_FACTOR = 10
LOGGED_EVERY = 60.0
# Seconds for which a right password at an address counts as known there.
REMEMBERED = 600
_REDIS_TIMEOUT = 0.2  # seconds
_clock = time.monotonic
_Answer = TypeVar("_Answer")


class Subject(NamedTuple):
    """Whose requests are counted together.

    Attributes:
        kind: ``credential`` (an API key or OAuth client), ``user``, ``address``, or ``client`` (an OAuth
            client at an address, before it has proved itself).
        id: the credential's public id, the user's id, or the address.
    """

    kind: str
    id: str


class LimitStatus(NamedTuple):
    """One limit as it stands for one subject.

    Attributes:
        rate: the class of requests.
        limit: how many may be made in a window.
        window: the window's length in seconds.
        remaining: how many are left in this window.
        reset: when the window ends, as Unix time.
        exceeded: whether the request that was counted is one too many.
        name: what a client knows the limit by.
    """

    rate: RequestClass
    limit: int
    window: int
    remaining: int
    reset: float
    exceeded: bool
    name: str = ""


class Limits(NamedTuple):
    """The limits of the settings.

    Attributes:
        each: of each key, user or address, by class.
        user: of a user with all credentials together, by class; none where only ``each`` counts.
        failed: of wrong keys and passwords from one address; None for no such limit.
    """

    each: Mapping[RequestClass, str]
    user: Mapping[RequestClass, str] = {}
    failed: str | None = None

    def options(self) -> dict[str, str]:
        """All of them, by the settings' names."""
        each = {f"rate_limit_{rate.value}": text for rate, text in self.each.items()}
        user = {f"rate_limit_user_{rate.value}": text for rate, text in self.user.items()}
        return each | user | ({} if self.failed is None else {"rate_limit_failed": self.failed})


class _Limit(NamedTuple):
    """What is counted together: ``name`` keeps it apart from the subject's other counts."""

    rate: RequestClass
    name: str
    items: tuple[RateLimitItem, ...]


class Limiter:
    """Counts requests against the limits of the settings, or those that a credential brings along."""

    def __init__(self, storage_uri: str, limits: Mapping[RequestClass, str] | Limits) -> None:
        """Raises ``ValueError`` where a limit is none, or no storage of that kind can be used."""
        self._uri = storage_uri
        self._limits = limits if isinstance(limits, Limits) else Limits(dict(limits))
        for option, text in self._limits.options().items():
            try:
                rate_limits.parse(text)
            except ValueError as error:
                raise ValueError(f"[platform] {option}: {error}") from None
        self._storage: Storage | None = None
        self._asked_again_at = self._logged_again_at = 0.0
        self._connect()

    def hit(
        self, subject: Subject, rate: RequestClass, overrides: Mapping[str, str] | None = None
    ) -> list[LimitStatus]:
        """Count a request; the states of its class's limits, none where they cannot be known."""
        return self._ask(subject, self._each(rate, overrides or {}), amount=1)

    def peek(
        self, subject: Subject, rate: RequestClass, overrides: Mapping[str, str] | None = None
    ) -> list[LimitStatus]:
        """The same without counting; ``exceeded`` says whether one more request would be too many."""
        return self._ask(subject, self._each(rate, overrides or {}), amount=0)

    def counts_users(self, rate: RequestClass) -> bool:
        """Whether there is a limit of users with all their credentials for the class."""
        return rate in self._limits.user

    def hit_user(self, subject: Subject, rate: RequestClass) -> list[LimitStatus]:
        """Count a request of a user's against what all their credentials have together."""
        return self._ask(subject, self._of_user(rate), amount=1)

    def peek_user(self, subject: Subject, rate: RequestClass) -> list[LimitStatus]:
        """The same without counting."""
        return self._ask(subject, self._of_user(rate), amount=0)

    def hit_failed(self, address: Subject) -> list[LimitStatus]:
        """Count a wrong key or password."""
        return self._ask(address, self._failures(), amount=1)

    def peek_failed(self, address: Subject) -> list[LimitStatus]:
        """The same without counting."""
        return self._ask(address, self._failures(), amount=0)

    def remember(self, proof: str) -> None:
        """Remember for a while that what the digest is of was right."""
        self._with_storage(lambda storage: storage.get(proof) or storage.incr(proof, REMEMBERED), 0)

    def remembers(self, proof: str) -> bool:
        """Whether it was right a while ago; not where that cannot be known."""
        return bool(self._with_storage(lambda storage: storage.get(proof), 0))

    def problem(self) -> str | None:
        """What is wrong with the storage just now, or None."""
        try:
            storage = self._connected()
            if storage.check():
                return None
            storage.get("")  # raises what is the matter
        except Exception as error:  # noqa: BLE001 - whatever the storage's library raises
            return (
                f"The storage {self._described()} of the rate limits fails: {type(error).__name__}: {error}"
            )
        return f"The storage {self._described()} of the rate limits fails."

    def _ask(self, subject: Subject, limit: _Limit, *, amount: int) -> list[LimitStatus]:
        def count(storage: Storage) -> list[LimitStatus]:
            states: list[LimitStatus] = []
            for item in limit.items:
                # What one limit refuses is not counted against the longer ones.
                refused = any(state.exceeded for state in states)
                states.append(_state(storage, item, subject, limit, 0 if refused else amount))
            return states

        return self._with_storage(count, []) if limit.items else []

    def _with_storage(self, ask: Callable[[Storage], _Answer], otherwise: _Answer) -> _Answer:
        started = _clock()
        if started < self._asked_again_at:
            return otherwise
        try:
            return ask(self._connected())
        except Exception as error:  # noqa: BLE001 - whatever the storage's library raises
            self._failed(error, since=started)
            return otherwise

    def _each(self, rate: RequestClass, overrides: Mapping[str, str]) -> _Limit:
        return _Limit(rate, rate.value, self._items(rate, overrides))

    def _of_user(self, rate: RequestClass) -> _Limit:
        text = self._limits.user.get(rate)
        return _Limit(rate, f"user-{rate.value}", () if text is None else rate_limits.parse(text))

    def _failures(self) -> _Limit:
        text = self._limits.failed
        return _Limit(RequestClass.READ, "failed", () if text is None else rate_limits.parse(text))

    def _items(self, rate: RequestClass, overrides: Mapping[str, str]) -> tuple[RateLimitItem, ...]:
        if rate.value in overrides:
            try:
                return rate_limits.parse(overrides[rate.value])
            except ValueError:  # written past the API
                log.warning("The rate limit %r is none; the settings' value counts", overrides[rate.value])
        return rate_limits.parse(self._limits.each[rate])

    def _connect(self) -> None:
        """See now whether there can be such a storage; whether it answers is another matter."""
        started = _clock()
        try:
            self._connected()
        except ConfigurationError as error:
            # The library's messages may hold the address, which may hold a password.
            reason = str(error).replace(self._uri, self._described())
            raise ValueError(f"[platform] rate_limit_storage: {reason}") from None
        except ValueError:
            raise ValueError(
                f"[platform] rate_limit_storage: {self._described()} is no address that can be read; "
                "a password's special characters must be percent-encoded"
            ) from None
        except Exception as error:  # noqa: BLE001 - such as a server that is away
            self._failed(error, since=started)

    def _connected(self) -> Storage:
        if self._storage is None:
            storage = storage_from_string(self._uri, **_options(self._uri))
            if not isinstance(storage, Storage):
                raise ConfigurationError(f"this storage is for asynchronous programs: {self._uri}")
            self._storage = storage
        return self._storage

    def _described(self) -> str:
        return f"{self._uri.partition(':')[0]}://…"

    def _failed(self, error: Exception, *, since: float) -> None:
        now = _clock()
        self._asked_again_at = now + max(REST, REST_FACTOR * (now - since))
        if now >= self._logged_again_at:
            self._logged_again_at = now + LOGGED_EVERY
            log.error(
                "Requests pass unlimited: the storage %s of the rate limits fails: %s: %s",
                self._described(),
                type(error).__name__,
                error,
            )


def _state(
    storage: Storage, item: RateLimitItem, subject: Subject, limit: _Limit, amount: int
) -> LimitStatus:
    key = item.key_for(subject.kind, subject.id, limit.name)
    count = storage.incr(key, item.get_expiry(), amount) if amount else storage.get(key)
    exceeded = count > item.amount if amount else count >= item.amount
    remaining = max(0, item.amount - count)
    ends = storage.get_expiry(key)
    return LimitStatus(limit.rate, item.amount, item.get_expiry(), remaining, ends, exceeded, limit.name)


def _options(uri: str) -> dict[str, Any]:
    """What keeps a Redis that does not answer from holding up requests; the address may say otherwise."""
    if uri.partition(":")[0] not in ("redis", "rediss", "redis+unix"):
        return {}
    try:
        from redis import backoff, exceptions, retry
    except ImportError:
        return {}  # the library says so itself
    # Once more at once, for a connection that the server has closed meanwhile.
    again = retry.Retry(backoff.NoBackoff(), 1, supported_errors=(exceptions.ConnectionError,))
    return {"socket_timeout": _REDIS_TIMEOUT, "socket_connect_timeout": _REDIS_TIMEOUT, "retry": again}


def from_settings() -> Limiter | None:
    """The limiter that the settings ask for; None where they ask for none.

    Raises:
        ValueError: an option does not fit; the message names it.
    """
    config = settings.get(RateLimitSettings)
    if not config.rate_limits:
        return None
    each: dict[RequestClass, str] = {rate: getattr(config, f"rate_limit_{rate.value}") for rate in LIMITED}
    user = {RequestClass.QUERY: config.rate_limit_user_query, RequestClass.BULK: config.rate_limit_user_bulk}
    return Limiter(config.rate_limit_storage, Limits(each, user, config.rate_limit_failed))


def problem() -> str | None:
    """Why requests are not limited although they should be, or None; for an operator."""
    try:
        limiter = from_settings()
    except ValueError as error:
        return f"Requests are not limited: {error}"
    return None if limiter is None else limiter.problem()


def check() -> tuple[bool, str]:
    """Check that requests can be counted, for ``doctor``."""
    found = problem()
    return found is None, found or "Requests are limited, or need not be."
