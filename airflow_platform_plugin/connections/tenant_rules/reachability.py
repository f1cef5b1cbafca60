"""Apply all rules for tenants' connections: when a connection is written, and when it is used.

``require_reachable`` is for code that is about to use a stored connection: a test, a query, a kit's run. It
applies today's rules to rows that were stored before a rule. ``destinations`` then looks the hosts' names
up, and checks each address.
"""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from airflow_platform_plugin.connections import authorization, name_conflicts
from airflow_platform_plugin.connections.inputs import ConnectionFields, FieldPath
from airflow_platform_plugin.connections.records import (
    DetachedConnection,
    is_decryptable,
    read_fields,
)
from airflow_platform_plugin.connections.settings import ConnectionSettings
from airflow_platform_plugin.connections.tenant_rules import (
    airflow_services,
    connection_types,
    host_fields,
    linked_connections,
)
from airflow_platform_plugin.connections.tenant_rules.connection_types import Problem
from airflow_platform_plugin.connections.tenant_rules.destinations import (
    Destination,
    find_service_refusal,
    read_rules,
    resolve_hosts,
)
from airflow_platform_plugin.connections.tenant_rules.host_fields import NamedHost
from airflow_platform_plugin.core import db, settings
from airflow_platform_plugin.core.errors import (
    FieldError,
    PermissionDenied,
    ServiceUnavailable,
    ValidationFailed,
)
from airflow_platform_plugin.core.principal import Principal
from airflow_platform_plugin.tenants import service as tenants

_DATABASE_FILE = "is Airflow's own database, which no tenant may reach"


@dataclass(frozen=True)
class Restrictions:
    """What restricts a connection.

    Attributes:
        tenant_id: the owning tenant. None, for a shared connection, means no restrictions: only platform
            admins write those.
        external: whether the tenant has the feature ``external_connections``.
        approved: whether a platform admin has approved the connection's type and extra.
    """

    tenant_id: str | None
    external: bool = False
    approved: bool = False


def require_reachable(checked: DetachedConnection, *, look_up: bool = True) -> Destination:
    """Apply the rules to a connection that is about to be used. No transaction may be open: DNS is asked.

    Args:
        checked: a connection that the caller may use. A shared one may lead anywhere.
        look_up: whether to look names up. A kit in a container asks its own DNS.

    Raises:
        PermissionDenied: tenants may not have connections of this type.
        ValidationFailed: a field leads where the tenant must not go; errors name the fields.
        ServiceUnavailable: a host's name is unknown, a secrets backend does not answer, or the password
            cannot be decrypted.
    """
    connection, tenant_id = checked.connection, checked.tenant_id
    if not is_decryptable(connection):
        raise ServiceUnavailable(
            f"The password of connection '{connection.conn_id}' cannot be decrypted: set it again, or "
            "restore the Fernet key that encrypted it."
        )
    if tenant_id is None:
        return Destination()
    fields = read_fields(connection)
    extra = fields.extra or {}
    with db.transaction() as session:
        restrictions = find_restrictions(session, tenant_id, approved=checked.approved)
        if not restrictions.approved:
            linked_connections.require_of_tenant(session, extra, tenant_id)
    hosts = require_fields(fields, restrictions)
    if not restrictions.approved:
        # A hook would find the linked connection in the environment or the secrets backend.
        linked_connections.refuse_links(extra, name_conflicts.is_shadowed)
    return resolve_hosts(hosts) if look_up else Destination(hosts)


def require_writable(
    session: Session, tenant_id: str | None, fields: ConnectionFields, by: Principal, *, approving: bool
) -> bool:
    """Refuse a connection that its tenant may not have, or that the caller may not write for the tenant.

    Args:
        session: the request's transaction.
        tenant_id: the tenant that owns the connection, or will own it; None if it is shared.
        fields: all fields as they will be stored.
        by: the caller.
        approving: whether the request approves what a tenant could not write itself. It does only for a
            caller with the right to write in all tenants.

    Returns:
        Whether the connection needs the approval of a platform admin, and has it by this request.

    Raises:
        ValidationFailed: the tenant may not have a host or a field of extra; or extra links a connection
            that it may not use.
        PermissionDenied: tenants may not have connections of this type.
    """
    if tenant_id is None:
        return False
    approved = approving and by.reach(authorization.WRITE).everywhere and bool(find_fields_to_approve(fields))
    require_fields(fields, find_restrictions(session, tenant_id, approved=approved))
    if approved:
        linked_connections.require_visible(session, fields.extra or {}, by)
    else:
        linked_connections.require_of_tenant(session, fields.extra or {}, tenant_id)
    return approved


