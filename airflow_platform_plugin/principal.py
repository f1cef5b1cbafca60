"""Who is calling, in the words the rest of the platform uses. Handlers know no Flask-Login and no FAB."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_platform_plugin import airflow_compat, scopes
from airflow_platform_plugin.errors import PermissionDenied
from airflow_platform_plugin.scopes import Dags

# What a scope's verb means to Airflow's auth manager.
METHODS = {"read": "GET", "write": "PUT"}


@dataclass(frozen=True)
class DagLimit:
    """The DAGs that a credential is limited to: any whose id fits a pattern or that has one of the tags.

    Attributes:
        dag_ids: shell patterns, as ``fnmatch`` reads them: ``analytics_*``.
        tags: names of tags.
    """

    dag_ids: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Credential:
    """What a program has shown in place of a person's session.

    Attributes:
        id: public; stands in the audit log, and limits of requests count by it. An API key's id, or an
            OAuth client's.
        scopes: what it is for; None means everything that its owner may.
        dags: the DAGs it is limited to; None means all of its owner's.
        networked: whether it counts only from some networks.
        rate_limits: how often it may call, by class of request, where that differs from the settings.
    """

    id: str
    scopes: frozenset[str] | None = None
    dags: DagLimit | None = None
    networked: bool = False
    rate_limits: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Principal:
    """The caller of a request.

    Attributes:
        username: the Airflow user who acts, also behind a credential.
        user: the auth manager's own user object.
        credential: the API key or token that was used; None in a browser's session and the like.
    """

    username: str
    user: Any
    credential: Credential | None = None

    def may(self, scope: str) -> bool:
        """Whether the caller holds ``scope``, such as ``tenants:write``, by roles and credential alike."""
        method, resource = permission(scope)
        allowed: bool = airflow_compat.auth_manager().is_authorized_custom_view(
            method=method, resource_name=resource, user=self.user
        )
        return allowed and self._granted(scope)

    def require(self, scope: str, *, dags: Dags, personal: bool = False) -> None:
        """Let through whoever may do what an endpoint of ours declares.

        Raises:
            PermissionDenied: a role or the credential lacks the scope, or the credential is limited to
                DAGs and the endpoint cannot be.
        """
        if not (self._granted(scope) if personal else self.may(scope)):
            raise PermissionDenied(f"This needs the scope {scope}.", scope=scope)
        self.require_dags(dags, scope)

    def require_grant(self, scope: str | None, *, dags: Dags) -> None:
        """The same for a stock endpoint, where Airflow itself looks at the roles.

        Raises:
            PermissionDenied: as for ``require``.
        """
        if scope is not None:
            if not self._granted(scope):
                raise PermissionDenied(f"This needs the scope {scope}.", scope=scope)
            self.require_dags(dags, scope)

    def require_dags(self, dags: Dags, scope: str) -> None:
        """Refuse what a credential that is limited to some DAGs cannot be let do.

        Raises:
            PermissionDenied: it is limited, and the endpoint cannot be.
        """
        if self.credential is None or self.credential.dags is None:
            return
        if dags is Dags.REFUSED:
            raise PermissionDenied(
                "A key that is limited to some DAGs cannot do this: it reaches beyond them.", scope=scope
            )
        if dags is Dags.NONE and self.credential.scopes is None:
            raise PermissionDenied(
                f"A key that is limited to some DAGs needs the scope {scope} by name for this.", scope=scope
            )

    def _granted(self, scope: str) -> bool:
        return self.credential is None or scopes.covers(self.credential.scopes, scope)


def permission(scope: str) -> tuple[str, str]:
    """The permission that Airflow's roles grant for a scope: ``("PUT", "Platform Tenants")``."""
    resource, verb = scope.split(":")
    return METHODS[verb], f"Platform {resource.replace('_', ' ').title()}"
