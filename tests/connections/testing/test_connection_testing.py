"""Tests of connections for callers: rights, results, log."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from connection_tests import URL, result_of
from sqlalchemy import select

from airflow_platform_plugin.airflow_compat.models import Connection, Log
from airflow_platform_plugin.connections.records import find
from airflow_platform_plugin.connections.tenant_rules import addresses
from airflow_platform_plugin.connections.testing import results, runner


def test_the_last_result_is_stored_with_its_time(
    call: Callable[..., Any], session: Any, tmp_path: Path
) -> None:
    """That holds for connections from Airflow's pages too, and the ETag does not change."""
    session.add(Connection(conn_id="from_pages", conn_type="sqlite", host=str(tmp_path / "x")))
    session.flush()
    before = call("GET", f"{URL}/from_pages")
    result = call("POST", f"{URL}/from_pages/test").json
    after = call("GET", f"{URL}/from_pages")
    kept = after.json["last_test"]
    assert before.json["last_test"] is None
    assert kept.pop("tested_at").endswith("Z")
    assert kept == result
    assert after.headers["ETag"] == before.headers["ETag"]
    session.expire_all()
    found = find(session, "from_pages")
    assert found is not None
    assert found.metadata is not None
    assert not found.is_assigned
    call("POST", f"{URL}/from_pages/test")
    rows = session.scalars(select(Log).where(Log.event == "platform.test_connection")).all()
    assert len(rows) == 2
    change = json.loads(rows[0].extra)["changes"][0]
    assert (change["id"], change["after"]["tested"]["status"]) == ("from_pages", "failed")


def test_the_message_has_no_details_and_the_log_no_secret(
    call: Callable[..., Any], mysql: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The log has the driver's own message with the request's id."""
    caplog.set_level(logging.WARNING, "airflow_platform_plugin")
    result = result_of(
        call,
        connection_type="mysql",
        host=mysql.host,
        port=mysql.port,
        login="someone",
        password="very-wrong-password",
        extra={"client": "mysql-connector-python", "api_key": "other-secret"},
    )
    assert result["status"] == "failed"
    for text in (mysql.host, str(mysql.port), "someone", "very-wrong-password", "other-secret"):
        assert text not in result["message"]
    (record,) = [record for record in caplog.records if record.name.endswith("connections.testing.service")]
    assert "Access denied" in record.getMessage()
    assert "req_" in record.getMessage()
    assert "very-wrong-password" not in caplog.text
    assert "other-secret" not in caplog.text


def test_a_secret_that_a_driver_repeats_is_masked_in_the_log(
    call: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "airflow_platform_plugin")
    host = "http://me:pass-in-uri@no-such-host.invalid/extra-secret"
    extra = {"token": "extra-secret"}
    result = result_of(call, connection_type="http", host=host, extra=extra)
    assert result["message"] == "The host's name is unknown."
    assert "no-such-host.invalid" in caplog.text
    assert "pass-in-uri" not in caplog.text
    assert "extra-secret" not in caplog.text


def test_a_connection_can_be_tested_without_storing_it(
    call: Callable[..., Any], postgresql: Any, session: Any
) -> None:
    body = {
        "connection_type": "postgres",
        "host": postgresql.host,
        "port": postgresql.port,
        "login": "platform",
        "schema": "postgres",
    }
    assert call("POST", f"{URL}/test", json=body).json["status"] == "success"
    assert call("GET", URL).json["total_entries"] == 0
    row = session.scalars(select(Log).where(Log.event == "platform.test_connection_body")).one()
    assert postgresql.host not in row.extra
    assert call("POST", f"{URL}/test", json=body | {"password": "***"}).status == 400
    assert call("POST", f"{URL}/test?timeout_seconds=61", json=body).status == 400


def test_tests_are_refused_unless_the_operator_turns_them_on(
    call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow's own setting decides, which is off by default."""
    call("POST", URL, json={"connection_id": "c", "connection_type": "http", "host": "x"})
    for setting in ("Disabled", "Hidden", None):
        if setting is None:
            monkeypatch.delenv("AIRFLOW__CORE__TEST_CONNECTION")
        else:
            monkeypatch.setenv("AIRFLOW__CORE__TEST_CONNECTION", setting)
        for path, body in (("/c/test", None), ("/test", {"connection_type": "http", "host": "x"})):
            refused = call("POST", f"{URL}{path}", json=body)
            assert (refused.status, refused.json["error"]["code"]) == (403, "PERMISSION_DENIED")
            assert "test_connection" in refused.json["error"]["message"]


def test_a_tenants_caller_tests_what_it_may_read_or_create(
    call: Callable[..., Any], tenant_caller: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, others = tenant_caller("a"), tenant_caller("b")
    reader = tenant_caller("a", scopes=["connections:read"])
    monkeypatch.setattr(addresses, "look_up", lambda _: ("10.0.0.1",))
    mine("POST", URL, json={"connection_id": "c", "connection_type": "clickhouse", "host": "x.internal"})
    call("POST", URL, json={"connection_id": "shared", "connection_type": "email", "host": "x"})
    assert reader("POST", f"{URL}/c/test").json["status"] == "unsupported"
    assert reader("POST", f"{URL}/shared/test").json["status"] == "unsupported"
    assert others("POST", f"{URL}/c/test").status == 404
    body = {"connection_type": "clickhouse", "host": "x.internal"}
    assert reader("POST", f"{URL}/test", json=body).status == 403
    assert mine("POST", f"{URL}/test", json=body).status == 200
    assert mine("POST", f"{URL}/test", json=body | {"host": "example.com"}).status == 400
    file = {"connection_type": "sqlite", "host": str(tmp_path / "x")}
    assert mine("POST", f"{URL}/test", json=file).status == 403


def test_a_drivers_message_is_one_short_line_of_the_log(
    call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A server cannot forge a line of the log, and no secret is in it."""
    from airflow_platform_plugin.connections.testing import service

    caplog.set_level("WARNING", "airflow_platform_plugin")
    monkeypatch.setenv("AIRFLOW__CORE__TEST_CONNECTION", "Enabled")
    said = "no\n[2026-01-01] {forged.py:1} INFO - admin p%40ss%2Fword p@ss/word " + "x" * 5000

    def run(prepare: Any, **_: Any) -> results.TestResult:
        prepare()
        return results.make_failure(said)

    monkeypatch.setattr(runner, "run", run)
    body = {"connection_type": "http", "host": "x", "password": "p@ss/word"}
    outcome = call("POST", f"{URL}/test", json=body)
    assert outcome.json["message"] == results.UNKNOWN
    (record,) = [record for record in caplog.records if record.name == service.log.name]
    assert "\n" not in record.getMessage()
    assert "word" not in record.getMessage()
    assert len(record.getMessage()) < 3000
