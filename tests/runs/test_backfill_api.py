"""Backfills over HTTP."""

import json
from collections.abc import Callable
from typing import Any

import pendulum
import pytest
from calls import client
from sqlalchemy import select

from airflow_platform_plugin.airflow_compat.models import DagModel, DagRun, Log
from airflow_platform_plugin.runs.backfill import scheduler
from airflow_platform_plugin.runs.backfill.models import Backfill

pytestmark = pytest.mark.usefixtures("users", "dags")

DAILY = "/api/v1/platform/dags/daily/backfills"
ALL = "/api/v1/platform/backfills"
JANUARY = {"start_date": "2024-01-01", "end_date": "2024-01-31"}

Request = Callable[..., Any]


def test_the_range_of_the_api_reference_is_accepted(call: Request) -> None:
    """31 days, both ends included, with the DAG's own limit."""
    made = call("POST", DAILY, json=JANUARY)
    assert made.status == 201
    first_runs = made.json.pop("first_runs")
    assert made.json == {
        "backfill_id": made.json["backfill_id"],
        "dag_id": "daily",
        "state": "running",
        "message": None,
        "start_date": "2024-01-01T00:00:00Z",
        "end_date": "2024-01-31T00:00:00Z",
        "conf": {},
        "max_active_runs": 4,
        "reprocess": "none",
        "run_backwards": False,
        "progress": {
            "total": 31, "total_is_estimate": False, "created": 0, "cleared": 0, "skipped": 0,
            "running": 0, "success": 0, "failed": 0, "remaining": 31,
        },
        "created_at": made.json["created_at"],
        "created_by": "admin",
        "ended_at": None,
    }  # fmt: skip
    assert len(first_runs) == 31
    assert first_runs[0] == {
        "logical_date": "2024-01-01T00:00:00Z",
        "data_interval_start": "2024-01-01T00:00:00Z",
        "data_interval_end": "2024-01-02T00:00:00Z",
        "action": "create",
        "dag_run_id": None,
    }
    assert call("GET", f"{ALL}/{made.json['backfill_id']}").json == made.json
    listed = {"backfills": [made.json], "total_entries": 1}
    assert call("GET", DAILY).json == call("GET", ALL).json == listed


def test_the_status_follows_the_runs(call: Request, finish: Callable[..., int], session: Any) -> None:
    backfill_id = call("POST", DAILY, json=JANUARY | {"max_active_runs": 3}).json["backfill_id"]
    scheduler.advance()
    finish(most=2)
    scheduler.advance()
    progress = call("GET", f"{ALL}/{backfill_id}").json["progress"]
    assert (progress["created"], progress["running"], progress["success"]) == (5, 3, 2)
    assert progress["remaining"] == 26


def test_a_dry_run_returns_what_would_be_done_and_writes_nothing(
    call: Request, session: Any, make_run: Callable[..., Any]
) -> None:
    there = make_run(2, "failed").run_id
    answer = call("POST", DAILY, json=JANUARY | {"dry_run": True, "reprocess": "failed"})
    assert (answer.status, answer.json["backfill_id"], answer.json["progress"]["total"]) == (200, None, 31)
    assert [(run["action"], run["dag_run_id"]) for run in answer.json["first_runs"][:3]] == [
        ("create", None),
        ("clear", there),
        ("create", None),
    ]
    assert session.query(Backfill).count() == 0
    assert session.scalars(select(Log).where(Log.event == "platform.create_backfill")).all() == []
    assert call("GET", ALL).json["total_entries"] == 0
    assert scheduler.advance() == 0


def test_ten_thousand_runs_are_accepted_as_fast_as_thirty(call: Request, session: Any) -> None:
    """No run is created yet, and the total is an estimate."""
    long = {"start_date": "1990-01-01", "end_date": "2017-05-18", "max_active_runs": 100}
    made = call("POST", DAILY, json=long)
    assert made.status == 201
    assert made.json["progress"]["total_is_estimate"]
    assert made.json["progress"]["total"] == pytest.approx(10_000, abs=10)
    assert len(made.json["first_runs"]) == 100
    assert session.query(DagRun).filter_by(dag_id="daily").count() == 0


