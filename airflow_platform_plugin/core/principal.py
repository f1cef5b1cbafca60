"""The caller of a request, and what the caller may do. Handlers do not see Flask-Login or FAB."""

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
from airflow_platform_plugin.core.memberships import memberships_of
from airflow_platform_plugin.core.reach import EVERYWHERE, NOWHERE, DagReach, Reach
from airflow_platform_plugin.core.scopes import DagPolicy

# The action of Airflow's permissions for a scope's verb.
ACTIONS = {"read": "can_read", "write": "can_edit", "export": "can_export"}


class Access(Enum):
    """Where the caller of an endpoint needs its scope."""

    PLATFORM = auto()  # in all tenants
    TENANT = auto()  # in any tenant; the service limits what is read and written with ``Principal.reach``
    OWN = auto()  # users need no role for what is their own; credentials need the scope


@dataclass(frozen=True)
class DagLimit:
    """The DAGs that a credential is limited to: those with a matching id, and those with one of the tags.

    Attributes:
        dag_ids: shell patterns of DAG ids, for ``fnmatch``: ``analytics_*``.
        tags: tags of DAGs.
    """

    dag_ids: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    @cached_property
    def patterns(self) -> globs.Globs:
        """The patterns, compiled once."""
        return globs.compile_patterns(self.dag_ids)


@dataclass(frozen=True)
class Credential:
    """An API key or access token that a request was sent with.

    Attributes:
        id: the public id of the API key or the OAuth client; for the audit log and rate limits.
        scopes: its scopes; None for all that its owner may do.
        dags: its DAG limits; a DAG must be within each of them. If empty, there is no limit.
        networked: whether it is limited to networks.
        tenant_id: the only tenant that it reaches; None for all of its owner's.
        rate_limits: rate limits by class of request that replace those of the settings.
        own_limits: the part of ``rate_limits`` that is the credential's own, not its tenant's.
        reference: its unique reference among all credentials: ``api_key:…``, ``token:…``.
        expires_at: when it expires; None for never.
        counted_as: the id of the key whose rate limits it shares; None if it is counted by its own id.
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
        username: the name of the Airflow user, also with a credential.
        user: the auth manager's own user object.
        credential: the API key or token of the request; None with a session or a password.
    """

    username: str
    user: User
    credential: Credential | None = None

    @property
    def account(self) -> Account:
        """The user's account, which another user with the same name does not have."""
        return airflow_compat.users.account_of(self.user)

    def reach(self, scope: str) -> Reach:
        """Return the tenants in which the caller holds ``scope``, by role and by credential."""
        if not self._granted(scope):
            return NOWHERE
        memberships = memberships_of(self.user)  # before the permissions, which it reads too
        reach = EVERYWHERE
        if permission(scope) not in airflow_compat.users.permissions(self.user):
            reach = Reach(memberships.tenants_with([tenant_permission(scope)]))
        only = self.credential.tenant_id if self.credential else None
        return reach if only is None else reach.within(only)

    def may(self, scope: str, tenant_id: str | None = None) -> bool:
        """Return whether the caller holds ``scope``, such as ``webhooks:write``, in that tenant."""
        return self.reach(scope).allows(tenant_id)

    def knows(self, tenant_id: str) -> bool:
        """Return whether the caller may know that a tenant exists: its users, and who may read all tenants.

        The scopes of a credential do not matter: they do not change which tenants its owner belongs to.
        """
        if self.credential is not None and self.credential.tenant_id not in {None, tenant_id}:
            return False
        return tenant_id in memberships_of(self.user).roles or permission(
            "tenants:read"
        ) in airflow_compat.users.permissions(self.user)

    def require_dag(self, dag_id: str, method: str, part: str) -> None:
        """Check that the caller may use a method on a part of a DAG, as Airflow's own endpoints check it.

        Args:
            dag_id: the DAG, which need not exist.
            method: ``GET``, ``POST`` or ``PUT``.
            part: ``RUN`` or ``TASK_INSTANCE``.

        Raises:
            NotFound: the caller may not read the DAG, or it does not exist.
            PermissionDenied: the caller may read the DAG, but not do this.
        """
        if not airflow_compat.authorization.is_authorized_dag(self.user, "GET", dag_id):
            raise NotFound(f"DAG '{dag_id}' not found", dag_id=dag_id)
        if not airflow_compat.authorization.is_authorized_dag(self.user, method, dag_id, part):
            raise PermissionDenied(f"You may not do this with DAG '{dag_id}'.", dag_id=dag_id)

    def reach_of_runs(self) -> DagReach:
        """Return the DAGs whose runs the caller may read."""
        if not airflow_compat.authorization.is_authorized_dag(self.user, "GET", None, "RUN"):
            return DagReach()
        if airflow_compat.authorization.is_authorized_dag(self.user, "GET", None):
            return DagReach(everywhere=True)
        return DagReach(airflow_compat.authorization.permitted_dag_ids(self.user, "GET"))

    def require(self, scope: str, access: Access, *, dags: DagPolicy) -> None:
        """Check that the caller may use an endpoint.

        Args:
            scope: the scope that the endpoint declares.
            access: where the caller needs it.
            dags: what a credential with a DAG limit may do there.

        Raises:
            PermissionDenied: the user or the credential lacks the scope, or the endpoint cannot apply the DAG
                limit of the credential.
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
        """Check that the credential may use a stock endpoint, where Airflow itself checks the roles.

        Raises:
            PermissionDenied: the credential lacks the scope, or the endpoint cannot apply its limit to DAGs
                or to a tenant.
        """
        if scope is None or self.credential is None:
            return
        if not self._granted(scope):
            raise PermissionDenied(f"This needs the scope {scope}.", scope=scope)
        if self.credential.tenant_id is not None and dags in {DagPolicy.NOT_APPLICABLE, DagPolicy.FORBIDDEN}:
            raise PermissionDenied(
                "A key of a tenant cannot do this: Airflow does not separate it by tenants.", scope=scope
            )
        if self.credential.dags:
            self._require_dags(dags, scope)

    def _require_dags(self, dags: DagPolicy, scope: str) -> None:
        """Refuse an endpoint that cannot apply a DAG limit."""
        if dags is DagPolicy.FORBIDDEN:
            raise PermissionDenied(
                "A key that is limited to some DAGs cannot do this, since it affects other DAGs too.",
                scope=scope,
            )
        if (
            dags is DagPolicy.NOT_APPLICABLE
            and self.credential is not None
            and self.credential.scopes is None
        ):
            raise PermissionDenied(
                f"A key that is limited to some DAGs needs the scope {scope} in its list of scopes for this.",
                scope=scope,
            )

    def _granted(self, scope: str) -> bool:
        return self.credential is None or scopes.covers(self.credential.scopes, scope)


def permission(scope: str) -> tuple[str, str]:
    """Return the permission of Airflow's roles for a scope: ``("can_edit", "Platform Webhooks")``."""
    resource, verb = scope.split(":")
    return ACTIONS[verb], f"Platform {resource.replace('_', ' ').title()}"


def tenant_permission(scope: str) -> tuple[str, str]:
    """Return the permission for a scope in the tenants that a user belongs to.

    It counts only in the shared roles of tenants: ``("can_edit", "Platform Webhooks of own tenants")``.
    """
    action, resource = permission(scope)
    return action, f"{resource} of own tenants"
