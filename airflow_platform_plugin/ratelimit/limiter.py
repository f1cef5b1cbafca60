"""Count requests in fixed windows, in a storage of the library ``limits``.

Only a limit that is reached refuses a request. If the storage fails, requests pass without limits. The
failure is logged, and the storage is not asked again for a moment.
"""

import logging
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

from limits import RateLimitItem
from limits.errors import ConfigurationError
from limits.storage import Storage, storage_from_string

from airflow_platform_plugin.core import rate_limits, settings
from airflow_platform_plugin.core.rate_limits import LIMITED, RequestClass
from airflow_platform_plugin.core.types import Option
from airflow_platform_plugin.ratelimit import file_storage  # noqa: F401 - registers its scheme with the library
from airflow_platform_plugin.ratelimit.limits import ConfiguredLimits, LimitStatus, Subject
from airflow_platform_plugin.ratelimit.settings import RateLimitSettings

log = logging.getLogger(__name__)

# After a failure, the storage is not asked for so many seconds, or for so many times as long as the failure
# took. Resolving a host name may take long, and must not take most of a worker's time.
PAUSE = 2.0
PAUSE_FACTOR = 10
LOGGED_EVERY = 60.0
# Seconds for which a correct password is remembered at an address.
PROOF_SECONDS = 600
_REDIS_TIMEOUT = 0.2  # seconds
_clock = time.monotonic
_Result = TypeVar("_Result")


class _Limit(NamedTuple):
    """Limits that share one count; ``name`` separates it from the subject's other counts."""

    request_class: RequestClass
    name: str
    items: tuple[RateLimitItem, ...]


class Limiter:
    """Count requests against the limits of the settings, or of a credential."""

    def __init__(self, storage_uri: str, limits: Mapping[RequestClass, str] | ConfiguredLimits) -> None:
        """Raise ``ValueError`` if a limit is not valid, or if the storage cannot be used."""
        self._uri = storage_uri
        self._limits = limits if isinstance(limits, ConfiguredLimits) else ConfiguredLimits(dict(limits))
        for option, text in self._limits.options().items():
            try:
                rate_limits.parse(text)
            except ValueError as error:
                raise ValueError(f"[platform] {option}: {error}") from None
        self._storage: Storage | None = None
        self._asked_again_at = self._logged_again_at = 0.0
        self._connect()

    def hit(
        self, subject: Subject, request_class: RequestClass, overrides: Mapping[str, str] | None = None
    ) -> list[LimitStatus]:
        """Count a request.

        Args:
            subject: the caller.
            request_class: the request's class.
            overrides: limits by class that replace those of the settings.

        Returns:
            The limits of the class; empty if the storage fails.
        """
        return self._ask(subject, self._per_caller(request_class, overrides or {}), amount=1)

    def test(
        self, subject: Subject, request_class: RequestClass, overrides: Mapping[str, str] | None = None
    ) -> list[LimitStatus]:
        """Do the same without counting; ``exceeded`` says whether another request would be one too many."""
        return self._ask(subject, self._per_caller(request_class, overrides or {}), amount=0)

    def limits_users(self, request_class: RequestClass) -> bool:
        """Return whether the class has a limit for a user with all credentials together."""
        return request_class in self._limits.per_user

    def hit_user(self, subject: Subject, request_class: RequestClass) -> list[LimitStatus]:
        """Count a request against the limit of its user with all credentials together."""
        return self._ask(subject, self._per_user(request_class), amount=1)

    def test_user(self, subject: Subject, request_class: RequestClass) -> list[LimitStatus]:
        """Do the same without counting."""
        return self._ask(subject, self._per_user(request_class), amount=0)

    def hit_failure(self, address: Subject) -> list[LimitStatus]:
        """Count a wrong key or password."""
        return self._ask(address, self._failures(), amount=1)

    def test_failure(self, address: Subject) -> list[LimitStatus]:
        """Do the same without counting."""
        return self._ask(address, self._failures(), amount=0)

    def remember_proof(self, proof: str) -> None:
        """Remember the digest of a correct password for a while."""
        self._with_storage(lambda storage: storage.get(proof) or storage.incr(proof, PROOF_SECONDS), 0)

    def knows_proof(self, proof: str) -> bool:
        """Return whether a digest is remembered; False if the storage fails."""
        return bool(self._with_storage(lambda storage: storage.get(proof), 0))

    def problem(self) -> str | None:
        """Return what is wrong with the storage now, or None."""
        try:
            storage = self._connected()
            if storage.check():
                return None
            storage.get("")  # raises the cause
        except Exception as error:  # noqa: BLE001 - whatever the storage's library raises
            return (
                f"The storage {self._described()} of the rate limits fails: {type(error).__name__}: {error}"
            )
        return f"The storage {self._described()} of the rate limits fails."

    def _ask(self, subject: Subject, limit: _Limit, *, amount: int) -> list[LimitStatus]:
        def count(storage: Storage) -> list[LimitStatus]:
            statuses: list[LimitStatus] = []
            for item in limit.items:
                # A request that one limit refuses does not count against the longer ones.
                refused = any(status.exceeded for status in statuses)
                statuses.append(_status(storage, item, subject, limit, 0 if refused else amount))
            return statuses

        return self._with_storage(count, []) if limit.items else []

    def _with_storage(self, ask: Callable[[Storage], _Result], otherwise: _Result) -> _Result:
        started = _clock()
        if started < self._asked_again_at:
            return otherwise
        try:
            return ask(self._connected())
        except Exception as error:  # noqa: BLE001 - whatever the storage's library raises
            self._failed(error, since=started)
            return otherwise

    def _per_caller(self, request_class: RequestClass, overrides: Mapping[str, str]) -> _Limit:
        return _Limit(request_class, request_class.value, self._items(request_class, overrides))

    def _per_user(self, request_class: RequestClass) -> _Limit:
        text = self._limits.per_user.get(request_class)
        items = () if text is None else rate_limits.parse(text)
        return _Limit(request_class, f"user-{request_class.value}", items)

    def _failures(self) -> _Limit:
        text = self._limits.failures
        return _Limit(RequestClass.READ, "failed", () if text is None else rate_limits.parse(text))

    def _items(self, request_class: RequestClass, overrides: Mapping[str, str]) -> tuple[RateLimitItem, ...]:
        text = overrides.get(request_class.value)
        if text is not None:
            try:
                return rate_limits.parse(text)
            except ValueError:  # not written by the API
                log.warning("%r is not a rate limit; the limit of the settings is used", text)
        return rate_limits.parse(self._limits.per_caller[request_class])

    def _connect(self) -> None:
        """Check that the storage can be created. It need not answer yet."""
        started = _clock()
        try:
            self._connected()
        except ConfigurationError as error:
            # The library's messages may contain the address, which may contain a password.
            reason = str(error).replace(self._uri, self._described())
            raise ValueError(f"[platform] rate_limit_storage: {reason}") from None
        except ValueError:
            raise ValueError(
                f"[platform] rate_limit_storage: {self._described()} is not a valid address; "
                "percent-encode special characters of a password"
            ) from None
        except Exception as error:  # noqa: BLE001 - such as a server that does not answer
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
        self._asked_again_at = now + max(PAUSE, PAUSE_FACTOR * (now - since))
        if now >= self._logged_again_at:
            self._logged_again_at = now + LOGGED_EVERY
            log.error(
                "Requests pass unlimited: the storage %s of the rate limits fails: %s: %s",
                self._described(),
                type(error).__name__,
                error,
            )


