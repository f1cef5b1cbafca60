"""What Airflow itself lives on, and no tenant reaches: its database, broker, cluster and engine."""

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.connections import internal_hosts
from airflow_platform_plugin.core.feature import service_urls

_PORTS = {
    "postgresql": 5432, "mysql": 3306, "mariadb": 3306, "redis": 6379, "rediss": 6379, "amqp": 5672,
    "https": 443,
}  # fmt: skip


@dataclass(frozen=True)
class AirflowService:
    """One of them, by a name or an address; ``port`` is None where it is not known."""

    host: str
    port: int | None

    def is_at(self, host: str, port: int | None) -> bool:
        """Whether a host and port are this service, so far as names and addresses tell."""
        if None not in {port, self.port} and port != self.port:
            return False
        if host == self.host or internal_hosts.same(host, self.host):
            return True
        return internal_hosts.is_loopback(self.host) and _is_of_this_machine(host)


def services() -> list[AirflowService]:
    """Return them as they are configured."""
    found = [
        service
        for text in (
            *airflow_compat.connections.airflow_service_urls(),
            *service_urls(),
        )
        for part in text.split(";")  # Celery takes several brokers
        for service in _read(part)
    ]
    if cluster := os.environ.get("KUBERNETES_SERVICE_HOST"):
        port = os.environ.get("KUBERNETES_SERVICE_PORT", "")
        found.append(AirflowService(internal_hosts.normal(cluster), int(port) if port.isdecimal() else None))
    return found


def looked_up() -> list[AirflowService]:
    """The same, with the addresses that their names have at this moment."""
    return [
        AirflowService(host, service.port)
        for service in services()
        for host in (service.host, *look_up(service.host))
    ]


def is_database_file(text: str) -> bool:
    """Whether a path or a URI of a file is Airflow's own database, where that is a file."""
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


def look_up(host: str) -> tuple[str, ...]:
    """The addresses of a host; none where its name is not known."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


def _read(text: str) -> Iterator[AirflowService]:
    if (url := _url(text)) is None:
        return
    dialect = url.drivername.removeprefix("db+").partition("+")[0]  # as Celery writes it
    if url.host:
        yield AirflowService(internal_hosts.normal(url.host), url.port or _PORTS.get(dialect))
    given = url.query.get("host", ())  # as libpq takes several
    for place in (given,) if isinstance(given, str) else given:
        host, _, port = place.rpartition(":") if place.count(":") == 1 else (place, "", "")
        yield AirflowService(
            internal_hosts.normal(host), int(port) if port.isdecimal() else _PORTS.get(dialect)
        )


def _url(text: str) -> URL | None:
    try:
        return make_url(text)
    except (ArgumentError, ValueError):
        return None


def _database_file() -> Path | None:
    url = _url(airflow_compat.connections.airflow_service_urls()[0])
    if url is None or not url.drivername.startswith("sqlite") or not url.database:
        return None
    return Path(url.database)


def _is_of_this_machine(host: str) -> bool:
    """Whether it is an address of this machine: nothing else can be bound to."""
    address = internal_hosts.parse(host)
    if address is None:
        return False
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004 - IPv4
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True
