"""Who is calling, in the words the rest of the platform uses. Handlers know no Flask-Login and no FAB."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from functools import cached_property

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.types import User
from airflow_platform_plugin.airflow_compat.users import Account
from airflow_platform_plugin.core import globs, scopes
from airflow_platform_plugin.core.errors import NotFound, PermissionDenied
from airflow_platform_plugin.core.reach import EVERYWHERE, NOWHERE, Reach
from airflow_platform_plugin.core.scopes import DagPolicy

# What a scope's verb is called among the permissions of Airflow's roles.
ACTIONS = {"read": "can_read", "write": "can_edit", "export": "can_export"}


class Access(Enum):
    """Where the caller of an endpoint needs its scope."""

    PLATFORM = auto()  # in all tenants
    TENANT = auto()  # in any tenant; the service narrows what is read and written by ``Principal.reach``
    OWN = auto()  # roles need none: everybody reaches what is their own. Credentials need the scope


@dataclass(frozen=True)
class DagLimit:
    """The DAGs that a credential is limited to: any whose id fits a pattern or that has one of the tags.

    Attributes:
        dag_ids: shell patterns, as ``fnmatch`` reads them: ``analytics_*``.
        tags: names of tags.
    """

    dag_ids: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    @cached_property
    def patterns(self) -> globs.Globs:
        """The patterns, made ready once for as long as the credential is in use."""
        return globs.compiled(self.dag_ids)


@dataclass(frozen=True)
class Credential:
    """What a program has shown in place of a person's session.

    Attributes:
        id: public; stands in the audit log, and limits of requests count by it. An API key's id, or an
            OAuth client's.
        scopes: what it is for; None means everything that its owner may.
        dags: the limits to some DAGs, all of which hold; none for all of its owner's.
        networked: whether it counts only from some networks.
        tenant_id: the tenant that it reaches and no other; None for all of its owner's.
        rate_limits: how often it may call, by class of request, where that differs from the settings.
        own_limits: of those the ones that are the credential's own rather than its tenant's.
        reference: names the key or token among all credentials: ``api_key:…``, ``token:…``.
        expires_at: when it ends; None for never.
        counted_as: the id by which requests are counted, where that is not its own: the key from which it
            has its rate limits.
    """

    id: str
    scopes: frozenset[str] | None = None
    dags: tuple[DagLimit, ...] = ()
    networked: bool = False
    tenant_id: str | None = None
    rate_limits: Mapping[str, str] = field(default_factory=dict)
    own_limits: Mapping[str, str] = field(default_factory=dict)
    reference: str = ""
    expires_at: datetime | None = None
    counted_as: str | None = None


@dataclass(frozen=True)
class Principal:
    """The caller of a request.

    Attributes:
        username: the Airflow user who acts, also behind a credential.
        user: the auth manager's own user object.
        credential: the API key or token that was used; None in a browser's session and the like.
    """

    username: str
    user: User
    credential: Credential | None = None

    @property
    def account(self) -> Account:
        """Which user acts, rather than what the user is called."""
        return airflow_compat.users.account_of(self.user)

    def reach(self, scope: str) -> Reach:
        """Return the tenants in which the caller holds ``scope``, by roles and credential alike."""
        if not self._granted(scope):
            return NOWHERE
        action, resource = permission(scope)
        permissions = airflow_compat.users.permissions(self.user)
        reach = EVERYWHERE
        if (action, resource) not in permissions:
            prefix = f"{resource}:"
            reach = Reach(
                frozenset(
                    name.removeprefix(prefix)
                    for held, name in permissions
                    if held == action and name.startswith(prefix)
                )
            )
        only = self.credential.tenant_id if self.credential else None
        return reach if only is None else reach.within(only)

    def may(self, scope: str, tenant_id: str | None = None) -> bool:
        """Return whether the caller holds ``scope``, such as ``webhooks:write``, in that tenant."""
        return self.reach(scope).allows(tenant_id)

    def knows(self, tenant_id: str) -> bool:
        """Whether the caller may know that there is such a tenant: by any right in it, or as it may read all.

        A credential's scopes do not count here: they say what it is for, and not where its owner belongs.
        """
        if self.credential is not None and self.credential.tenant_id not in {None, tenant_id}:
            return False
        held = airflow_compat.users.permissions(self.user)
        within = any(name.startswith("Platform ") and name.endswith(f":{tenant_id}") for _, name in held)
        return within or permission("tenants:read") in held

    def require_dag(self, dag_id: str, method: str, part: str) -> None:
        """Let through whoever may do that with a part of a DAG, by the rules of Airflow's own endpoints.

        Args:
            dag_id: the DAG, which need not exist.
            method: ``GET``, ``POST`` or ``PUT``.
            part: ``RUN`` or ``TASK_INSTANCE``.

        Raises:
            NotFound: the caller may not read the DAG; nothing tells whether there is one.
            PermissionDenied: the caller may read it, but not do this.
        """
        if not airflow_compat.authorization.is_authorized_dag(self.user, "GET", dag_id):
            raise NotFound(f"DAG '{dag_id}' not found", dag_id=dag_id)
        if not airflow_compat.authorization.is_authorized_dag(self.user, method, dag_id, part):
            raise PermissionDenied(f"You may not do this with DAG '{dag_id}'.", dag_id=dag_id)

    def dags_with_runs(self) -> set[str] | None:
        """The DAGs whose runs the caller may read; None is all, also those that are gone."""
        if not airflow_compat.authorization.is_authorized_dag(self.user, "GET", None, "RUN"):
            return set()
        if airflow_compat.authorization.is_authorized_dag(self.user, "GET", None):
            return None
        return airflow_compat.authorization.permitted_dag_ids(self.user, "GET")

    def require(self, scope: str, access: Access, *, dags: DagPolicy) -> None:
        """Check that the caller may use an endpoint.

        Args:
            scope: the scope that the endpoint declares.
            access: where the caller needs it.
            dags: what a credential that is limited to some DAGs may do there.

        Raises:
            PermissionDenied: a role or the credential lacks the scope, or the credential is limited to
                DAGs or a tenant and the endpoint cannot be.
        """
        match access:
            case Access.OWN:
                held = self._granted(scope)
            case Access.TENANT:
                held = bool(self.reach(scope))
            case Access.PLATFORM:
                held = self.may(scope)
        if not held:
            raise PermissionDenied(f"This needs the scope {scope}.", scope=scope)
        if self.credential is not None and self.credential.dags:
            self._require_dags(dags, scope)

    def require_grant(self, scope: str | None, *, dags: DagPolicy) -> None:
        """The same for a stock endpoint, where Airflow itself looks at the roles.

        Raises:
            PermissionDenied: as for ``require``.
        """
        if scope is None or self.credential is None:
            return
        if not self._granted(scope):
            raise PermissionDenied(f"This needs the scope {scope}.", scope=scope)
        if self.credential.tenant_id is not None and dags in {DagPolicy.NOT_APPLICABLE, DagPolicy.FORBIDDEN}:
            raise PermissionDenied(
                "A key of a tenant cannot do this: Airflow keeps it for all tenants together.", scope=scope
            )
        if self.credential.dags:
            self._require_dags(dags, scope)

    def _require_dags(self, dags: DagPolicy, scope: str) -> None:
        """Refuse what a credential that is limited to some DAGs cannot be let do."""
        if dags is DagPolicy.FORBIDDEN:
            raise PermissionDenied(
                "A key that is limited to some DAGs cannot do this: it reaches beyond them.", scope=scope
            )
        if (
            dags is DagPolicy.NOT_APPLICABLE
            and self.credential is not None
            and self.credential.scopes is None
        ):
            raise PermissionDenied(
                f"A key that is limited to some DAGs needs the scope {scope} by name for this.", scope=scope
            )

    def _granted(self, scope: str) -> bool:
        return self.credential is None or scopes.covers(self.credential.scopes, scope)


def permission(scope: str, tenant_id: str | None = None) -> tuple[str, str]:
    """The permission of Airflow's roles for a scope: ``("can_edit", "Platform Webhooks")``.

    For one tenant alone it is ``("can_edit", "Platform Webhooks:analytics-team")``.
    """
    resource, verb = scope.split(":")
    name = f"Platform {resource.replace('_', ' ').title()}"
    return ACTIONS[verb], name if tenant_id is None else f"{name}:{tenant_id}"


def in_any_tenant(user: User) -> bool:
    """Whether the user's roles give any right in some tenant."""
    return any(
        name.startswith("Platform ") and ":" in name for _, name in airflow_compat.users.permissions(user)
    )
