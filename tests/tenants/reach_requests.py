"""Requests to every stock page and operation, and what they change."""

import json
import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, NamedTuple

from reach_data import RUNS, Request
from reach_table import OPERATIONS_THAT_CHANGE, PAGES_THAT_CHANGE, SECOND_RUN, Changes
from sqlalchemy import delete, inspect, select, update
from stock_data import RUN, TASK
from stock_operations import OPERATIONS, send

from airflow_platform_plugin import airflow_compat

# Ids of rows that do not exist.
UNKNOWN_ROW = {"import_error_id": "999999", "event_log_id": "999999"}
BY_ID = {operation[2]: operation for operation in OPERATIONS}


def pages(app: Any) -> dict[str, Any]:
    """Return the rule of every stock page that is called for a DAG, by its name in the table."""
    with app.app_context():
        stock = airflow_compat.web.stock_views()
    return {
        f"{method} {rule.endpoint}": rule
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if rule.endpoint.split(".")[0] in stock
    }


class Stock(NamedTuple):
    """The stock pages and operations of the tests' application."""

    app: Any
    rules: dict[str, Any]

    def ask(
        self,
        request: Request,
        name: str,
        dag_id: str,
        *,
        fields: dict[str, object] | None = None,
        ids: dict[str, str] | None = None,
    ) -> SimpleNamespace:
        """Send the request of a page or of an operation of the API about a DAG.

        Args:
            request: the caller.
            name: the name in the table.
            dag_id: the DAG.
            fields: fields of the form or of the JSON object.
            ids: ids of rows that only the API names; those of the DAG if None.
        """
        second = RUNS[dag_id][1]
        given = {key: second if value == SECOND_RUN else value for key, value in (fields or {}).items()}
        if name in BY_ID:
            return self._call(request, name, dag_id, given, ids)
        return self._open(request, name, dag_id, given)

    def _open(self, request: Request, name: str, dag_id: str, fields: dict[str, object]) -> SimpleNamespace:
        rule, moment = self.rules[name], "2024-01-02T00:00:00+00:00"
        given = {
            "dag_id": dag_id,
            "task_id": TASK,
            "run_id": RUN,
            "execution_date": moment,
            "state": "failed",
        }
        given |= {"query": dag_id[:4], "try_number": "1", "link_name": "x", "dag_run_id": RUN}
        given |= {"start_date": "2020-01-01T00:00:00+00:00", "end_date": "2040-01-01T00:00:00+00:00"}
        _, path = rule.build({key: given.get(key, "1") for key in rule.arguments})
        query = {key: value for key, value in given.items() if key not in rule.arguments}
        if name.endswith("ModelView.list"):
            return request("GET", path)  # which would repeat the query in its links
        if name.startswith("GET"):
            return request("GET", path, query_string=query)
        form = {"dag_ids": [dag_id], "rowid": _row_ids(name, dag_id)} | query | fields
        return request("POST", path, query_string=query | fields, data=form)

    def _call(
        self, request: Request, name: str, dag_id: str, body: dict[str, object], ids: dict[str, str] | None
    ) -> SimpleNamespace:
        def with_body(method: str, path: str, **kwargs: Any) -> SimpleNamespace:
            sent = None if kwargs["json"] is None else kwargs["json"] | body
            return request(method, path, **(kwargs | {"json": sent}), headers={"Accept": "application/json"})

        return send(with_body, self.app, BY_ID[name], dag_id, ids)


def _row_ids(name: str, dag_id: str) -> list[str]:
    """Return the ids of a DAG's rows as the form of a list page sends them."""
    from airflow.models.xcom import BaseXCom
    from airflow.utils.session import create_session

    models = {
        "POST DagRunModelView.action_post": airflow_compat.models.DagRun,
        "POST TaskInstanceModelView.action_post": airflow_compat.models.TaskInstance,
        "POST XComModelView.action_post": BaseXCom,
    }
    if name not in models:
        return []
    with create_session() as session:
        keys = session.execute(
            select(*inspect(models[name]).primary_key).where(models[name].dag_id == dag_id)
        )
        return [json.dumps(list(key)) if len(key) > 1 else str(key[0]) for key in keys]


def without_noise(answer: SimpleNamespace) -> tuple[int, str, str]:
    """Return an answer without what differs between two equal requests."""
    now = r"(?!2024)\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?"  # the tests' own data are of 2024
    address = r"(?<= object at )0x[0-9a-f]+"
    text = re.sub(rf'.*csrf.*|"request_id": "[^"]*"|{now}|{address}', "", answer.text)
    return answer.status, answer.location, text


# --- changes ---


def changes() -> Iterator[tuple[str, Changes]]:
    """Yield everything that changes a DAG; deletions last."""
    both = PAGES_THAT_CHANGE | OPERATIONS_THAT_CHANGE
    yield from sorted(both.items(), key=lambda item: not item[1].members)


def state_of(dag_id: str) -> list[Any]:
    """Return what changes can change of a DAG."""
    from airflow.models.dataset import DatasetDagRunQueue
    from airflow.models.xcom import BaseXCom
    from airflow.utils.session import create_session

    run, task, dag = (
        airflow_compat.models.DagRun,
        airflow_compat.models.TaskInstance,
        airflow_compat.models.DagModel,
    )
    with create_session() as session:
        rows = session.execute(
            select(run.run_id, run.state, run.clear_number).where(run.dag_id == dag_id).order_by(run.run_id)
        ).all()
        rows += session.execute(
            select(task.run_id, task.task_id, task.state, task.try_number)
            .where(task.dag_id == dag_id)
            .order_by(task.run_id, task.task_id)
        ).all()
        rows += session.execute(select(dag.is_paused).where(dag.dag_id == dag_id)).all()
        notes = [row.note for model in (run, task) for row in session.query(model).filter_by(dag_id=dag_id)]
        counts = (
            session.query(BaseXCom).filter_by(dag_id=dag_id).count(),
            session.query(DatasetDagRunQueue).filter_by(target_dag_id=dag_id).count(),
        )
    return [rows, sorted(map(str, notes)), counts]


def undo_changes(dag_id: str) -> None:
    """Set runs, tasks and the DAG back to what the tests began with."""
    from airflow.utils.session import create_session

    runs = RUNS[dag_id]
    run, task, dag = (
        airflow_compat.models.DagRun,
        airflow_compat.models.TaskInstance,
        airflow_compat.models.DagModel,
    )
    with create_session() as session:
        session.execute(delete(run).where(run.dag_id == dag_id, run.run_id.notin_(runs)))
        session.execute(update(dag).where(dag.dag_id == dag_id).values(is_paused=True))
        for run_id, state in zip(runs, ("success", "running"), strict=True):
            mine = run.dag_id == dag_id, run.run_id == run_id
            session.execute(update(run).where(*mine).values(state=state, clear_number=0))
            first = run_id == RUN
            values = {"state": "success" if first else "running", "try_number": 1 if first else 0}
            theirs = task.dag_id == dag_id, task.run_id == run_id
            session.execute(update(task).where(*theirs).values(**values))
        for model in (run, task):
            for row in session.query(model).filter_by(dag_id=dag_id, run_id=RUN):
                if row.note == "n":
                    row.note = f"note of {dag_id}" if model is task else f"note on the run of {dag_id}"
