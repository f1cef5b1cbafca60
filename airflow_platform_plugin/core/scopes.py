"""Scopes: what a key or a token may be used for.

Each resource has ``<resource>:read`` and ``<resource>:write``, which includes reading. They apply to the
platform's and to Airflow's endpoints. Other rights have their own verbs. Features declare their resources.
"""

from collections.abc import Collection
from enum import Enum, auto
from functools import cache

from airflow_platform_plugin.core.feature import ScopedResource, features


@cache
def resources() -> tuple[ScopedResource, ...]:
    """Return the resources of all features."""
    return tuple(resource for feature in features() for resource in feature.resources)


@cache
def known() -> tuple[str, ...]:
    """Return all scopes."""
    return (
        *(f"{resource.name}:{verb}" for resource in resources() for verb in ("read", "write")),
        *(f"{resource.name}:{verb}" for resource in resources() for verb in resource.verbs),
    )


def describe(granted: Collection[str]) -> list[str]:
    """Return texts that describe the scopes, for the consent page: one for each resource and other verb."""
    sentences = []
    for resource in resources():
        if f"{resource.name}:write" in granted:
            sentences.append(resource.write)
        elif f"{resource.name}:read" in granted:
            sentences.append(resource.read)
    return sentences + [
        text
        for resource in resources()
        for verb, text in resource.verbs.items()
        if f"{resource.name}:{verb}" in granted
    ]


class DagPolicy(Enum):
    """What a credential with a DAG limit may do at an endpoint."""

    AUTH_MANAGER = auto()  # the endpoint asks the auth manager about each DAG, which applies the limit
    ROW_FILTER = auto()  # the same, and the row filter hides rows of other DAGs from stock code
    NOT_APPLICABLE = auto()  # nothing belongs to a DAG; the credential must list the scope
    FORBIDDEN = auto()  # the endpoint cannot be limited to some DAGs


def covers(granted: Collection[str] | None, scope: str) -> bool:
    """Return whether the granted scopes include ``scope``; None grants all scopes."""
    if granted is None or scope in granted:
        return True
    resource, verb = scope.split(":")
    return verb == "read" and f"{resource}:write" in granted


def within(inner: Collection[str] | None, outer: Collection[str] | None) -> bool:
    """Return whether ``outer`` grants all that ``inner`` grants."""
    return outer is None or (inner is not None and all(covers(outer, scope) for scope in inner))


def common(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    """Return the scopes that both grant."""
    if one is None or other is None:
        return other if one is None else one
    return frozenset({scope for scope in one | other if covers(one, scope) and covers(other, scope)})
