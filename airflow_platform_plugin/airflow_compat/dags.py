"""DAGs: what Airflow stores of them, and how it parses and schedules them."""

import json
from collections.abc import Collection, Iterator
from datetime import datetime, timezone
from itertools import islice
from typing import TYPE_CHECKING, Any

from airflow_platform_plugin.airflow_compat.models import (
    DAG,
    DagModel,
    DagPriorityParsingRequest,
    DagRun,
    DagTag,
)
from airflow_platform_plugin.airflow_compat.types import DagBag, DagRow

if TYPE_CHECKING:
    from sqlalchemy import Table
    from sqlalchemy.engine import Connection
    from sqlalchemy.orm import Session

_LONG_AGO = datetime(2000, 1, 1, tzinfo=timezone.utc)
_BATCH = 500


def serialized_dags(
    session: "Session", dag_ids: Collection[str], *, containing: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the id and the serialized document of each of the DAGs in which a text may occur."""
    from airflow.models.serialized_dag import SerializedDagModel
    from sqlalchemy import Text, cast, or_, select

    stored = SerializedDagModel
    text = json.dumps(containing)[1:-1]
    compressed = stored._data_compressed.isnot(None)  # noqa: SLF001 - the columns behind ``data``
    plain = cast(stored._data, Text).contains(text, autoescape=True)  # noqa: SLF001 - the same
    wanted = select(stored).where(stored.dag_id.in_(dag_ids), or_(compressed, plain)).order_by(stored.dag_id)
    for row in session.scalars(wanted):
        yield row.dag_id, row.data


def tags(session: "Session | Connection", dag_ids: Collection[str]) -> dict[str, set[str]]:
    """Return the tags of DAGs by the DAG's id; one without tags is not in it."""
    from sqlalchemy import select

    found: dict[str, set[str]] = {}
    ordered, tag = sorted(dag_ids), DagTag.__table__.c  # not the class, since its rows may be filtered
    for start in range(0, len(ordered), _BATCH):
        part = select(tag.dag_id, tag.name).where(tag.dag_id.in_(ordered[start : start + _BATCH]))
        for row in session.execute(part):
            found.setdefault(row.dag_id, set()).add(row.name)
    return found


def webserver_dagbag() -> DagBag:
    """Return the webserver's DAGs: ``get_dag(dag_id, session=...)`` reads what the DAG processor stored."""
    from airflow.utils.airflow_flask_app import get_airflow_app

    return get_airflow_app().dag_bag


def database_dagbag() -> DagBag:
    """Return the same for a process without a web application; it caches each DAG that it reads."""
    from airflow.models.dagbag import DagBag

    return DagBag(read_dags_from_db=True, load_op_links=False)


def parsing_request(fileloc: str) -> tuple["Table", dict[str, Any]]:
    """Return a table and the row that asks the DAG processor to parse a file before all others.

    Insert the row only if it is absent: someone may have asked for the same file already.
    """
    return DagPriorityParsingRequest.__table__, {"fileloc": fileloc}


def force_serialization(session: "Session", dag_id: str) -> None:
    """Let the DAG processor store the DAG when it parses the file the next time.

    Otherwise it skips a DAG that it has stored within ``[core] min_serialized_dag_update_interval``. Only
    the DAG processor reads that time: processes that cache DAGs compare hashes as well.
    """
    from airflow.models.serialized_dag import SerializedDagModel
    from sqlalchemy import update

    session.execute(
        update(SerializedDagModel)
        .where(SerializedDagModel.dag_id == dag_id)
        .values(last_updated=_LONG_AGO)
        .execution_options(synchronize_session=False)
    )


def active_dag_ids(session: "Session") -> set[str]:
    """Return the ids of the DAGs that Airflow deactivates if a parsing of their file leaves them out."""
    from sqlalchemy import select

    return set(session.scalars(select(DagModel.dag_id).where(DagModel.is_active)))


def serialize(dag: DAG) -> dict[str, Any]:
    """Return the document that the DAG processor stores of a DAG for the scheduler."""
    from airflow.serialization.serialized_objects import SerializedDAG

    document: dict[str, Any] = SerializedDAG.to_dict(dag)
    return document


def next_runs(session: "Session", dag: DAG, count: int) -> list[datetime]:
    """Return when the DAG's next scheduled runs start, at most ``count`` of them."""
    from airflow.timetables.base import DataInterval
    from airflow.utils.timezone import coerce_datetime
    from sqlalchemy import select

    from airflow_platform_plugin.airflow_compat.timetables import planned_runs

    last = session.execute(
        select(DagRun.data_interval_start, DagRun.data_interval_end)
        .where(DagRun.dag_id == dag.dag_id, DagRun.run_type == "scheduled")
        .order_by(DagRun.execution_date.desc())
        .limit(1)
    ).first()
    interval = None
    if last is not None and last.data_interval_end is not None:
        interval = DataInterval(*map(coerce_datetime, last))
    runs = planned_runs(dag.timetable, earliest=dag.start_date, catchup=dag.catchup, after=interval)
    return [run.run_after for run in islice(runs, count)]


def pause_dag(session: "Session", dag_id: str, *, paused: bool) -> None:
    """Pause or unpause the DAG, if Airflow has parsed it already."""
    _update_dag(session, dag_id, is_paused=paused)


def deactivate_dag(session: "Session", dag_id: str) -> None:
    """Mark the DAG as one whose file is gone: the scheduler starts none of its runs."""
    _update_dag(session, dag_id, is_active=False)


def _update_dag(session: "Session", dag_id: str, **values: bool) -> None:
    from sqlalchemy import update

    session.execute(
        update(DagModel)
        .where(DagModel.dag_id == dag_id)
        .values(**values)
        .execution_options(synchronize_session=False)
    )


def dag_row(session: "Session", dag_id: str) -> DagRow:
    """Return what Airflow knows of a DAG, or None.

    Returns:
        A row with ``is_active``, ``is_paused``, ``last_parsed_time`` and ``next_dagrun_create_after``.
    """
    from sqlalchemy import select

    columns = (
        DagModel.is_active,
        DagModel.is_paused,
        DagModel.last_parsed_time,
        DagModel.next_dagrun_create_after,
    )
    return session.execute(select(*columns).where(DagModel.dag_id == dag_id)).first()


def serialized_doc(session: "Session", dag_id: str) -> str:
    """Return the documentation (``doc_md``) of the DAG as the scheduler reads it; empty if it has none."""
    from airflow.models.serialized_dag import SerializedDagModel
    from sqlalchemy import select

    row = session.scalar(select(SerializedDagModel).where(SerializedDagModel.dag_id == dag_id))
    return "" if row is None else str(row.data["dag"].get("doc_md") or "")


def import_error(session: "Session", files: Collection[str]) -> str | None:
    """Return the traceback of one of the files that Airflow could not import, or None."""
    from airflow.models.errors import ParseImportError
    from sqlalchemy import select

    broken = select(ParseImportError.stacktrace).where(ParseImportError.filename.in_(files)).limit(1)
    return session.scalar(broken) if files else None
