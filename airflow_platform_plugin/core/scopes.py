"""Scopes: what a key or a token is for. Pure.

``<resource>:read`` and ``<resource>:write``, the same words for our endpoints and for Airflow's own.
Whoever may write may read. What neither implies has a verb of its own.
"""

from collections.abc import Collection
from enum import Enum, auto

RESOURCES = (
    "dags",
    "dag_runs",
    "tasks",
    "connections",
    "variables",
    "pools",
    "tenants",
    "datakits",
    "analytics",
    "webhooks",
    "api_keys",
    "oauth_clients",
    "admin",
)
SCOPES = (
    *(f"{resource}:{verb}" for resource in RESOURCES for verb in ("read", "write")),
    "connections:export",  # their secrets
)


class DagPolicy(Enum):
    """What a credential that is limited to some DAGs may do at an endpoint."""

    AUTH_MANAGER = auto()  # the endpoint asks the auth manager about each DAG, which knows the limit
    ROW_FILTER = auto()  # as above, and rows of other DAGs are filtered out of the stock code's queries
    NOT_APPLICABLE = auto()  # nothing there belongs to a DAG: allowed where the credential names the scope
    FORBIDDEN = auto()  # the endpoint cannot be narrowed to some DAGs


def covers(granted: Collection[str] | None, scope: str) -> bool:
    """Whether ``scope`` is among what was granted; None grants everything."""
    if granted is None or scope in granted:
        return True
    resource, verb = scope.split(":")
    return verb == "read" and f"{resource}:write" in granted


def within(inner: Collection[str] | None, outer: Collection[str] | None) -> bool:
    """Whether ``inner`` grants nothing that ``outer`` does not."""
    return outer is None or (inner is not None and all(covers(outer, scope) for scope in inner))


def common(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    """What both grant."""
    if one is None or other is None:
        return other if one is None else one
    return frozenset({scope for scope in one | other if covers(one, scope) and covers(other, scope)})
