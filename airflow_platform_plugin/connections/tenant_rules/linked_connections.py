"""Linked connections: fields of extra such as ``ssh_conn_id`` name another connection.

Hooks follow such a name with the server's rights.
"""

from collections.abc import Callable, Iterator

from sqlalchemy.orm import Session

from airflow_platform_plugin.connections import authorization
from airflow_platform_plugin.connections.inputs import Extra, FieldPath
from airflow_platform_plugin.connections.records import ConnectionRecord, find
from airflow_platform_plugin.core.errors import FieldError, ValidationFailed
from airflow_platform_plugin.core.principal import Principal
from airflow_platform_plugin.core.types import Json


def list_links(extra: Extra) -> list[tuple[FieldPath, str]]:
    """Return the fields of extra, at any depth, that name a connection, each with that name."""
    return list(_walk(extra, ("extra",)))


def require_visible(session: Session, extra: Extra, by: Principal) -> dict[str, ConnectionRecord]:
    """Return the linked connections by name. The caller must be able to see each of them.

    Raises:
        ValidationFailed: the caller cannot see one. The error does not say whether it exists.
    """
    return _require_all(session, extra, lambda other: authorization.is_visible(other, by))


def require_of_tenant(session: Session, extra: Extra, tenant_id: str) -> dict[str, ConnectionRecord]:
    """Return the linked connections by name. Each must belong to the tenant, or be shared by all.

    Raises:
        ValidationFailed: one is another tenant's, not shared yet, or missing.
    """

    def is_usable(other: ConnectionRecord) -> bool:
        return other.is_assigned and other.tenant_id in {None, tenant_id}

    return _require_all(session, extra, is_usable)


def refuse_links(extra: Extra, is_refused: Callable[[str], bool]) -> None:
    """Refuse links whose name ``is_refused`` returns True for.

    Raises:
        ValidationFailed: there is such a link; errors name the fields.
    """
    _raise_for([(path, name) for path, name in list_links(extra) if is_refused(name)])


def _require_all(
    session: Session, extra: Extra, is_usable: Callable[[ConnectionRecord], bool]
) -> dict[str, ConnectionRecord]:
    usable: dict[str, ConnectionRecord] = {}
    refused = []
    for path, name in list_links(extra):
        other = find(session, name)
        if other is None or not is_usable(other):
            refused.append((path, name))
        else:
            usable[name] = other
    _raise_for(refused)
    return usable


def _raise_for(refused: list[tuple[FieldPath, str]]) -> None:
    if refused:
        raise ValidationFailed(
            [
                FieldError.at(path, f"there is no connection {name!r} that this one may use")
                for path, name in refused
            ]
        )


def _walk(value: Json, path: FieldPath) -> Iterator[tuple[FieldPath, str]]:
    match value:
        case dict():
            for name, inner in value.items():
                if isinstance(inner, str) and inner and _names_connection(name):
                    yield (*path, name), inner
                yield from _walk(inner, (*path, name))
        case list():
            for index, inner in enumerate(value):
                yield from _walk(inner, (*path, str(index)))


def _names_connection(name: str) -> bool:
    return name.strip().lower().replace("-", "_").endswith(("conn_id", "connection_id"))