def test_a_backfill_is_paused_resumed_and_cancelled(call: Request, session: Any) -> None:
    backfill_id = call("POST", DAILY, json=JANUARY).json["backfill_id"]
    for turn, state in (("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")):
        turned = call("POST", f"{ALL}/{backfill_id}/{turn}")
        assert (turned.status, turned.json["state"]) == (200, state)
    again = call("POST", f"{ALL}/{backfill_id}/resume")
    assert (again.status, again.json["error"]["details"]["state"]) == (409, "cancelled")
    assert call("GET", f"{ALL}/{backfill_id}").json["ended_at"] is not None
    events = list(session.scalars(select(Log.event).where(Log.dag_id == "daily").order_by(Log.id)))
    assert events == [f"platform.{name}_backfill" for name in ("create", "pause", "resume", "cancel")]


def test_lists_are_filtered_and_ordered(call: Request) -> None:
    ids = []
    for month in (1, 2, 3):
        dates = {"start_date": f"2024-0{month}-01", "end_date": f"2024-0{month}-02"}
        ids.append(call("POST", DAILY, json=dates).json["backfill_id"])
    other = call("POST", "/api/v1/platform/dags/hidden/backfills", json=JANUARY).json["backfill_id"]
    call("POST", f"{ALL}/{ids[1]}/cancel")

    def found(query: str, url: str = ALL) -> list[str]:
        answer = call("GET", f"{url}?{query}").json
        assert answer["total_entries"] >= len(answer["backfills"])
        return [item["backfill_id"] for item in answer["backfills"]]

    assert set(found("")) == {*ids, other}
    assert found("dag_id=hidden") == [other]
    assert found("state=cancelled") == [ids[1]]
    assert found("order_by=-start_date&dag_id=daily") == ids[::-1]
    assert found("order_by=start_date&limit=1&offset=1", DAILY) == [ids[1]]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"start_date": "yesterday"}, "/start_date"),
        ({"start_date": 20240101}, "/start_date"),
        ({"start_date": "1969-12-31"}, "/start_date"),
        ({"end_date": "9999-12-31"}, "/end_date"),
        ({"end_date": "2023-12-31"}, "/end_date"),
        ({"start_date": "2024-01-30T00:00:01", "end_date": "2024-01-30T23:00:00"}, "/start_date"),
        ({"start_date": "2036-01-01", "end_date": "2036-01-31"}, "/start_date"),
        ({"max_active_runs": 0}, "/max_active_runs"),
        ({"max_active_runs": "2"}, "/max_active_runs"),
        ({"reprocess": "some"}, "/reprocess"),
        ({"run_backwards": "yes"}, "/run_backwards"),
        ({"dry_run": 0}, "/dry_run"),
        ({"conf": []}, "/conf"),
        ({"colour": "red"}, "/colour"),
    ],
)
def test_an_invalid_field_is_refused_by_name(call: Request, change: dict[str, Any], pointer: str) -> None:
    refused = call("POST", DAILY, json=JANUARY | change)
    assert refused.status == 400
    assert [error["pointer"] for error in refused.json["error"]["details"]["errors"]] == [pointer]
    assert call("GET", ALL).json["total_entries"] == 0


