"""What the service of members takes and returns."""

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from airflow_platform_plugin.core import pagination
from airflow_platform_plugin.core.naming import TenantRole


@dataclass(frozen=True, kw_only=True)
class MemberFilter(pagination.Query):
    """Which members to list.

    Attributes:
        role: the role that they have in the tenant: ``admin``, ``member`` or ``viewer``; any if None.
        search: text in the user name, in any case; any if None.
    """

    role: str | None = None
    search: str | None = None


class Source(str, Enum):
    """Where a member's role comes from."""

    ADMIN_USERS = "admin_users"  # the tenant's list of admins
    GROUP = "group"  # each login gives it to the users of a group of the identity provider
    ASSIGNED = "assigned"  # the API or Airflow's page List Users


class GroupRole(NamedTuple):
    """A group of the identity provider, and the role that its users get in the tenant at each login."""

    group: str
    role: TenantRole


@dataclass(frozen=True)
class Member:
    """A user who belongs to a tenant.

    Attributes:
        username: the user's name, as Airflow stores it.
        role: the strongest role of the user in the tenant.
        source: where it comes from.
    """

    username: str
    role: TenantRole
    source: Source

    @property
    def editable(self) -> bool:
        """Whether the API may change it; a change would otherwise be lost at the next login."""
        return self.source is not Source.GROUP


@dataclass(frozen=True)
class MemberPage:
    """A page of members.

    Attributes:
        items: the members.
        total_entries: the number of members on all pages.
        groups: the groups that give roles in the tenant at each login.
    """

    items: list[Member]
    total_entries: int
    groups: list[GroupRole]
