"""What the service of API keys takes."""

from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict, cast

from airflow_platform_plugin.core import pagination
from airflow_platform_plugin.core.unset import UNSET, Unset


class AllowedDags(TypedDict):
    """The DAGs that a key may reach: those with a matching id, and those with one of the tags.

    Attributes:
        dag_ids: shell patterns of DAG ids.
        tags: tags of DAGs.
    """

    dag_ids: list[str]
    tags: list[str]


class ApiKeyLimits(TypedDict, total=False):
    """The limits of a key; None means no limit.

    Attributes:
        tenant_id: the only tenant that it reaches.
        scopes: what it may be used for.
        allowed_dags: the DAGs that it may reach.
        allowed_networks: the networks from which it may be used, such as ``10.0.0.0/8``.
        rate_limits: how often it may call, by class of request: ``{"read": "100/minute"}``. None for the
            limits of its tenant or of the settings.
        expires_at: when it expires.
    """

    tenant_id: str | None
    scopes: list[str] | None
    allowed_dags: AllowedDags | None
    allowed_networks: list[str] | None
    rate_limits: dict[str, str] | None
    expires_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class NewApiKey:
    """A key to create. The limits are those of ``ApiKeyLimits``; the service chooses a limit that is unset.

    Attributes:
        name: for people.
        owner: the name of the user that the key acts as; None for the caller.
    """

    name: str
    owner: str | None = None
    tenant_id: str | Unset | None = UNSET
    scopes: list[str] | Unset | None = UNSET
    allowed_dags: AllowedDags | Unset | None = UNSET
    allowed_networks: list[str] | Unset | None = UNSET
    rate_limits: dict[str, str] | Unset | None = UNSET
    expires_at: datetime | Unset | None = UNSET

    def limits(self) -> ApiKeyLimits:
        """Return the limits that are set."""
        given = {name: getattr(self, name) for name in ApiKeyLimits.__annotations__}
        return cast("ApiKeyLimits", {name: limit for name, limit in given.items() if limit is not UNSET})


class ApiKeyChanges(ApiKeyLimits, total=False):
    """What to change of a key.

    Attributes:
        name: for people.
    """

    name: str


@dataclass(frozen=True, kw_only=True)
class ApiKeyFilter(pagination.Query):
    """Which keys to list.

    Attributes:
        owner: only the keys of the user with this name.
        tenant_id: only the keys that are limited to this tenant.
        revoked: whether to list revoked keys too.
    """

    owner: str | None = None
    tenant_id: str | None = None
    revoked: bool = False