def test_a_range_of_too_many_runs_is_refused(call: Request, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_platform_plugin.runs.backfill.service.MOST_RUNS", 1000)
    refused = call("POST", DAILY, json={"start_date": "2010-01-01", "end_date": "2020-01-01"})
    assert refused.status == 400
    assert "at most 1000" in refused.json["error"]["message"]


def test_a_conf_that_does_not_fit_the_dags_params_is_refused_at_once(call: Request) -> None:
    """Not later, by the worker."""
    url = "/api/v1/platform/dags/strict/backfills"
    refused = call("POST", url, json=JANUARY | {"conf": {"size": "large"}})
    assert refused.json["error"]["details"]["errors"][0]["pointer"] == "/conf"
    assert call("POST", url, json=JANUARY | {"conf": {"size": 5}}).status == 201


def test_a_dag_that_cannot_be_backfilled_is_refused_with_the_reason(call: Request) -> None:
    def refuse(dag_id: str, **fields: Any) -> str:
        answer = call("POST", f"/api/v1/platform/dags/{dag_id}/backfills", json=JANUARY | fields)
        assert (answer.status, answer.json["error"]["code"]) == (409, "CONFLICT")
        message: str = answer.json["error"]["message"]
        return message

    assert "has no schedule" in refuse("unscheduled")
    assert "depend on the past" in refuse("in_order", run_backwards=True)
    assert "extract" in refuse("in_order", run_backwards=True)
    call("POST", DAILY, json=JANUARY)
    assert "is at work on some of these dates" in refuse(
        "daily", start_date="2024-01-31", end_date="2024-02-10"
    )


def test_a_date_is_midnight_in_the_dags_own_zone(call: Request) -> None:
    """A time without a zone is in that zone too; a time with a zone is not changed."""
    url = "/api/v1/platform/dags/berlin/backfills"
    dates = {"start_date": "2024-07-01", "end_date": "2024-07-03T00:00:00", "dry_run": True}
    answer = call("POST", url, json=dates).json
    assert (answer["start_date"], answer["end_date"]) == ("2024-06-30T22:00:00Z", "2024-07-02T22:00:00Z")
    assert [run["logical_date"] for run in answer["first_runs"]] == [
        f"2024-{day}T22:00:00Z" for day in ("06-30", "07-01", "07-02")
    ]
    answer = call("POST", url, json=dates | {"start_date": "2024-07-01T00:00:00Z"}).json
    assert answer["start_date"] == "2024-07-01T00:00:00Z"
    assert answer["progress"]["total"] == 2


def test_a_range_ends_with_the_last_date_that_is_due(call: Request) -> None:
    """Later dates are left to the DAG's own schedule."""
    today = pendulum.now("UTC").start_of("day")
    dates = {"start_date": str(today.subtract(days=3).date()), "end_date": str(today.add(days=30).date())}
    answer = call("POST", DAILY, json=dates | {"dry_run": True}).json
    assert answer["progress"]["total"] == 3
    assert pendulum.parse(answer["end_date"]) <= pendulum.now("UTC")


def test_a_user_may_backfill_the_dags_whose_runs_they_may_create(
    app: Any, call: Request, make_key: Callable[[str], str]
) -> None:
    """By Airflow's own permissions; other DAGs are not found."""
    hidden = call("POST", "/api/v1/platform/dags/hidden/backfills", json=JANUARY).json["backfill_id"]
    limited = client(app, {"X-API-Key": make_key("editor")})
    own = limited("POST", DAILY, json=JANUARY)
    assert own.status == 201
    assert limited("GET", ALL).json["total_entries"] == 1
    assert limited("GET", f"{ALL}/{own.json['backfill_id']}").status == 200
    assert limited("POST", f"{ALL}/{own.json['backfill_id']}/cancel").status == 200
    for other in ("hidden", "nowhere"):
        url = f"/api/v1/platform/dags/{other}/backfills"
        answers = [limited("POST", url, json=JANUARY), limited("GET", url)]
        assert [answer.status for answer in answers] == [404, 404]
        assert answers[0].json["error"]["message"] == f"DAG '{other}' not found"
    for backfill_id in (hidden, "bf_nowhere"):
        answers = [
            limited("GET", f"{ALL}/{backfill_id}"),
            *(limited("POST", f"{ALL}/{backfill_id}/{turn}") for turn in ("pause", "resume", "cancel")),
        ]
        assert [answer.status for answer in answers] == [404] * 4
        assert {answer.json["error"]["message"] for answer in answers} == {
            f"Backfill '{backfill_id}' not found"
        }
    assert call("GET", f"{ALL}/{hidden}").json["state"] == "running"


def test_a_user_who_may_only_read_may_not_backfill(
    app: Any, call: Request, make_key: Callable[[str], str]
) -> None:
    backfill_id = call("POST", DAILY, json=JANUARY).json["backfill_id"]
    reader = client(app, {"X-API-Key": make_key("reader")})
    assert reader("POST", DAILY, json=JANUARY).status == 403
    assert reader("POST", f"{ALL}/{backfill_id}/pause").status == 403
    assert reader("GET", f"{ALL}/{backfill_id}").status == 200
    assert reader("GET", DAILY).json["total_entries"] == 1


def test_a_user_who_may_read_no_runs_finds_no_backfills(
    app: Any, call: Request, make_key: Callable[[str], str]
) -> None:
    call("POST", DAILY, json=JANUARY)
    blind = client(app, {"X-API-Key": make_key("blind")})
    assert blind("GET", ALL).json == {"backfills": [], "total_entries": 0}
    assert blind("GET", DAILY).status == 403


@pytest.mark.parametrize(
    "limit", [{"dag_ids": ["dai*"], "tags": []}, {"tags": ["none has it"], "dag_ids": ["daily"]}]
)
def test_a_key_with_a_dag_limit_reaches_only_backfills_of_these_dags(
    app: Any, call: Request, session: Any, user_id: Callable[[str], int], limit: dict[str, Any]
) -> None:
    from airflow_platform_plugin.auth import service

    hidden = call("POST", "/api/v1/platform/dags/hidden/backfills", json=JANUARY).json["backfill_id"]
    _, key = service.issue(session, name="k", user_id=user_id("admin"), allowed_dags=limit)
    limited = client(app, {"X-API-Key": key})
    assert limited("POST", DAILY, json=JANUARY).status == 201
    assert [item["dag_id"] for item in limited("GET", ALL).json["backfills"]] == ["daily"]
    assert limited("GET", ALL).json["total_entries"] == 1
    assert limited("GET", f"{ALL}/{hidden}").status == 404
    assert limited("POST", "/api/v1/platform/dags/hidden/backfills", json=JANUARY).status == 404


def test_a_key_needs_the_scope(app: Any, session: Any, user_id: Callable[[str], int]) -> None:
    from airflow_platform_plugin.auth import service

    _, key = service.issue(session, name="k", user_id=user_id("admin"), scopes=["dag_runs:read"])
    reading = client(app, {"X-API-Key": key})
    assert reading("GET", ALL).status == 200
    refused = reading("POST", DAILY, json=JANUARY)
    assert (refused.status, refused.json["error"]["details"]) == (403, {"scope": "dag_runs:write"})


def test_backfills_have_no_permission_of_the_platform(app: Any) -> None:
    """Airflow's own permissions on DAG runs count; *Platform Dag Runs* would have no effect."""
    with app.app_context():
        names = {str(resource.name) for resource in app.appbuilder.sm.get_all_resources()}
    assert "Platform Api Keys" in names
    assert {name for name in names if name.startswith(("Platform Dag", "Platform Tasks"))} == set()


def test_an_idempotency_key_creates_one_backfill(call: Request) -> None:
    headers = {"Idempotency-Key": "january"}
    first = call("POST", DAILY, json=JANUARY, headers=headers)
    again = call("POST", DAILY, json=JANUARY, headers=headers)
    assert again.json == first.json
    assert call("GET", ALL).json["total_entries"] == 1


def test_the_audit_log_names_the_dag_and_the_range(call: Request, session: Any) -> None:
    call("POST", DAILY, json=JANUARY | {"conf": {"password": "hunter2"}})
    (row,) = session.scalars(select(Log).where(Log.event == "platform.create_backfill"))
    after = json.loads(row.extra)["changes"][0]["after"]
    assert (row.dag_id, row.owner, after["reprocess"]) == ("daily", "admin", "none")
    assert "hunter2" not in row.extra


def test_a_dag_whose_file_is_gone_is_not_found(call: Request, session: Any) -> None:
    session.get(DagModel, "daily").is_active = False
    session.flush()
    assert call("POST", DAILY, json=JANUARY).status == 404