def _status(
    storage: Storage, item: RateLimitItem, subject: Subject, limit: _Limit, amount: int
) -> LimitStatus:
    key = item.key_for(subject.kind, subject.id, limit.name)
    count = storage.incr(key, item.get_expiry(), amount) if amount else storage.get(key)
    exceeded = count > item.amount if amount else count >= item.amount
    remaining = max(0, item.amount - count)
    ends = storage.get_expiry(key)
    return LimitStatus(
        limit.request_class, item.amount, item.get_expiry(), remaining, ends, exceeded, limit.name
    )


def _options(uri: str) -> dict[str, Option]:
    """Return timeouts, so that a Redis that does not answer does not delay requests.

    Parameters of the address replace them.
    """
    if uri.partition(":")[0] not in ("redis", "rediss", "redis+unix"):
        return {}
    try:
        from redis import backoff, exceptions, retry
    except ImportError:
        return {}  # the library reports it
    # Retry once, without a pause: the server may have closed an idle connection.
    again = retry.Retry(backoff.NoBackoff(), 1, supported_errors=(exceptions.ConnectionError,))
    return {"socket_timeout": _REDIS_TIMEOUT, "socket_connect_timeout": _REDIS_TIMEOUT, "retry": again}


def from_settings() -> Limiter | None:
    """Return the limiter of the settings; None if rate limits are turned off.

    Raises:
        ValueError: an option is not valid; the message names it.
    """
    config = settings.get(RateLimitSettings)
    if not config.rate_limits:
        return None
    per_caller: dict[RequestClass, str] = {
        each: getattr(config, f"rate_limit_{each.value}") for each in LIMITED
    }
    per_user = {
        RequestClass.QUERY: config.rate_limit_user_query,
        RequestClass.BULK: config.rate_limit_user_bulk,
    }
    return Limiter(
        config.rate_limit_storage, ConfiguredLimits(per_caller, per_user, config.rate_limit_failed)
    )


def problem() -> str | None:
    """Return why requests are not limited although they should be, or None."""
    try:
        limiter = from_settings()
    except ValueError as error:
        return f"Requests are not limited: {error}"
    return None if limiter is None else limiter.problem()


def check() -> tuple[bool, str]:
    """Check that requests can be counted, for ``doctor``."""
    found = problem()
    return found is None, found or "Requests are limited, or rate limits are turned off."
