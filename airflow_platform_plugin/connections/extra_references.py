"""Fields of extra that name another connection, which hooks follow with the server's rights."""

from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy.orm import Session

from airflow_platform_plugin.connections.connection_types import Path
from airflow_platform_plugin.connections.records import ConnectionRecord, find
from airflow_platform_plugin.core.errors import FieldError, ValidationFailed


def of(extra: dict[str, Any]) -> list[tuple[Path, str]]:
    """The connections that extra names, at any depth, and where."""
    return list(_of(extra, ("extra",)))


def require_seen(
    session: Session, extra: dict[str, Any], may_see: Callable[[ConnectionRecord], bool]
) -> None:
    """Refuse names of connections that the caller may not see.

    Raises:
        ValidationFailed: extra has one. The error does not say whether there is such a connection.
    """
    require(extra, lambda name: (other := find(session, name)) is not None and may_see(other))


def require_of_tenant(session: Session, extra: dict[str, Any], tenant_id: str) -> None:
    """Refuse names of connections that are neither the tenant's nor given to all.

    Raises:
        ValidationFailed: extra has one.
    """

    def is_usable(name: str) -> bool:
        other = find(session, name)
        return other is not None and other.own is not None and other.tenant_id in {None, tenant_id}

    require(extra, is_usable)


def require(extra: dict[str, Any], may_use: Callable[[str], bool]) -> None:
    """Refuse the names for which that is false.

    Raises:
        ValidationFailed: extra has one.
    """
    errors = [
        FieldError.at(path, f"there is no connection {name!r} of yours")
        for path, name in of(extra)
        if not may_use(name)
    ]
    if errors:
        raise ValidationFailed(errors)


def _of(value: Any, path: Path) -> Iterator[tuple[Path, str]]:  # noqa: ANN401 - any JSON
    match value:
        case dict():
            for name, inner in value.items():
                if isinstance(inner, str) and inner and _names_connection(name):
                    yield (*path, name), inner
                yield from _of(inner, (*path, name))
        case list():
            for index, inner in enumerate(value):
                yield from _of(inner, (*path, str(index)))


def _names_connection(name: str) -> bool:
    return name.strip().lower().replace("-", "_").endswith(("conn_id", "connection_id"))
