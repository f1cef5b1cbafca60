"""Many runs triggered, and many tasks cleared, in one request."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from calls import client
from sqlalchemy import event, select

from airflow_platform_plugin.airflow_compat.models import DagModel, Log

pytestmark = pytest.mark.usefixtures("users", "dags")

TRIGGER = "/api/v1/platform/dags/trigger"
CLEAR = "/api/v1/platform/tasks/clear"
DATE = "2024-01-15T00:00:00+00:00"

Request = Callable[..., Any]


def statuses(answer: Any) -> list[int]:
    return [result["status"] for result in answer.json["results"]]


def test_each_run_is_triggered_or_has_an_error(
    call: Request, session: Any, runs: Callable[..., list[Any]]
) -> None:
    """With the status of a separate request. A failed run does not undo the others."""
    session.get(DagModel, "hidden").has_import_errors = True
    session.flush()
    first = {"dag_id": "daily", "dag_run_id": "one", "logical_date": DATE, "conf": {"a": 1}, "note": "n"}
    answer = call(
        "POST",
        TRIGGER,
        json={
            "runs": [
                first,
                {"dag_id": "nowhere"},
                {"dag_id": "daily", "dag_run_id": "other", "logical_date": DATE},
                {"dag_id": "strict", "conf": {"size": "large"}},
                {"dag_id": "daily", "dag_run_id": "not an id!"},
                {"dag_id": "daily", "dag_run_id": "scheduled__mine"},
                {"dag_id": "hidden"},
                {"dag_id": "strict", "conf": {"size": 2}},
            ]
        },
    )
    assert answer.status == 200
    assert statuses(answer) == [201, 404, 409, 400, 400, 400, 409, 201]
    assert (answer.json["succeeded"], answer.json["failed"]) == (2, 6)
    made, *failed, last = answer.json["results"]
    assert made["error"] is None
    shown = made["dag_run"]
    assert (shown["dag_run_id"], shown["state"], shown["logical_date"]) == ("one", "queued", DATE)
    assert (shown["conf"], shown["note"], shown["external_trigger"]) == ({"a": 1}, "n", True)
    assert [result["error"]["code"] for result in failed] == [
        "RESOURCE_NOT_FOUND",
        "CONFLICT",
        "VALIDATION_ERROR",
        "VALIDATION_ERROR",
        "VALIDATION_ERROR",
        "CONFLICT",
    ]
    assert failed[1]["error"]["details"]["dag_run_id"] == "one"
    pointers = [failed[index]["error"]["details"]["errors"][0]["pointer"] for index in (2, 3, 4)]
    assert pointers == ["/runs/3/conf", "/runs/4/dag_run_id", "/runs/5/dag_run_id"]
    assert last["dag_run"]["dag_run_id"].startswith("manual__")
    assert [run.run_id for run in runs()] == ["one"]
    assert len(runs()[0].get_task_instances(session=session)) == 2
    assert len(runs("strict")) == 1


def test_a_run_is_the_same_as_from_airflows_own_endpoint(
    call: Request, runs: Callable[..., list[Any]]
) -> None:
    """All columns are the same, except the times."""
    item = {"dag_id": "daily", "dag_run_id": "bulk", "logical_date": DATE, "conf": {"a": 1}}
    shown = call("POST", TRIGGER, json={"runs": [item]}).json["results"][0]["dag_run"]
    (run,) = runs()
    assert (run.run_type, run.state) == ("manual", "queued")
    assert (run.data_interval_start.day, run.data_interval_end.day) == (14, 15)
    assert run.dag_hash is not None
    assert set(shown) == {
        "conf", "dag_id", "dag_run_id", "data_interval_end", "data_interval_start", "end_date",
        "execution_date", "external_trigger", "last_scheduling_decision", "logical_date", "note",
        "run_type", "start_date", "state",
    }  # fmt: skip


def test_a_date_before_the_dags_start_runs_its_tasks(
    call: Request, session: Any, runs: Callable[..., list[Any]]
) -> None:
    """Airflow's own endpoint creates a run without tasks, which succeeds at once."""
    item = {"dag_id": "daily", "logical_date": "2023-06-01T00:00:00Z"}
    assert statuses(call("POST", TRIGGER, json={"runs": [item]})) == [201]
    assert len(runs()[0].get_task_instances(session=session)) == 2


