"""The only place that imports Airflow and FAB, a module for each capability. Written for 2.11.

Functions import when called: these modules are loaded in schedulers and task processes too, which must
not pay for the webserver's libraries.
"""

from airflow_platform_plugin.airflow_compat import (
    authorization,
    connections,
    dags,
    database,
    masking,
    models,
    pools,
    roles,
    runs,
    tasks,
    users,
    web,
)

__all__ = [
    "authorization",
    "connections",
    "dags",
    "database",
    "masking",
    "models",
    "pools",
    "roles",
    "runs",
    "tasks",
    "users",
    "web",
]
