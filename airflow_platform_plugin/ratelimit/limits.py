"""What is limited and how it stands: subjects, limits and their status. Pure."""

from collections.abc import Mapping
from typing import NamedTuple

from airflow_platform_plugin.core.rate_limits import RequestClass


class Subject(NamedTuple):
    """A caller: the requests of one subject are counted together.

    Attributes:
        kind: ``credential`` (an API key or OAuth client), ``user``, ``address``, or ``client`` (an OAuth
            client at an address, before it has authenticated).
        id: the credential's public id, the user's id, or the address.
    """

    kind: str
    id: str


class LimitStatus(NamedTuple):
    """One limit and how much of it a subject has used.

    Attributes:
        request_class: the class of requests.
        limit: how many requests a window allows.
        window: the window's length in seconds.
        remaining: how many requests are left in this window.
        reset: when the window ends, as Unix time.
        exceeded: whether the counted request is one too many.
        name: the limit's name in headers.
    """

    request_class: RequestClass
    limit: int
    window: int
    remaining: int
    reset: float
    exceeded: bool
    name: str = ""


class ConfiguredLimits(NamedTuple):
    """The limits of the settings.

    Attributes:
        per_caller: for each key, user or address, by class.
        per_user: for a user with all credentials together, by class; may lack classes.
        failures: for wrong keys and passwords from one address; None for no such limit.
    """

    per_caller: Mapping[RequestClass, str]
    per_user: Mapping[RequestClass, str] = {}
    failures: str | None = None

    def options(self) -> dict[str, str]:
        """Return all limits by the names of their settings."""
        per_caller = {f"rate_limit_{each.value}": text for each, text in self.per_caller.items()}
        per_user = {f"rate_limit_user_{each.value}": text for each, text in self.per_user.items()}
        return per_caller | per_user | ({} if self.failures is None else {"rate_limit_failed": self.failures})
