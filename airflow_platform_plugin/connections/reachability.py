"""What a tenant's connection may be, and where it may lead: asked when it is written, and when it is used.

``require_reachable`` is for whatever is about to use a stored connection: a test, a query, a kit's run. It
holds rows that were stored before a rule to that rule, looks names up, and decides on each address.
"""

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from airflow_platform_plugin.airflow_compat.models import Connection
from airflow_platform_plugin.connections import (
    airflow_services,
    connection_types,
    extra_references,
    host_fields,
    internal_hosts,
    name_conflicts,
)
from airflow_platform_plugin.connections.connection_types import Problem
from airflow_platform_plugin.connections.host_fields import Named
from airflow_platform_plugin.connections.records import detached, fields_of, is_decryptable, metadata_of
from airflow_platform_plugin.connections.settings import ConnectionSettings
from airflow_platform_plugin.connections.testing import pinned_http
from airflow_platform_plugin.core import db, settings
from airflow_platform_plugin.core.errors import (
    FieldError,
    PermissionDenied,
    ServiceUnavailable,
    ValidationFailed,
)
from airflow_platform_plugin.tenants import service as tenants
from airflow_platform_plugin.tenants.models import Tenant

_DATABASE_FILE = "is Airflow's own database, which no tenant reaches"


@dataclass(frozen=True)
class TenantRules:
    """What a connection is held to.

    Attributes:
        tenant_id: whose it is. None, a shared one, is held to nothing: only administrators make those.
        external: whether that tenant has the feature ``external_connections``.
        approved: whether an administrator has approved its type and its extra.
    """

    tenant_id: str | None
    external: bool = False
    approved: bool = False


@dataclass(frozen=True)
class Reached:
    """Where a connection leads at this moment.

    Attributes:
        named: the hosts that it names.
        addresses: those of its ``host``, each of which is allowed; empty where nothing was looked up. Connect
            to one of them rather than to the name, which may have others a moment later.
    """

    named: tuple[Named, ...] = ()
    addresses: tuple[str, ...] = ()


def require_reachable(connection: Connection, tenant_id: str | None, *, look_up: bool = True) -> Reached:
    """Hold a connection to the rules at the moment of its use. No transaction may be open: DNS is asked.

    Args:
        connection: Airflow's row, or a copy of it with its ``id``. Use this object afterwards and not its
            name: the environment or a secrets backend may have got another connection of that name.
        tenant_id: whose the connection is; None, for a shared one, allows everything.
        look_up: whether to look names up. A kit in a container asks a DNS of its own.

    Raises:
        PermissionDenied: the type is not for tenants.
        ValidationFailed: a field leads where the tenant must not go; errors name the fields.
        ServiceUnavailable: a host's name is not known, a secrets backend does not answer, or the password
            cannot be decrypted.
    """
    if not is_decryptable(connection):
        raise ServiceUnavailable(
            f"The password of connection '{connection.conn_id}' cannot be decrypted: set it again, or give "
            "Airflow the Fernet key of before."
        )
    if tenant_id is None:
        return Reached()
    with db.transaction() as session:
        known = metadata_of(session, connection)
        standing = rules_of(session, tenant_id, approved=bool(known and known.approved))
        fields = fields_of(connection)
        if not standing.approved:
            extra_references.require_of_tenant(session, fields["extra"], tenant_id)
    named = require_fields(fields, standing)
    for path, name in extra_references.of(fields["extra"]) if not standing.approved else ():
        if name_conflicts.is_claimed(name):  # a hook would follow the name to there
            raise ValidationFailed.of(*path, message=f"there is no connection {name!r} of yours")
    return look_up_hosts(named) if look_up else Reached(named)


def rules_of(session: Session, tenant_id: str | None, *, approved: bool = False) -> TenantRules:
    """What a connection of that tenant is held to."""
    tenant = None if tenant_id is None else session.get(Tenant, tenant_id)
    external = tenant is not None and tenants.has_feature(tenant, "external_connections")
    return TenantRules(tenant_id, external=external, approved=approved)


def require_fields(fields: dict[str, Any], standing: TenantRules) -> tuple[Named, ...]:
    """Hold a connection's fields to what its tenant may have; nothing is looked up.

    Returns:
        The hosts that it names.

    Raises:
        PermissionDenied: the type is not for tenants.
        ValidationFailed: another field is at fault.
    """
    if standing.tenant_id is None:
        return ()
    if not standing.approved:
        require_type(fields["connection_type"])
    if connection_types.is_file(fields["connection_type"]):
        places = [
            name for name in ("host", "schema") if airflow_services.is_database_file(fields.get(name) or "")
        ]
        _refuse([((name,), _DATABASE_FILE) for name in places])
        return ()
    named, problems = _named(fields, standing)
    rules, services = _rules(), airflow_services.services()
    for item in named[: host_fields.MOST]:
        why = rules.refusal(item.host, item.port, external=standing.external)
        if why or (why := _refusal_of_own(rules, services, item, item.host)):
            problems.append((item.path, why))
    _refuse(problems + ([] if standing.approved else _in_extra(fields)))
    return tuple(named)


