"""Airflow's connections: hooks, secrets backends, and the services that Airflow itself connects to."""

from airflow_platform_plugin.airflow_compat.types import Hook, HookClass, SecretsBackend


def hook_class(connection_type: str) -> tuple[HookClass, str]:
    """Return the hook class of a connection type, or None, and its argument for a connection's name."""
    from airflow.providers_manager import ProvidersManager
    from airflow.utils.module_loading import import_string

    found = ProvidersManager().hooks.get(connection_type)
    if found is None or not found.hook_class_name:
        return None, ""
    return import_string(found.hook_class_name), found.connection_id_attribute_name


def is_http_hook(hook_class: HookClass) -> bool:
    """Return whether a class is the HTTP provider's hook or a subclass of it."""
    try:
        from airflow.providers.http.hooks.http import HttpHook
    except ImportError:
        return False
    return isinstance(hook_class, type) and issubclass(hook_class, HttpHook)


def is_sql_hook(hook: Hook) -> bool:
    """Return whether a hook is one for SQL: ``get_conn`` returns a connection of the DB-API (PEP 249)."""
    from airflow.providers.common.sql.hooks.sql import DbApiHook

    return isinstance(hook, DbApiHook)


def airflow_service_urls() -> tuple[str, ...]:
    """Return the URLs of Airflow's own services: its database first, then its broker and result backend."""
    from airflow import settings
    from airflow.configuration import conf

    celery = (conf.get("celery", name, fallback=None) for name in ("broker_url", "result_backend"))
    return (settings.SQL_ALCHEMY_CONN or "", *(url for url in celery if url))


def is_shadowed(connection_id: str) -> bool:
    """Return whether the environment or a secrets backend has a connection of that name.

    Airflow looks there first, so such a connection hides the one in the database.

    Raises:
        Exception: a backend cannot be asked.
    """
    from airflow.configuration import ensure_secrets_loaded
    from airflow.secrets.metastore import MetastoreBackend

    def has(backend: SecretsBackend) -> bool:
        try:
            return backend.get_conn_value(conn_id=connection_id) is not None
        except NotImplementedError:  # some backends return connections only, not their text
            return backend.get_connection(conn_id=connection_id) is not None

    return any(
        has(backend) for backend in ensure_secrets_loaded() if not isinstance(backend, MetastoreBackend)
    )
