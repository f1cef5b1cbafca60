"""Who is calling, in the words the rest of the platform uses. Handlers know no Flask-Login and no FAB."""

from dataclasses import dataclass
from typing import Any

from airflow_platform_plugin import airflow_compat

# What a scope's verb means to Airflow's auth manager.
METHODS = {"read": "GET", "write": "PUT", "delete": "DELETE"}


@dataclass(frozen=True)
class Principal:
    """The caller of a request.

    Attributes:
        username: the Airflow user who acts, also behind an API key.
        user: the auth manager's own user object.
        key_id: the public id of the API key that was used, if one was.
    """

    username: str
    user: Any
    key_id: str | None = None

    def may(self, scope: str) -> bool:
        """Whether the caller holds ``scope``, such as ``tenants:write``."""
        method, resource = permission(scope)
        allowed: bool = airflow_compat.auth_manager().is_authorized_custom_view(
            method=method, resource_name=resource, user=self.user
        )
        return allowed


def permission(scope: str) -> tuple[str, str]:
    """The permission that Airflow's roles grant for a scope: ``("PUT", "Platform Tenants")``."""
    resource, verb = scope.split(":")
    return METHODS[verb], f"Platform {resource.replace('_', ' ').title()}"
