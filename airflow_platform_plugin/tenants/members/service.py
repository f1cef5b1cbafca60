"""Members of a tenant: list them, give them a role, remove them.

A user belongs to a tenant by having one of its roles. The tenant's ``admin_users`` and this service agree:
an admin is added to the list, so that a login that replaces roles gives the role back, and everyone else is
removed from it. What each login gives by groups of the identity provider is changed there alone.
"""

from collections.abc import Collection, Mapping

from sqlalchemy import func, select
from sqlalchemy.orm import Session
from sqlalchemy.sql import Select

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.users import Account
from airflow_platform_plugin.core import db, pagination, settings
from airflow_platform_plugin.core.errors import Conflict, NotFound, PermissionDenied
from airflow_platform_plugin.core.naming import TenantRole, parse_tenant_role_name, tenant_role_name
from airflow_platform_plugin.core.principal import Principal
from airflow_platform_plugin.http import audit
from airflow_platform_plugin.http.fields import MOST_MEMBERS
from airflow_platform_plugin.tenants import roles
from airflow_platform_plugin.tenants.members.inputs import (
    GroupRole,
    Member,
    MemberFilter,
    MemberPage,
    Source,
)
from airflow_platform_plugin.tenants.models import Tenant
from airflow_platform_plugin.tenants.settings import TenantSettings

READ, WRITE = "members:read", "members:write"

_STRONGEST_FIRST = (TenantRole.ADMIN, TenantRole.MEMBER, TenantRole.VIEWER)


def page(session: Session, tenant_id: str, query: MemberFilter, *, by: Principal) -> MemberPage:
    """Return a page of the members of a tenant, by default ordered by name.

    Raises:
        NotFound: the caller may not read the members of such a tenant.
    """
    tenant = _find_tenant(session, tenant_id, by)
    members = _select_members(tenant_id, query.role).subquery()
    rows = select(members.c.id, members.c.username)
    if query.search is not None:
        rows = rows.where(pagination.containing(query.search, members.c.username))
    total = session.scalar(select(func.count()).select_from(rows.subquery()))
    name = members.c.username.desc() if query.order_by == "-username" else members.c.username
    found = session.execute(rows.order_by(name, members.c.id).limit(query.limit).offset(query.offset)).all()
    items = _describe(session, tenant, {row.id: row.username for row in found})
    return MemberPage(items, int(total or 0), groups_of(tenant_id))


def get(session: Session, tenant_id: str, username: str, *, by: Principal) -> Member:
    """Return a member of a tenant.

    Raises:
        NotFound: the caller may not read the members of such a tenant, or the user is not a member.
    """
    return _find_member(session, _find_tenant(session, tenant_id, by), username)[1]


def assign(
    session: Session, tenant_id: str, username: str, *, role: TenantRole, by: Principal
) -> tuple[Member, bool]:
    """Give a user this role in a tenant, in place of any other role there.

    Returns:
        The member, and whether the user was not one before.

    Raises:
        NotFound: the caller may not read the members of such a tenant, or there is no such user.
        PermissionDenied: the caller may not change the members.
        Conflict: the next login would undo it, or the tenant has as many ``admin_users`` as it may have.
    """
    tenant = _lock_tenant(session, tenant_id, by)
    account = airflow_compat.users.account_named(session, username)
    if account is None:
        raise NotFound(
            f"username: there is no user '{username}'. A user exists in Airflow after the first login, or"
            " when an administrator has created it.",
            username=username,
        )
    before = _describe(session, tenant, {account.id: account.name})
    _require_lasting(tenant_id, role, before)
    held = _held(session, tenant_id, [account.id]).get(account.id, set())
    roles.replace(session, tenant_id, account.id, role)
    _set_admin(session, tenant, account, is_admin=role is TenantRole.ADMIN)
    _record(session, tenant_id, account, before=held, after={role})
    (member,) = _describe(session, tenant, {account.id: account.name})
    return member, not before


def remove(session: Session, tenant_id: str, username: str, *, by: Principal) -> None:
    """Take all roles of a tenant from a user.

    Raises:
        NotFound: the caller may not read the members of such a tenant, or the user is not a member.
        PermissionDenied: the caller may not change the members.
        Conflict: each login gives the role by a group.
    """
    tenant = _lock_tenant(session, tenant_id, by)
    account, member = _find_member(session, tenant, username)
    _require_editable(tenant_id, member)
    held = _held(session, tenant_id, [account.id])[account.id]
    roles.replace(session, tenant_id, account.id, None)
    _set_admin(session, tenant, account, is_admin=False)
    _record(session, tenant_id, account, before=held, after=set())


def groups_of(tenant_id: str) -> list[GroupRole]:
    """Return the groups that give roles in a tenant at each login; none if logins keep roles."""
    mapped = airflow_compat.login_roles.roles_by_group() or {}
    found = {
        GroupRole(group, parsed.role)
        for group, names in mapped.items()
        for name in names
        if (parsed := parse_tenant_role_name(name)) is not None and parsed.tenant_id == tenant_id
    }
    return sorted(found)


def _find_tenant(session: Session, tenant_id: str, by: Principal) -> Tenant:
    tenant: Tenant | None = session.get(Tenant, tenant_id)
    if tenant is None or not by.reach(READ).allows(tenant_id):
        raise _no_tenant(tenant_id)
    return tenant