def unapproved(fields: dict[str, Any]) -> list[connection_types.Path]:
    """The fields for which a tenant's connection needs an administrator's approval."""
    if not _is_for_tenants(fields["connection_type"]):
        return [("connection_type",)]
    return [path for path, _ in _in_extra(fields)]


def require_type(connection_type: str) -> None:
    """Refuse types that are not for tenants.

    Raises:
        PermissionDenied: it is such a type.
    """
    if not _is_for_tenants(connection_type):
        raise PermissionDenied(
            f"Connections of type {connection_type!r} are not for tenants. Those that are: "
            f"{settings.get(ConnectionSettings).tenant_connection_types}. "
            "An administrator can make this one for a tenant.",
            connection_type=connection_type,
        )


def look_up_hosts(named: tuple[Named, ...]) -> Reached:
    """Look the names up, and decide on every address that they have.

    Raises:
        ValidationFailed: one of the addresses is not for tenants.
        ServiceUnavailable: a name has none.
    """
    rules, services = _rules(), airflow_services.looked_up()
    found: dict[str, tuple[str, ...]] = {}
    for item in named:
        if item.host not in found:
            found[item.host] = airflow_services.look_up(item.host)
        if not found[item.host]:
            raise ServiceUnavailable("The name of the connection's host is not known.")
        for address in found[item.host]:
            why = rules.refusal_of_address(address, item.host, item.port)
            if why or (why := _refusal_of_own(rules, services, item, address)):
                raise ValidationFailed.of(*item.path, message=f"leads to an address that {why}")
    return Reached(named, next((found[item.host] for item in named if item.path == ("host",)), ()))


def pinned(connection: Connection, reached: Reached) -> Connection:
    """A copy of a tenant's connection that leads to those addresses, with the tenant's secrets alone.

    Where the driver holds the host's name against a certificate, the name stays: that holds it to its server.
    HTTP's hook needs the name too; ``direct`` sends its requests to the addresses.
    """
    copy = detached(connection)
    kind = connection_types.of(str(connection.conn_type))
    if kind is None or kind.is_http or not reached.addresses:
        return copy
    extra = fields_of(connection)["extra"]
    if kind.dialect == "postgresql":
        copy.host = ",".join([str(connection.host)] * len(reached.addresses))
        extra |= {**kind.guards, "hostaddr": ",".join(reached.addresses)}
        if not connection.password:
            extra["password"] = ""  # or libpq takes PGPASSWORD of the server
        copy.set_extra(json.dumps(extra))
    elif not kind.checks_name(extra):
        copy.host = pinned_http.first_open(reached.addresses, connection.port or kind.port or 0)
    return copy


def _is_for_tenants(connection_type: str) -> bool:
    """Whether the operator's list has the type; a type that is a dialect's name must be that dialect's."""
    if not connection_types.listed(connection_type, settings.get(ConnectionSettings).tenant_connection_types):
        return False
    if connection_types.of(connection_type) is not None:
        return True
    dialect = connection_types.dialect_of(connection_type)
    return dialect is None or connection_types.listed(
        dialect, settings.get(ConnectionSettings).tenant_connection_types
    )


def _in_extra(fields: dict[str, Any]) -> list[Problem]:
    kind, extra = connection_types.of(fields["connection_type"]), fields.get("extra") or {}
    return list(connection_types.of_others(extra) if kind is None else kind.problems(extra))


def _named(fields: dict[str, Any], standing: TenantRules) -> tuple[list[Named], list[Problem]]:
    kind = connection_types.of(fields["connection_type"])
    named = host_fields.in_others(fields)
    problems: list[Problem] = []
    if kind is not None:
        known, problems = host_fields.in_known(fields, kind)
        # What an administrator has approved in extra may name more hosts.
        beyond = [item for item in named if item.path[0] == "extra"] if standing.approved else []
        return [*known, *beyond], problems
    if not named:
        problems.append((("host",), "is needed: a tenant's connection must say where it leads"))
    if len(named) > host_fields.MOST:
        problems.append((("extra",), f"must name at most {host_fields.MOST} hosts"))
    return named, problems


def _refusal_of_own(
    rules: internal_hosts.Rules, services: list[airflow_services.AirflowService], item: Named, host: str
) -> str | None:
    """Why a place of Airflow's own is refused; a rule with that very port allows it."""
    if rules.name_port(item.host, item.port) or rules.name_port(internal_hosts.normal(host), item.port):
        return None
    return internal_hosts.OWN if any(service.is_at(host, item.port) for service in services) else None


def _rules() -> internal_hosts.Rules:
    return internal_hosts.rules(settings.get(ConnectionSettings).internal_hosts)


def _refuse(problems: list[Problem]) -> None:
    if problems:
        raise ValidationFailed([FieldError.at(path, why) for path, why in dict.fromkeys(problems)])
