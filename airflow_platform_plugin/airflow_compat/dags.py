"""DAGs: what Airflow has stored of them, and how it parses and schedules them."""

import json
from collections.abc import Collection, Iterator
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from airflow_platform_plugin.airflow_compat.models import DAG, DagModel, DagPriorityParsingRequest, DagRun

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session


def serialized_dags(
    session: "Session", dag_ids: Collection[str], *, containing: str
) -> "Iterator[tuple[str, dict[str, Any]]]":
    """Of those DAGs what Airflow keeps of their files, of each in which the text may be."""
    from airflow.models.serialized_dag import SerializedDagModel
    from sqlalchemy import Text, cast, or_, select

    kept = SerializedDagModel
    text = json.dumps(containing)[1:-1]
    compressed = kept._data_compressed.isnot(None)  # noqa: SLF001 - the columns behind data
    plain = cast(kept._data, Text).contains(text, autoescape=True)  # noqa: SLF001
    wanted = select(kept).where(kept.dag_id.in_(dag_ids), or_(compressed, plain)).order_by(kept.dag_id)
    for row in session.scalars(wanted):
        yield row.dag_id, row.data


def webserver_dagbag() -> Any:  # noqa: ANN401 - Airflow's DagBag
    """The webserver's DAGs: ``get_dag(dag_id, session=…)`` reads what the DAG processor has stored."""
    from airflow.utils.airflow_flask_app import get_airflow_app

    return get_airflow_app().dag_bag


def database_dagbag() -> Any:  # noqa: ANN401 - Airflow's DagBag
    """The same for a process without an application; it keeps each DAG that it was asked for."""
    from airflow.models.dagbag import DagBag

    return DagBag(read_dags_from_db=True, load_op_links=False)


def request_parsing(session: "Session", fileloc: str) -> None:
    """Ask the DAG processor to parse a file before all others, if nobody has asked for it already."""
    from airflow_platform_plugin.core import db

    db.insert_absent(
        session.connection(),
        DagPriorityParsingRequest.__table__,
        [{"fileloc": fileloc}],
    )


def force_serialization(session: "Session", dag_id: str) -> None:
    """Let the DAG processor store the DAG for the scheduler at the next parsing.

    Unless it is told that the last time was long ago, it does not within
    ``[core] min_serialized_dag_update_interval``. Nothing else depends on that time: whoever keeps a DAG in
    memory compares hashes too.
    """
    from datetime import datetime, timezone

    from airflow.models.serialized_dag import SerializedDagModel
    from sqlalchemy import update

    session.execute(
        update(SerializedDagModel)
        .where(SerializedDagModel.dag_id == dag_id)
        .values(last_updated=datetime(2000, 1, 1, tzinfo=timezone.utc))
        .execution_options(synchronize_session=False)
    )


@lru_cache(maxsize=1000)
def timetable(schedule: str, offset: timedelta) -> Any:  # noqa: ANN401 - a Timetable
    """What Airflow makes of a valid cron line or preset, for a DAG that begins at that UTC offset.

    One for all DAGs that have it: each new one describes its line in words and is checked, which takes about
    as long as all else of a DAG.
    """
    from airflow.models.dag import create_timetable
    from airflow.utils.timezone import utc
    from pendulum import FixedTimezone

    made = create_timetable(schedule, FixedTimezone(int(offset.total_seconds())) if offset else utc)
    made.validate()
    return made


def serialize(dag: DAG) -> dict[str, Any]:
    """The document that the DAG processor stores of a DAG for the scheduler."""
    from airflow.serialization.serialized_objects import SerializedDAG

    document: dict[str, Any] = SerializedDAG.to_dict(dag)
    return document


def cron_presets() -> dict[str, str]:
    """What ``@daily`` and its like stand for."""
    from airflow.utils.dates import cron_presets as presets

    return dict(presets)


def next_runs(session: "Session", dag: DAG, count: int) -> list["datetime"]:
    """When the DAG's timetable starts its next runs, after the scheduled ones that there have been."""
    from airflow.timetables.base import DataInterval, TimeRestriction
    from airflow.utils.timezone import coerce_datetime
    from sqlalchemy import select

    last = session.execute(
        select(DagRun.data_interval_start, DagRun.data_interval_end)
        .where(DagRun.dag_id == dag.dag_id, DagRun.run_type == "scheduled")
        .order_by(DagRun.execution_date.desc())
        .limit(1)
    ).first()
    interval = None
    if last is not None and last.data_interval_end is not None:
        interval = DataInterval(*map(coerce_datetime, last))
    restriction = TimeRestriction(coerce_datetime(dag.start_date), None, dag.catchup)
    found: list[datetime] = []
    while len(found) < count:
        info = dag.timetable.next_dagrun_info(last_automated_data_interval=interval, restriction=restriction)
        if info is None:
            break
        found.append(info.run_after)
        interval = info.data_interval
    return found


def pause_dag(session: "Session", dag_id: str, *, paused: bool) -> None:
    """Pause the DAG, or let it run on, if Airflow knows it already."""
    _update_dag(session, dag_id, is_paused=paused)


def deactivate_dag(session: "Session", dag_id: str) -> None:
    """Let the scheduler take the DAG for one whose file is gone."""
    _update_dag(session, dag_id, is_active=False)


def _update_dag(session: "Session", dag_id: str, **values: bool) -> None:
    from sqlalchemy import update

    session.execute(
        update(DagModel)
        .where(DagModel.dag_id == dag_id)
        .values(**values)
        .execution_options(synchronize_session=False)
    )


def dag_row(session: "Session", dag_id: str) -> Any:  # noqa: ANN401 - a row
    """What Airflow knows of a DAG, or None."""
    from sqlalchemy import select

    columns = (
        DagModel.is_active,
        DagModel.is_paused,
        DagModel.last_parsed_time,
        DagModel.next_dagrun_create_after,
    )
    return session.execute(select(*columns).where(DagModel.dag_id == dag_id)).first()


def serialized_doc(session: "Session", dag_id: str) -> str:
    """The documentation of the DAG as the scheduler has it; empty where it has none."""
    from airflow.models.serialized_dag import SerializedDagModel
    from sqlalchemy import select

    row = session.scalar(select(SerializedDagModel).where(SerializedDagModel.dag_id == dag_id))
    return "" if row is None else str(row.data["dag"].get("doc_md") or "")


def import_error(session: "Session", files: Collection[str]) -> str | None:
    """The traceback of one of those files that Airflow could not import, or None."""
    from airflow.models.errors import ParseImportError
    from sqlalchemy import select

    broken = select(ParseImportError.stacktrace).where(ParseImportError.filename.in_(files)).limit(1)
    return session.scalar(broken) if files else None
