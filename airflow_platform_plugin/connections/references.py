"""Find what refers to a connection. Features declare what of theirs may do so."""

import re
from collections.abc import Iterator

from sqlalchemy.orm import Session

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.connections.records import ConnectionRecord
from airflow_platform_plugin.core.feature import ReferenceFinder, connection_references
from airflow_platform_plugin.core.principal import Principal
from airflow_platform_plugin.core.types import Json

_AT_ONCE = 100

Referrer = dict[str, Json]  # such as ``{"dag_id": "etl", "task_ids": ["load"]}``


def find_references(
    session: Session, record: ConnectionRecord, *, by: Principal
) -> dict[str, list[Referrer]]:
    """Return what refers to a connection, as far as the caller may read it, by kind, such as ``dags``."""
    return {finder.name: finder.find(session, record.connection_id, by) for finder in connection_references()}


def _find_dags(session: Session, connection_id: str, _by: Principal) -> list[Referrer]:
    """Find DAGs that refer to a connection in a template field: Airflow stores no other fields of tasks."""
    dag_ids = sorted(airflow_compat.authorization.readable_dag_ids())
    found = []
    for start in range(0, len(dag_ids), _AT_ONCE):
        some = dag_ids[start : start + _AT_ONCE]
        for dag_id, document in airflow_compat.dags.serialized_dags(session, some, containing=connection_id):
            tasks = sorted(_find_tasks(document, connection_id))
            if tasks or _refers(document, connection_id):
                found.append({"dag_id": dag_id, "task_ids": tasks})
    return found


def _find_tasks(document: dict[str, Json], connection_id: str) -> Iterator[str]:
    for task in document.get("dag", {}).get("tasks", []):
        inner = task.get("__var", task)
        if _refers(inner, connection_id):
            yield inner["task_id"]


def _refers(value: Json, connection_id: str) -> bool:
    """Return whether a field ``…conn_id`` has that value, or a template has ``conn.<that value>``."""
    match value:
        case dict():
            return any(
                (key.endswith("conn_id") and inner == connection_id) or _refers(inner, connection_id)
                for key, inner in value.items()
            )
        case list():
            return any(_refers(inner, connection_id) for inner in value)
        case str():
            return bool(re.search(rf"\bconn\.(get\(\s*['\"])?{re.escape(connection_id)}\b", value))
        case _:
            return False


DAGS = ReferenceFinder("dags", _find_dags)
