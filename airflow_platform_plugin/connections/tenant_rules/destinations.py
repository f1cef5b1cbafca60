"""Where a tenant's connection leads when it is used: look its hosts up, check and pin their addresses."""

import json
from dataclasses import dataclass

from airflow_platform_plugin.airflow_compat.models import Connection
from airflow_platform_plugin.connections.records import copy_detached, read_fields
from airflow_platform_plugin.connections.settings import ConnectionSettings
from airflow_platform_plugin.connections.tenant_rules import (
    addresses,
    airflow_services,
    allowed_hosts,
    connection_types,
)
from airflow_platform_plugin.connections.tenant_rules.airflow_services import AirflowService
from airflow_platform_plugin.connections.tenant_rules.host_fields import NamedHost
from airflow_platform_plugin.core import settings
from airflow_platform_plugin.core.errors import ServiceUnavailable, ValidationFailed


@dataclass(frozen=True)
class Destination:
    """Where a connection leads now.

    Attributes:
        hosts: the hosts that it names.
        addresses: the addresses of its ``host``, all of them allowed; empty if nothing was looked up. Connect
            to one of them and not to the name, which may have other addresses a moment later.
    """

    hosts: tuple[NamedHost, ...] = ()
    addresses: tuple[str, ...] = ()


def resolve_hosts(hosts: tuple[NamedHost, ...]) -> Destination:
    """Look the names of hosts up, and check every address that they have.

    Raises:
        ValidationFailed: a tenant must not reach one of the addresses.
        ServiceUnavailable: a name has no address.
    """
    rules, services = read_rules(), airflow_services.resolve_services()
    found: dict[str, tuple[str, ...]] = {}
    for item in hosts:
        if item.host not in found:
            found[item.host] = addresses.look_up(item.host)
        if not found[item.host]:
            raise ServiceUnavailable("The name of the connection's host is unknown.")
        for address in found[item.host]:
            why = rules.find_refusal_of_address(address, item.host, item.port)
            if why or (why := find_service_refusal(rules, services, item, address)):
                raise ValidationFailed.of(*item.path, message=f"leads to an address that {why}")
    return Destination(hosts, next((found[item.host] for item in hosts if item.path == ("host",)), ()))


def pin_to_addresses(connection: Connection, destination: Destination) -> Connection:
    """Return a copy of a tenant's connection that leads to the checked addresses.

    The driver gets the tenant's secrets only, and none of the server's. If it compares the host's name with a
    certificate, the name stays: the certificate proves that the server is the right one. The HTTP hook needs
    the name too; ``pinned_http`` sends its requests to the addresses.
    """
    copy = copy_detached(connection)
    kind = connection_types.find_type(str(connection.conn_type))
    if kind is None or kind.is_http or not destination.addresses:
        return copy
    extra = read_fields(connection).extra or {}
    if kind.dialect == "postgresql":
        copy.host = ",".join([str(connection.host)] * len(destination.addresses))
        extra |= {**kind.guards, "hostaddr": ",".join(destination.addresses)}
        if not connection.password:
            extra["password"] = ""  # or libpq uses the server's PGPASSWORD
        copy.set_extra(json.dumps(extra))
    elif not kind.checks_name(extra):
        copy.host = addresses.find_open_address(destination.addresses, connection.port or kind.port or 0)
    return copy


def find_service_refusal(
    rules: allowed_hosts.Rules,
    services: list[AirflowService],
    item: NamedHost,
    host: str,
) -> str | None:
    """Return why a service of Airflow's own is refused, or None; a rule with that very port allows it."""
    host = addresses.normalize(host)
    if rules.allows_with_port(item.host, item.port) or rules.allows_with_port(host, item.port):
        return None
    is_service = any(service.is_at(host, item.port) for service in services)
    return allowed_hosts.AIRFLOW_SERVICE if is_service else None


def read_rules() -> allowed_hosts.Rules:
    """Return the rules of the setting ``[platform] internal_hosts``."""
    return allowed_hosts.parse_rules(settings.get(ConnectionSettings).internal_hosts)
