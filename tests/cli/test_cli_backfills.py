"""The commands ``dags backfill`` and ``backfills``, and the requests that they send."""

from typing import Any

import pytest
from airflow_platform_cli.commands import backfills
from command_line import Run
from fake_platform import FakePlatform

URL = "/api/v1/platform/dags/nightly/backfills"
COMMAND = ["dags", "backfill", "nightly", "--start-date", "2024-01-01", "--end-date", "2024-01-31"]


def backfill(state: str = "running", **fields: Any) -> dict[str, Any]:
    progress = {"total": 31, "total_is_estimate": False, "remaining": 31} | fields.pop("progress", {})
    return {"backfill_id": "bf_1", "dag_id": "nightly", "state": state, "progress": progress, **fields}


def test_the_command_of_the_api_reference_works(cli: Run, platform: FakePlatform) -> None:
    """Dates are sent unchanged: the platform reads them in the DAG's time zone."""
    platform.answer(201, backfill())
    result = cli(*COMMAND)
    assert (result.status, result.err) == (0, "")
    assert "bf_1" in result.out
    assert "31 runs: 0 active, 31 to come" in result.out
    assert platform.last.path == URL
    assert platform.last.body == {
        "start_date": "2024-01-01",
        "end_date": "2024-01-31",
        "reprocess": "none",
        "run_backwards": False,
        "dry_run": False,
    }


def test_all_options_are_sent(cli: Run, platform: FakePlatform) -> None:
    platform.answer(201, backfill())
    options = ["--conf", '{"a": 1}', "--max-active-runs", "2", "--reprocess", "failed", "--run-backwards"]
    cli(*COMMAND, *options)
    body = platform.last.body
    assert (body["conf"], body["max_active_runs"]) == ({"a": 1}, 2)
    assert (body["reprocess"], body["run_backwards"]) == ("failed", True)


def test_a_dry_run_prints_the_earliest_dates(cli: Run, platform: FakePlatform) -> None:
    run = {"logical_date": "2024-01-01T00:00:00Z", "action": "skip", "dag_run_id": "scheduled__1"}
    platform.answer(200, backfill(backfill_id=None, first_runs=[run]))
    result = cli(*COMMAND, "--dry-run")
    assert result.status == 0
    assert result.out.strip().splitlines()[-1].split() == [
        "2024-01-01",
        "00:00:00+00:00",
        "skip",
        "scheduled__1",
    ]
    assert result.err == "and 30 more\n"
    assert platform.last.body["dry_run"] is True


@pytest.mark.parametrize(("state", "status"), [("completed", 0), ("failed", 1), ("cancelled", 1)])
def test_wait_prints_each_progress_once_and_fails_unless_the_backfill_completes(
    cli: Run, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch, state: str, status: int
) -> None:
    monkeypatch.setattr(backfills, "POLL_INTERVAL", 0)
    half = {"remaining": 20, "running": 2, "success": 8, "failed": 1}
    platform.answer(201, backfill(first_runs=[{"logical_date": "2024-01-01T00:00:00Z", "action": "create"}]))
    platform.answer(200, backfill())
    platform.answer(200, backfill(progress=half, message="The DAG is paused."))
    platform.answer(200, backfill(state, progress={"remaining": 0}, message="Failed runs: 1."))
    result = cli(*COMMAND, "--wait", "-o", "json")
    assert result.status == status
    lines = result.err.splitlines()
    assert lines[:2] == [
        "running: 31 runs: 0 active, 31 to come",
        "running: 31 runs: 2 active, 20 to come, 8 succeeded, 1 failed: The DAG is paused.",
    ]
    assert lines[2].startswith(f"{state}: 31 runs")
    assert ("Error: Backfill bf_1 is" in result.err) is bool(status)
    assert f'"state": "{state}"' in result.out


@pytest.mark.parametrize("action", ["pause", "resume", "cancel"])
def test_pause_resume_and_cancel_post_to_their_endpoints(
    cli: Run, platform: FakePlatform, action: str
) -> None:
    platform.answer(200, backfill())
    assert cli("backfills", action, "bf_1").status == 0
    assert (platform.last.method, platform.last.path) == ("POST", f"/api/v1/platform/backfills/bf_1/{action}")


def test_list_and_get_show_backfills(cli: Run, platform: FakePlatform) -> None:
    platform.answer(200, {"backfills": [backfill()], "total_entries": 1})
    assert "bf_1" in cli("backfills", "list", "--dag", "nightly", "--state", "running").out
    assert platform.last.query == {"dag_id": ["nightly"], "state": ["running"]}
    platform.answer(200, backfill(message="The DAG is paused."))
    assert "The DAG is paused." in cli("backfills", "get", "bf_1").out


@pytest.mark.parametrize(
    "options", [["--reprocess", "some"], ["--conf", "[]"], ["--max-active-runs", "many"]]
)
def test_invalid_options_send_nothing(cli: Run, platform: FakePlatform, options: list[str]) -> None:
    assert cli(*COMMAND, *options).status == 2
    assert not platform.requests
