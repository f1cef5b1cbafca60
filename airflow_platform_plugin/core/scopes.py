"""Scopes: what a key or a token is for.

``<resource>:read`` and ``<resource>:write``, the same for our endpoints and for Airflow's own. To write
includes to read. What neither includes has its own verb. Features declare their resources.
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
    """Return what scopes allow, in words: a sentence for each resource, and one for each further scope."""
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