def test_many_runs_of_one_dag_at_once_are_many_runs(call: Request, runs: Callable[..., list[Any]]) -> None:
    """Each has its own logical date."""
    answer = call("POST", TRIGGER, json={"runs": [{"dag_id": "daily"}] * 20})
    assert statuses(answer) == [201] * 20
    assert len({run.execution_date for run in runs()}) == 20


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/runs"),
        ({"runs": []}, "/runs"),
        ({"runs": [{"dag_id": "daily"}] * 1001}, "/runs"),
        ({"runs": [{"dag_id": "daily"}, {}]}, "/runs/1/dag_id"),
        ({"runs": [{"dag_id": "daily", "logical_date": "2024-01-15T00:00:00"}]}, "/runs/0/logical_date"),
        ({"runs": [{"dag_id": "daily", "logical_date": "2050-01-15T00:00:00Z"}]}, "/runs/0/logical_date"),
        ({"runs": [{"dag_id": "daily", "conf": "x"}]}, "/runs/0/conf"),
        ({"runs": [{"dag_id": "daily", "note": "x" * 1001}]}, "/runs/0/note"),
        ({"runs": [{"dag_id": "daily", "colour": "red"}]}, "/runs/0/colour"),
    ],
)
def test_an_invalid_body_triggers_nothing(
    call: Request, runs: Callable[..., list[Any]], body: dict[str, Any], pointer: str
) -> None:
    refused = call("POST", TRIGGER, json=body)
    assert refused.status == 400
    assert refused.json["error"]["details"]["errors"][0]["pointer"] == pointer
    assert runs() == []


def test_permissions_are_checked_for_each_item(
    app: Any, make_key: Callable[[str], str], runs: Callable[..., list[Any]]
) -> None:
    """By Airflow's own rules. A DAG that the caller may not see is not found."""
    body = {"runs": [{"dag_id": "daily"}, {"dag_id": "hidden"}, {"dag_id": "nowhere"}]}
    # A user who may read all DAGs learns nothing from a 403 for a DAG that does not exist.
    expected = {"editor": [201, 404, 404], "reader": [403, 404, 404], "viewer": [403, 403, 403]}
    for name, wanted in expected.items():
        answer = client(app, {"X-API-Key": make_key(name)})("POST", TRIGGER, json=body)
        assert statuses(answer) == wanted, name
    assert len(runs()) == 1
    assert runs("hidden") == []


def test_a_key_with_a_dag_limit_triggers_only_these_dags(
    app: Any, session: Any, user_id: Callable[[str], int]
) -> None:
    from airflow_platform_plugin.auth import service

    def key(**limits: Any) -> Request:
        made = service.issue(session, name="k", user_id=user_id("admin"), **limits)[1]
        return client(app, {"X-API-Key": made})

    body = {"runs": [{"dag_id": "daily"}, {"dag_id": "hidden"}]}
    narrow = key(allowed_dags={"dag_ids": ["da*"], "tags": []})
    assert statuses(narrow("POST", TRIGGER, json=body)) == [201, 404]
    reading = key(scopes=["dag_runs:read", "tasks:read"])
    assert reading("POST", TRIGGER, json=body).json["error"]["details"] == {"scope": "dag_runs:write"}
    tasks = {"tasks": [{"dag_id": "daily", "dag_run_id": "r"}]}
    assert reading("POST", CLEAR, json=tasks).json["error"]["details"] == {"scope": "tasks:write"}


def test_the_audit_log_has_a_row_for_each_run(call: Request, session: Any) -> None:
    runs = [{"dag_id": "daily", "dag_run_id": "one", "conf": {"password": "hunter2"}}, {"dag_id": "nowhere"}]
    answer = call("POST", TRIGGER, json={"runs": runs})
    (row,) = session.scalars(select(Log).where(Log.event == "platform.trigger_dags"))
    assert (row.dag_id, row.run_id, row.owner) == ("daily", "one", "admin")
    extra = json.loads(row.extra)
    assert extra["request_id"] == answer.headers["X-Request-ID"]
    assert len(extra["credential"]) == 12
    assert "hunter2" not in row.extra


def test_an_idempotency_key_triggers_once(call: Request, runs: Callable[..., list[Any]]) -> None:
    body = {"runs": [{"dag_id": "daily"}, {"dag_id": "nowhere"}]}
    first = call("POST", TRIGGER, json=body, headers={"Idempotency-Key": "k"})
    again = call("POST", TRIGGER, json=body, headers={"Idempotency-Key": "k"})
    assert again.json == first.json
    assert len(runs()) == 1


