"""The services that Airflow itself uses, which no tenant may reach: database, broker, cluster and engine."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.connections.tenant_rules import addresses
from airflow_platform_plugin.core.feature import service_urls

_PORTS = {
    "postgresql": 5432, "mysql": 3306, "mariadb": 3306, "redis": 6379, "rediss": 6379, "amqp": 5672,
    "https": 443,
}  # fmt: skip


@dataclass(frozen=True)
class AirflowService:
    """A service that Airflow uses.

    Attributes:
        host: its name or an address.
        port: its port; None if it is unknown.
    """

    host: str
    port: int | None

    def is_at(self, host: str, port: int | None) -> bool:
        """Return whether the service is at that host and port, as far as names and addresses show."""
        if None not in {port, self.port} and port != self.port:
            return False
        if host == self.host or addresses.is_same_host(host, self.host):
            return True
        return addresses.is_loopback(self.host) and addresses.is_address_of_this_machine(host)


def list_services() -> list[AirflowService]:
    """Return Airflow's services as they are configured."""
    found = [
        service
        for text in (*airflow_compat.connections.airflow_service_urls(), *service_urls())
        for part in text.split(";")  # Celery takes several brokers
        for service in _parse_services(part)
    ]
    if cluster := os.environ.get("KUBERNETES_SERVICE_HOST"):
        port = os.environ.get("KUBERNETES_SERVICE_PORT", "")
        found.append(AirflowService(addresses.normalize(cluster), int(port) if port.isdecimal() else None))
    return found


def resolve_services() -> list[AirflowService]:
    """Return Airflow's services under their names, and under each address that a name has now."""
    return [
        AirflowService(host, service.port)
        for service in list_services()
        for host in (service.host, *addresses.look_up(service.host))
    ]


def is_database_file(text: str) -> bool:
    """Return whether a path or a file's URI is Airflow's own database, if that is a file."""
    own = _database_file()
    if own is None or not text:
        return False
    path = text.removeprefix("file:").partition("?")[0]
    path = "/" + path.lstrip("/") if path.startswith("//") else path
    with suppress(OSError, ValueError):
        if Path(path).resolve() == own.resolve():
            return True
        return Path(path).samefile(own)  # a hard link
    return False


def _parse_services(text: str) -> Iterator[AirflowService]:
    if (url := _parse_url(text)) is None:
        return
    dialect = url.drivername.removeprefix("db+").partition("+")[0]  # Celery writes db+postgresql
    if url.host:
        yield AirflowService(addresses.normalize(url.host), url.port or _PORTS.get(dialect))
    given = url.query.get("host", ())  # libpq takes several
    for place in (given,) if isinstance(given, str) else given:
        host, _, port = place.rpartition(":") if place.count(":") == 1 else (place, "", "")
        yield AirflowService(
            addresses.normalize(host), int(port) if port.isdecimal() else _PORTS.get(dialect)
        )


def _parse_url(text: str) -> URL | None:
    try:
        return make_url(text)
    except (ArgumentError, ValueError):
        return None


def _database_file() -> Path | None:
    url = _parse_url(airflow_compat.connections.airflow_service_urls()[0])
    if url is None or not url.drivername.startswith("sqlite") or not url.database:
        return None
    return Path(url.database)