def _lock_tenant(session: Session, tenant_id: str, by: Principal) -> Tenant:
    """Return a tenant whose members the caller may change. Another change waits until this one ends."""
    reach = by.reach(WRITE)
    if not reach.allows(tenant_id):
        if by.reach(READ).allows(tenant_id):
            raise PermissionDenied(f"This needs the scope {WRITE} in tenant '{tenant_id}'.", scope=WRITE)
        raise _no_tenant(tenant_id)
    if not reach.everywhere and not settings.get(TenantSettings).tenant_admins_manage_members:
        raise PermissionDenied(
            "Only platform admins may change the members of tenants here, with a credential for all tenants"
            " ([platform] tenant_admins_manage_members is off)."
        )
    tenant: Tenant | None = db.lock_row(session, Tenant, tenant_id)
    if tenant is None:
        raise _no_tenant(tenant_id)
    return tenant


def _find_member(session: Session, tenant: Tenant, username: str) -> tuple[Account, Member]:
    account = airflow_compat.users.account_named(session, username)
    found = [] if account is None else _describe(session, tenant, {account.id: account.name})
    if account is None or not found:
        raise NotFound(
            f"User '{username}' is not a member of tenant '{tenant.tenant_id}'.",
            tenant_id=tenant.tenant_id,
            username=username,
        )
    return account, found[0]


def _select_members(tenant_id: str, role: str | None) -> Select:
    if role is None:
        return airflow_compat.roles.select_users(roles.role_names(tenant_id))
    rank = _STRONGEST_FIRST.index(TenantRole(role))
    *stronger, wanted = (tenant_role_name(tenant_id, each) for each in _STRONGEST_FIRST[: rank + 1])
    return airflow_compat.roles.select_users([wanted], lacking=stronger)


def _held(session: Session, tenant_id: str, user_ids: Collection[int]) -> dict[int, set[TenantRole]]:
    """Return the roles of users in a tenant, by the user's id; users without one are left out."""
    named = {tenant_role_name(tenant_id, role): role for role in TenantRole}
    found = airflow_compat.roles.roles_by_user(session, named, user_ids)
    return {user_id: {named[name] for name in names} for user_id, names in found.items()}


def _describe(session: Session, tenant: Tenant, names: Mapping[int, str]) -> list[Member]:
    """Return those of some users who are members.

    Args:
        session: the request's transaction.
        tenant: the tenant.
        names: the users' names by id.
    """
    tenant_id = str(tenant.tenant_id)
    held = _held(session, tenant_id, names)
    listed = airflow_compat.users.ids_of(session, tenant.admin_users)
    mapped = {each.role for each in groups_of(tenant_id)}
    return [
        _member(name, held[user_id], mapped, is_listed=user_id in listed)
        for user_id, name in names.items()
        if user_id in held
    ]


def _member(name: str, held: set[TenantRole], mapped: set[TenantRole], *, is_listed: bool) -> Member:
    role = min(held, key=_STRONGEST_FIRST.index)
    source = Source.GROUP if held & mapped else Source.ASSIGNED
    # The list gives the strongest role at each login, whatever groups give.
    if role is TenantRole.ADMIN and is_listed:
        source = Source.ADMIN_USERS
    return Member(name, role, source)


def _require_lasting(tenant_id: str, role: TenantRole, before: list[Member]) -> None:
    """Refuse a change that the user's next login would undo."""
    for member in before:
        _require_editable(tenant_id, member)
    if role is not TenantRole.ADMIN and airflow_compat.login_roles.roles_by_group() is not None:
        raise Conflict(
            f"The user's next login would remove the role {role.value}, since AUTH_ROLES_SYNC_AT_LOGIN is on."
            " Put the user into a group of the identity provider that AUTH_ROLES_MAPPING maps to the Airflow"
            f" role '{tenant_role_name(tenant_id, role)}'.",
            role=role.value,
        )


def _require_editable(tenant_id: str, member: Member) -> None:
    if not member.editable:
        groups = groups_of(tenant_id)
        raise Conflict(
            f"User '{member.username}' gets the role {member.role.value} at each login from a group of the"
            " identity provider. Change the user's groups there, or AUTH_ROLES_MAPPING.",
            groups=[{"group": each.group, "role": each.role.value} for each in groups],
        )


def _set_admin(session: Session, tenant: Tenant, account: Account, *, is_admin: bool) -> None:
    """Add a user to the tenant's ``admin_users``, or remove the user's name and mail address from it."""
    admins: list[str] = list(tenant.admin_users)
    own = airflow_compat.users.names_of(session, account.id, admins)
    if is_admin and not own:
        if len(admins) >= MOST_MEMBERS:
            raise Conflict(
                f"Tenant '{tenant.tenant_id}' has {MOST_MEMBERS} admin_users and may not have more. Remove"
                " one.",
                admin_users=MOST_MEMBERS,
            )
        tenant.admin_users = [*admins, account.name]
    elif not is_admin and own:
        tenant.admin_users = [name for name in admins if name not in own]
    session.flush()


def _record(
    session: Session, tenant_id: str, account: Account, *, before: set[TenantRole], after: set[TenantRole]
) -> None:
    """Write a change of a user's roles to the audit log."""
    if before != after:
        then, now = (
            {"roles": sorted(role.value for role in held)} if held else None for held in (before, after)
        )
        audit.record_change(session, "tenant_member", f"{tenant_id}/{account.name}", before=then, after=now)


def _no_tenant(tenant_id: str) -> NotFound:
    return NotFound(f"Tenant '{tenant_id}' not found", tenant_id=tenant_id)