def test_each_item_is_cleared_or_has_an_error(
    call: Request, session: Any, make_run: Callable[..., Any], runs: Callable[..., list[Any]]
) -> None:
    run_ids = [make_run(day, "success").run_id for day in (1, 2, 3)]
    answer = call(
        "POST",
        CLEAR,
        json={
            "tasks": [
                {"dag_id": "daily", "dag_run_id": run_ids[0], "task_id": "extract"},
                {"dag_id": "daily", "dag_run_id": run_ids[1]},
                {"dag_id": "daily", "dag_run_id": "none"},
                {"dag_id": "daily", "dag_run_id": run_ids[2], "task_ids": ["extract", "clean"]},
                {"dag_id": "nowhere", "dag_run_id": "r"},
            ]
        },
    )
    assert statuses(answer) == [200, 200, 404, 404, 404]
    assert (answer.json["succeeded"], answer.json["failed"]) == (2, 3)
    first, second, *_ = answer.json["results"]
    assert first["task_instances"] == [
        {"dag_id": "daily", "dag_run_id": run_ids[0], "task_id": "extract", "map_index": -1}
    ]
    assert {task["task_id"] for task in second["task_instances"]} == {"extract", "load"}
    assert "'clean'" in answer.json["results"][3]["error"]["message"]
    assert [run.state for run in runs()] == ["queued", "queued", "success"]
    states = {task.task_id: task.state for task in runs()[0].get_task_instances(session=session)}
    assert states == {"extract": None, "load": "success"}
    rows = session.scalars(select(Log).where(Log.event == "platform.clear_tasks").order_by(Log.id))
    assert [(row.dag_id, row.run_id) for row in rows] == [("daily", run_id) for run_id in run_ids[:2]]


@pytest.mark.parametrize(
    ("options", "cleared"),
    [
        ({"task_id": "load", "include_upstream": True}, {"extract", "load"}),
        ({"task_id": "extract", "include_downstream": True}, {"extract", "load"}),
        ({"task_ids": ["load"]}, {"load"}),
        ({"only_failed": True}, set()),
    ],
)
def test_the_options_choose_the_cleared_tasks(
    call: Request, make_run: Callable[..., Any], options: dict[str, Any], cleared: set[str]
) -> None:
    run_id = make_run(1, "success").run_id
    answer = call("POST", CLEAR, json={"tasks": [{"dag_id": "daily", "dag_run_id": run_id, **options}]})
    assert {task["task_id"] for task in answer.json["results"][0]["task_instances"]} == cleared


def test_the_state_of_the_run_may_stay(
    call: Request, make_run: Callable[..., Any], runs: Callable[..., list[Any]]
) -> None:
    run_id = make_run(1, "success").run_id
    item = {"dag_id": "daily", "dag_run_id": run_id, "reset_dag_runs": False}
    call("POST", CLEAR, json={"tasks": [item]})
    assert [run.state for run in runs()] == ["success"]


def test_a_dry_run_clears_nothing(
    call: Request, session: Any, make_run: Callable[..., Any], runs: Callable[..., list[Any]]
) -> None:
    run_id = make_run(1, "failed").run_id
    answer = call("POST", CLEAR, json={"tasks": [{"dag_id": "daily", "dag_run_id": run_id}], "dry_run": True})
    assert len(answer.json["results"][0]["task_instances"]) == 2
    assert [run.state for run in runs()] == ["failed"]
    assert session.scalars(select(Log).where(Log.event == "platform.clear_tasks")).all() == []


def test_clearing_needs_airflows_own_permission(
    app: Any, make_key: Callable[[str], str], make_run: Callable[..., Any]
) -> None:
    body = {
        "tasks": [
            {"dag_id": "daily", "dag_run_id": make_run(1, "failed").run_id},
            {"dag_id": "hidden", "dag_run_id": make_run(1, "failed", dag_id="hidden").run_id},
        ]
    }
    for name, wanted in {"reader": [403, 404], "editor": [200, 404]}.items():
        answer = client(app, {"X-API-Key": make_key(name)})("POST", CLEAR, json=body)
        assert statuses(answer) == wanted, name


@pytest.mark.parametrize(
    ("item", "pointer"),
    [
        ({"dag_id": "daily"}, "/tasks/0/dag_run_id"),
        ({"dag_id": "daily", "dag_run_id": "r", "task_ids": []}, "/tasks/0/task_ids"),
        ({"dag_id": "daily", "dag_run_id": "r", "task_id": "a", "task_ids": ["b"]}, "/tasks/0/task_id"),
        ({"dag_id": "daily", "dag_run_id": "r", "task_id": 1}, "/tasks/0/task_id"),
        ({"dag_id": "daily", "dag_run_id": "r", "only_failed": "no"}, "/tasks/0/only_failed"),
    ],
)
def test_an_invalid_item_is_refused_by_field(call: Request, item: dict[str, Any], pointer: str) -> None:
    refused = call("POST", CLEAR, json={"tasks": [item]})
    assert refused.json["error"]["details"]["errors"][0]["pointer"] == pointer


def test_the_cost_of_an_item_does_not_depend_on_their_number(call: Request, session: Any) -> None:
    """Counted in SQL statements."""
    counts = []
    for number in (1, 11):
        statements: list[str] = []

        def count(*args: Any, into: list[str] = statements) -> None:
            into.append(args[2])

        event.listen(session.connection(), "before_cursor_execute", count)
        call("POST", TRIGGER, json={"runs": [{"dag_id": "daily"}] * number})
        event.remove(session.connection(), "before_cursor_execute", count)
        counts.append(len(statements))
    assert counts[1] - counts[0] <= 10 * 20