def find_restrictions(session: Session, tenant_id: str | None, *, approved: bool = False) -> Restrictions:
    """Return what restricts a connection of that tenant."""
    tenant = None if tenant_id is None else tenants.find(session, tenant_id)
    external = tenant is not None and tenants.has_feature(tenant, "external_connections")
    return Restrictions(tenant_id, external=external, approved=approved)


def require_fields(fields: ConnectionFields, restrictions: Restrictions) -> tuple[NamedHost, ...]:
    """Refuse fields that the connection's tenant may not have. No name is looked up.

    Returns:
        The hosts that the connection names.

    Raises:
        PermissionDenied: tenants may not have connections of this type.
        ValidationFailed: another field is not allowed.
    """
    if restrictions.tenant_id is None:
        return ()
    if not restrictions.approved:
        require_type(fields.connection_type)
    if connection_types.opens_file(fields.connection_type):
        texts = {"host": fields.host, "schema": fields.schema}
        _refuse(
            [
                ((name,), _DATABASE_FILE)
                for name, text in texts.items()
                if airflow_services.is_database_file(text or "")
            ]
        )
        return ()
    hosts, problems = _find_hosts(fields, restrictions)
    rules, services = read_rules(), airflow_services.list_services()
    for item in hosts[: host_fields.MOST_HOSTS]:
        why = rules.find_refusal(item.host, item.port, external=restrictions.external)
        if why or (why := find_service_refusal(rules, services, item, item.host)):
            problems.append((item.path, why))
    _refuse(problems + ([] if restrictions.approved else _find_extra_problems(fields)))
    return tuple(hosts)


def require_type(connection_type: str) -> None:
    """Refuse a type that tenants may not have.

    Raises:
        PermissionDenied: tenants may not have connections of this type.
    """
    if not _is_for_tenants(connection_type):
        raise PermissionDenied(
            f"Tenants cannot have connections of type {connection_type!r}, only of: "
            f"{settings.get(ConnectionSettings).tenant_connection_types}. "
            "A platform admin can create this one for a tenant.",
            connection_type=connection_type,
        )


def find_fields_to_approve(fields: ConnectionFields) -> list[FieldPath]:
    """Return the fields for which a tenant's connection needs the approval of a platform admin."""
    if not _is_for_tenants(fields.connection_type):
        return [("connection_type",)]
    return [path for path, _ in _find_extra_problems(fields)]


def _is_for_tenants(connection_type: str) -> bool:
    """Return whether the operator's list has the type, and also the dialect that it stands for."""
    allowed = settings.get(ConnectionSettings).tenant_connection_types
    if not connection_types.is_listed(connection_type, allowed):
        return False
    if connection_types.find_type(connection_type) is not None:
        return True
    dialect = connection_types.find_dialect(connection_type)
    return dialect is None or connection_types.is_listed(dialect, allowed)


def _find_extra_problems(fields: ConnectionFields) -> list[Problem]:
    kind, extra = connection_types.find_type(fields.connection_type), fields.extra or {}
    return list(connection_types.find_risky_extra(extra) if kind is None else kind.find_problems(extra))


def _find_hosts(
    fields: ConnectionFields, restrictions: Restrictions
) -> tuple[list[NamedHost], list[Problem]]:
    kind = connection_types.find_type(fields.connection_type)
    named = host_fields.find_hosts_in_all_fields(fields)
    if kind is None:
        return named, host_fields.find_count_problems(named)
    hosts, problems = host_fields.find_host_of_type(fields, kind)
    # An approved extra may name more hosts.
    in_extra = [item for item in named if item.path[0] == "extra"] if restrictions.approved else []
    return [*hosts, *in_extra], problems


def _refuse(problems: list[Problem]) -> None:
    if problems:
        raise ValidationFailed([FieldError.at(path, why) for path, why in dict.fromkeys(problems)])
