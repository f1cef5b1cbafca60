"""What the service of DataKits takes. A new version is a ``manifest.Registration``."""

from dataclasses import dataclass
from typing import TypedDict

from airflow_platform_plugin.core import pagination


class DataKitChanges(TypedDict):
    """The changes to a version: only whether it is withdrawn can change.

    Attributes:
        withdrawn: whether new deploys are refused.
        reason: why it is withdrawn.
    """

    withdrawn: bool
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class DataKitFilter(pagination.Query):
    """A page of the list of versions; a version matches every filter that is given.

    Attributes:
        type: ``transformation``, ``ingestion`` or ``export``.
        tags: a version has all of these tags.
        search: part of the name or the description, in any case.
        tenant_id: the tenant that owns the version.
    """

    type: str | None = None
    tags: tuple[str, ...] | list[str] = ()
    search: str | None = None
    tenant_id: str | None = None
