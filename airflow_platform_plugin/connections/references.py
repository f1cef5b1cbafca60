"""What refers to a connection. Features declare what of theirs does."""

import re
from collections.abc import Iterator
from typing import Any

from sqlalchemy.orm import Session

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.core.feature import ReferenceFinder, connection_references
from airflow_platform_plugin.core.principal import Principal

_AT_ONCE = 100


def usage(session: Session, connection_id: str, *, by: Principal) -> dict[str, list[dict[str, Any]]]:
    """What names the connection, by kind."""
    return {finder.name: finder.find(session, connection_id, by) for finder in connection_references()}


def _dags(session: Session, connection_id: str, _by: Principal) -> list[dict[str, Any]]:
    """The DAGs that name it, so far as Airflow keeps that of them: fields of tasks that are templates."""
    dag_ids = sorted(airflow_compat.authorization.readable_dag_ids())
    found = []
    for start in range(0, len(dag_ids), _AT_ONCE):
        some = dag_ids[start : start + _AT_ONCE]
        for dag_id, document in airflow_compat.dags.serialized_dags(session, some, containing=connection_id):
            tasks = sorted(_tasks(document, connection_id))
            if tasks or _names(document, connection_id):
                found.append({"dag_id": dag_id, "task_ids": tasks})
    return found


def _tasks(document: dict[str, Any], connection_id: str) -> Iterator[str]:
    for task in document.get("dag", {}).get("tasks", []):
        inner = task.get("__var", task)
        if _names(inner, connection_id):
            yield inner["task_id"]


def _names(value: Any, connection_id: str) -> bool:  # noqa: ANN401 - any JSON
    """Whether there is a field ``…conn_id`` with that value, or a template with ``conn.<that value>``."""
    match value:
        case dict():
            return any(
                (key.endswith("conn_id") and inner == connection_id) or _names(inner, connection_id)
                for key, inner in value.items()
            )
        case list():
            return any(_names(inner, connection_id) for inner in value)
        case str():
            return bool(re.search(rf"\bconn\.(get\(\s*['\"])?{re.escape(connection_id)}\b", value))
        case _:
            return False


DAGS = ReferenceFinder("dags", _dags)
