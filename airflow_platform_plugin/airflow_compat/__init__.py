"""Everything that we ask of Airflow and FAB, one module for each capability. Written for Airflow 2.11.

No other module imports Airflow or FAB; the exceptions are in pyproject.toml. This package imports nothing of
ours. Its names say what we ask for: another version of Airflow may answer in another way.

A module is imported when it is first used, and functions import what only they need. Schedulers and task
processes load this package too, and must not load the libraries of the webserver.
"""

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_platform_plugin.airflow_compat import (
        authorization,
        config,
        connections,
        dag_permissions,
        dags,
        database,
        encryption,
        exceptions,
        login_roles,
        mail,
        masking,
        models,
        pools,
        role_forms,
        roles,
        runs,
        security_manager,
        states,
        stock_code,
        tasks,
        timetables,
        types,
        users,
        views,
        web,
        web_models,
    )

__all__ = [
    "authorization",
    "config",
    "connections",
    "dag_permissions",
    "dags",
    "database",
    "encryption",
    "exceptions",
    "login_roles",
    "mail",
    "masking",
    "models",
    "pools",
    "role_forms",
    "roles",
    "runs",
    "security_manager",
    "states",
    "stock_code",
    "tasks",
    "timetables",
    "types",
    "users",
    "views",
    "web",
    "web_models",
]


def __getattr__(name: str) -> ModuleType:
    """Import the module of that name when it is first used (PEP 562)."""
    if name in __all__:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
