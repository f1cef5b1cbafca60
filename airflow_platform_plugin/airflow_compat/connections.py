"""Airflow's connections: hooks, secrets backends, and what Airflow itself connects to."""

from typing import Any


def hook_class(connection_type: str) -> tuple[Any, str]:
    """The class of the type's hook, or None, and its argument that takes a connection's name."""
    from airflow.providers_manager import ProvidersManager
    from airflow.utils.module_loading import import_string

    found = ProvidersManager().hooks.get(connection_type)
    if found is None or not found.hook_class_name:
        return None, ""
    return import_string(found.hook_class_name), found.connection_id_attribute_name


def airflow_service_urls() -> tuple[str, ...]:
    """Where Airflow itself keeps things: its database, which comes first, its broker and its results."""
    from airflow import settings
    from airflow.configuration import conf

    celery = (conf.get("celery", name, fallback=None) for name in ("broker_url", "result_backend"))
    return (settings.SQL_ALCHEMY_CONN or "", *(url for url in celery if url))


def is_claimed(connection_id: str) -> bool:
    """Whether the environment or a secrets backend has a connection of that name, which comes first.

    Raises:
        Exception: a backend cannot be asked.
    """
    from airflow.configuration import ensure_secrets_loaded
    from airflow.secrets.metastore import MetastoreBackend

    def has(backend: Any) -> bool:  # noqa: ANN401 - Airflow's BaseSecretsBackend
        try:
            return backend.get_conn_value(conn_id=connection_id) is not None
        except NotImplementedError:  # some have connections and no text of them
            return backend.get_connection(conn_id=connection_id) is not None

    return any(
        has(backend) for backend in ensure_secrets_loaded() if not isinstance(backend, MetastoreBackend)
    )


def may_test_connections() -> bool:
    """Whether the operator lets users test connections from the webserver; not by default."""
    from airflow.configuration import conf

    return str(conf.get("core", "test_connection", fallback="Disabled")).strip().lower() == "enabled"
