"""Create hooks that use given connection objects, whatever else has their names."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.exceptions import AirflowNotFoundException
from airflow_platform_plugin.airflow_compat.models import Connection
from airflow_platform_plugin.airflow_compat.types import Hook
from airflow_platform_plugin.connections import pinned_http

# The hooks must only read, but the HTTP hook would send a POST.
_ARGUMENTS: dict[str, dict[str, Any]] = {"http": {"method": "GET"}}


def make_hook(
    connection: Connection,
    *,
    linked: Mapping[str, Connection] = MappingProxyType({}),
    addresses: tuple[str, ...] = (),
    strict: bool = False,
) -> Hook:
    """Return the hook of the connection's type, or None if the type has no hook.

    The hook gets this connection under its name. Airflow's own test puts the connection into an environment
    variable instead. Here other threads may read the environment, and new processes inherit it.

    Args:
        connection: the connection, which belongs to no session.
        linked: connections that its extra names, which the hook gets under their names.
        addresses: the addresses that an HTTP hook connects to; empty to look the host's name up.
        strict: refuse all other connections, from the database, the environment or a secrets backend.
    """
    hook_class, argument = airflow_compat.connections.hook_class(connection.conn_type)
    if hook_class is None:
        return None
    found = {**linked, connection.conn_id: connection}

    def get_connection(cls: type, conn_id: str) -> Connection:
        if conn_id in found:
            return found[conn_id]
        if strict:
            raise AirflowNotFoundException(f"There is no connection {conn_id!r} for this one.")
        return super(own, cls).get_connection(conn_id)

    members: dict[str, Any] = {"get_connection": classmethod(get_connection)}
    if airflow_compat.connections.is_http_hook(hook_class):
        members["get_conn"] = pinned_http.make_get_conn(hook_class, addresses)
    own: Any = type(hook_class.__name__, (hook_class,), members)
    return own(**{argument: connection.conn_id}, **_ARGUMENTS.get(connection.conn_type, {}))
