"""Tests of connections, against real servers, and against one that never answers."""

import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import servers
from options import set_options
from sqlalchemy import create_engine, select
from sqlalchemy.engine import make_url

from airflow_platform_plugin.airflow_compat.models import Connection, Log
from airflow_platform_plugin.connections.records import find
from airflow_platform_plugin.connections.tenant_rules import addresses
from airflow_platform_plugin.connections.testing import results, runner
from airflow_platform_plugin.core import wait_slots

URL = "/api/v1/platform/connections"
SUCCESS = "Connection successfully tested"


@pytest.fixture(autouse=True)
def switched_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let users test connections, as an operator does."""
    monkeypatch.setenv("AIRFLOW__CORE__TEST_CONNECTION", "Enabled")


def serve(start: Callable[[], servers.Server]) -> Iterator[Any]:
    server = start()
    yield make_url(server.url)
    server.stop()


@pytest.fixture(scope="module")
def postgresql() -> Iterator[Any]:
    """The URL of a PostgreSQL."""
    yield from serve(servers.postgresql)


@pytest.fixture(scope="module")
def mysql() -> Iterator[Any]:
    """The URL of a MariaDB with a user who has a password."""
    for url in serve(servers.mysql):
        engine = create_engine(url)
        with engine.connect() as database:
            # With a host, or else the nameless user of that host comes first.
            for host in ("localhost", "127.0.0.1"):
                database.exec_driver_sql(f"CREATE USER someone@'{host}' IDENTIFIED BY 'right-password'")
        engine.dispose()
        yield url


@pytest.fixture(scope="module")
def redis() -> Iterator[Any]:
    """The URL of a Redis."""
    yield from serve(servers.redis)


@pytest.fixture(scope="module")
def website() -> Iterator[int]:
    """The port of a web server that asks for the credentials ``me:right-password``."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            allowed = self.headers.get("Authorization") == "Basic bWU6cmlnaHQtcGFzc3dvcmQ="
            self.send_response(200 if allowed else 401)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


class Silence:
    """A server that takes connections and never says a word."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port = self._listening.getsockname()[1]
        self._opened: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                self._opened.append(self._listening.accept()[0])

    def end(self) -> None:
        """Hang up, and wait until whoever waited for an answer has noticed."""
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        for opened in (self._listening, *self._opened):
            opened.close()
        wait_for_threads()


@pytest.fixture
def silence() -> Iterator[Silence]:
    """Such a server, which ends with the test."""
    server = Silence()
    yield server
    server.end()


def wait_for_threads() -> None:
    """Until no test hangs any more."""
    deadline = time.monotonic() + 60
    while any(thread.name == runner.THREAD for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def outcome_of(call: Callable[..., Any], query: str = "", **fields: Any) -> dict[str, Any]:
    """The outcome of testing a connection that is stored for it."""
    made = call("POST", URL, json={"connection_id": "tested", **fields})
    assert made.status == 201, made.text
    answer = call("POST", f"{URL}/tested/test{query}")
    assert answer.status == 200, answer.text
    assert call("DELETE", f"{URL}/tested").status == 204
    outcome: dict[str, Any] = answer.json
    return outcome


def test_postgresql(call: Callable[..., Any], postgresql: Any) -> None:
    at = {"connection_type": "postgres", "host": postgresql.host, "port": postgresql.port}
    good = at | {"login": "platform", "schema": "postgres"}
    outcome = outcome_of(call, **good)
    assert (outcome["status"], outcome["message"]) == ("success", SUCCESS)
    assert isinstance(outcome["latency_ms"], int)
    assert outcome_of(call, **good | {"login": "nobody"})["message"] == "Login or password is wrong."
    assert outcome_of(call, **good | {"schema": "nowhere"})["message"] == "The database does not exist."
    assert outcome_of(call, **good | {"port": 1})["message"] == "Nothing listens at this host and port."
    unknown = outcome_of(call, **good | {"host": "no-such-host.invalid"})
    assert (unknown["status"], unknown["message"]) == ("failed", "The host's name is not known.")


def test_mysql(call: Callable[..., Any], mysql: Any) -> None:
    good = {
        "connection_type": "mysql",
        "host": mysql.host,
        "port": mysql.port,
        "login": "someone",
        "password": "right-password",
        "extra": {"client": "mysql-connector-python"},
    }
    assert outcome_of(call, **good)["status"] == "success"
    assert outcome_of(call, **good | {"password": "wrong"})["message"] == "Login or password is wrong."
    assert outcome_of(call, **good | {"port": 1})["message"] == "Nothing listens at this host and port."


def test_a_driver_that_is_not_installed_is_told(call: Callable[..., Any], mysql: Any) -> None:
    """MySQL's hook takes mysqlclient unless told otherwise, and tests have the other one."""
    missing = outcome_of(call, connection_type="mysql", host=mysql.host, port=mysql.port, login="root")
    assert missing["message"] == "The server lacks a library that this type of connection needs."


def test_redis(call: Callable[..., Any], redis: Any) -> None:
    good = {"connection_type": "redis", "host": redis.host, "port": redis.port, "extra": {"db": 0}}
    assert outcome_of(call, **good)["status"] == "success"
    wrong = outcome_of(call, **good | {"login": "nobody", "password": "wrong"})
    assert (wrong["status"], wrong["message"]) == ("failed", "Login or password is wrong.")
    assert outcome_of(call, **good | {"port": 1})["message"] == "Nothing listens at this host and port."


def test_sqlite(call: Callable[..., Any], tmp_path: Path) -> None:
    """A file that is not there is not made."""
    file = tmp_path / "a.db"
    missing = outcome_of(call, connection_type="sqlite", host=str(file))
    assert (missing["status"], missing["message"]) == ("failed", "The file cannot be opened.")
    assert not file.exists()
    file.touch()
    assert outcome_of(call, connection_type="sqlite", host=str(file))["status"] == "success"


def test_http(call: Callable[..., Any], website: int) -> None:
    good = {
        "connection_type": "http",
        "host": "127.0.0.1",
        "port": website,
        "login": "me",
        "password": "right-password",
    }
    assert outcome_of(call, **good)["status"] == "success"
    assert outcome_of(call, **good | {"password": "wrong"})["message"] == "Login or password is wrong."
    assert (
        outcome_of(call, **good | {"host": "no-such-host.invalid"})["message"]
        == "The host's name is not known."
    )


def test_a_type_without_a_hook_is_the_name_of_a_dialect(
    call: Callable[..., Any], mysql: Any, tmp_path: Path
) -> None:
    """As for queries: the quickstart's warehouse is such a one."""
    duckdb = pytest.importorskip("duckdb", reason="the extra duckdb is not installed")
    file = tmp_path / "w.duckdb"
    duckdb.connect(str(file)).close()
    assert outcome_of(call, connection_type="duckdb", host=str(file))["status"] == "success"
    at = {"connection_type": "mysql+pymysql", "host": mysql.host, "port": mysql.port, "schema": "test"}
    assert outcome_of(call, **at, login="root")["status"] == "success"


@pytest.mark.parametrize("kind", ["no-such-thing", "email", "imap"])
def test_a_type_without_a_test_says_so(call: Callable[..., Any], kind: str) -> None:
    outcome = outcome_of(call, connection_type=kind, host="x")
    assert (outcome["status"], outcome["latency_ms"]) == ("unsupported", None)
    assert kind in outcome["message"]


def test_a_file_that_is_not_there_is_not_made_by_a_dialect(call: Callable[..., Any], tmp_path: Path) -> None:
    file = tmp_path / "made.db"
    for fields in ({"host": str(file)}, {"schema": str(file)}, {"host": __file__, "schema": str(file)}):
        outcome = outcome_of(call, connection_type="sqlite+pysqlite", **fields)
        assert outcome["message"] == "The file cannot be opened."
        assert not file.exists()


def test_a_tenants_dialect_of_postgresql_goes_to_the_address_that_was_allowed(
    tenant_caller: Any, postgresql: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name is not looked up again: nobody here knows it. Nor does libpq take a login of the server's."""
    set_options(monkeypatch, internal_hosts="db.internal")
    monkeypatch.setattr(addresses, "look_up", lambda _: ("127.0.0.1",))
    monkeypatch.setattr(
        "airflow_platform_plugin.airflow_compat.connections.airflow_service_urls", lambda: ("",)
    )
    monkeypatch.setenv("PGPASSWORD", "operators")
    mine = tenant_caller("a")
    body = {"host": "db.internal", "port": postgresql.port, "login": "platform", "schema": "postgres"}
    for connection_type in ("postgres", "postgresql", "postgresql+psycopg2"):
        answer = mine("POST", f"{URL}/test", json=body | {"connection_type": connection_type})
        assert answer.json["status"] == "success", answer.text


@pytest.mark.parametrize("kind", ["sqlite.pysqlite", "sqlite.base", "duckdb.duckdb_engine", "SQLite", "a:b"])
def test_a_dialect_has_one_spelling(
    session: Any, call: Callable[..., Any], tmp_path: Path, kind: str
) -> None:
    """For administrators too: a file is not made, nor DuckDB's locks left out, by another."""
    file = tmp_path / "made.db"
    session.add(Connection(conn_id="x", conn_type=kind, host=str(file)))
    session.flush()
    assert call("POST", f"{URL}/x/test").json["status"] == "unsupported"
    assert not file.exists()


@pytest.mark.parametrize("kind", ["http", "postgres", "redis"])
def test_a_host_that_never_answers_costs_no_more_than_the_time_allowed(
    call: Callable[..., Any], silence: Silence, kind: str
) -> None:
    started = time.monotonic()
    fields = {"connection_type": kind, "host": "127.0.0.1", "port": silence.port, "login": "x"}
    outcome = outcome_of(call, "?timeout_seconds=0.5", **fields)
    assert time.monotonic() - started < 20
    assert outcome == {
        "status": "failed",
        "message": "The test timed out after 0.5 seconds.",
        "latency_ms": 500,
    }


@pytest.mark.parametrize("kind", ["http", "postgres"])
def test_common_drivers_give_up_by_themselves(call: Callable[..., Any], silence: Silence, kind: str) -> None:
    """So that a host that never answers does not take one of the few places for ever."""
    fields = {"connection_type": kind, "host": "127.0.0.1", "port": silence.port}
    outcome_of(call, "?timeout_seconds=0.1", **fields)
    wait_for_threads()


def test_tests_that_do_not_end_are_few(call: Callable[..., Any], silence: Silence) -> None:
    """When every place is taken, the answer is at once that one is to come again."""
    fields = {"connection_type": "redis", "host": "127.0.0.1", "port": silence.port}
    call("POST", URL, json={"connection_id": "s", **fields})
    for _ in range(runner.AT_ONCE):
        assert call("POST", f"{URL}/s/test?timeout_seconds=0.1").json["status"] == "failed"
    refused = call("POST", f"{URL}/s/test")
    assert (refused.status, refused.json["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")
    assert int(refused.headers["Retry-After"]) > 0
    silence.end()
    assert call("POST", f"{URL}/s/test?timeout_seconds=0.1").status == 200


def test_requests_that_wait_for_tests_are_few(call: Callable[..., Any], tmp_path: Path) -> None:
    """Those beyond are told at once to come again: the host's web workers are there for others too."""
    call("POST", URL, json={"connection_id": "s", "connection_type": "sqlite", "host": str(tmp_path / "x")})
    with wait_slots.wait_slot(wait_slots.CONNECTIONS), wait_slots.wait_slot(wait_slots.CONNECTIONS):
        refused = call("POST", f"{URL}/s/test")
    assert (refused.status, refused.json["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")
    assert call("POST", f"{URL}/s/test").status == 200


def test_the_last_outcome_is_kept_with_its_time(
    call: Callable[..., Any], session: Any, tmp_path: Path
) -> None:
    """Also of a connection that Airflow's pages made; it changes no ETag."""
    session.add(Connection(conn_id="from_pages", conn_type="sqlite", host=str(tmp_path / "x")))
    session.flush()
    before = call("GET", f"{URL}/from_pages")
    outcome = call("POST", f"{URL}/from_pages/test").json
    after = call("GET", f"{URL}/from_pages")
    kept = after.json["last_test"]
    assert before.json["last_test"] is None
    assert kept.pop("tested_at").endswith("Z")
    assert kept == outcome
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


def test_nothing_of_the_connection_is_in_the_message_and_no_secret_in_the_log(
    call: Callable[..., Any], mysql: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The log has the driver's own words, with the request's id."""
    caplog.set_level(logging.WARNING, "airflow_platform_plugin")
    outcome = outcome_of(
        call,
        connection_type="mysql",
        host=mysql.host,
        port=mysql.port,
        login="someone",
        password="very-wrong-password",
        extra={"client": "mysql-connector-python", "api_key": "other-secret"},
    )
    assert outcome["status"] == "failed"
    for text in (mysql.host, str(mysql.port), "someone", "very-wrong-password", "other-secret"):
        assert text not in outcome["message"]
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
    outcome = outcome_of(call, connection_type="http", host=host, extra=extra)
    assert outcome["message"] == "The host's name is not known."
    assert "no-such-host.invalid" in caplog.text
    assert "pass-in-uri" not in caplog.text
    assert "extra-secret" not in caplog.text


def test_a_body_is_tested_and_not_stored(call: Callable[..., Any], postgresql: Any, session: Any) -> None:
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


def test_tests_that_the_operator_has_not_turned_on_are_refused(
    call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By Airflow's own switch, which is off by default."""
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


def test_a_tenants_caller_tests_what_it_may_see_and_bodies_it_may_store(
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


def test_a_hook_is_not_led_to_anothers_connection(
    call: Callable[..., Any], tenant_caller: Any, session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Extra can name one whose credentials the hook takes: at any depth, when it is written and when tested.

    A name that nobody has and another's are refused alike, and so is one that Airflow's pages made, which was
    given to nobody, and one that the environment has besides.
    """
    tenant_caller("b")(
        "POST", URL, json={"connection_id": "theirs", "connection_type": "redis", "host": "x.internal"}
    )
    mine = tenant_caller("a")
    for connection_id in ("ours", "claimed"):
        mine(
            "POST",
            URL,
            json={"connection_id": connection_id, "connection_type": "http", "host": "x.internal"},
        )
    session.add(Connection(conn_id="from_pages", conn_type="http", host="x"))
    session.flush()
    monkeypatch.setenv("AIRFLOW_CONN_CLAIMED", "http://operator")
    body = {"connection_type": "http", "host": "x.internal"}
    for extra, pointer in (
        ({"aws_conn_id": "theirs"}, "/extra/aws_conn_id"),
        ({"aws_conn_id": "unknown"}, "/extra/aws_conn_id"),
        ({"AWS-Conn-Id": "from_pages"}, "/extra/AWS-Conn-Id"),
        ({"headers": {"connection_id": "theirs"}}, "/extra/headers/connection_id"),
    ):
        for path, method, more in (
            ("/test", "POST", {}),
            ("", "POST", {"connection_id": "c"}),
            ("/ours", "PATCH", {}),
        ):
            given = {"extra": extra} if method == "PATCH" else body | more | {"extra": extra}
            refused = mine(method, f"{URL}{path}", json=given)
            assert refused.status == 400, (extra, path)
            (error,) = refused.json["error"]["details"]["errors"]
            assert error["pointer"] == pointer
            (name,) = [text for text in ("theirs", "unknown", "from_pages") if text in str(extra)]
            assert error["message"] == f"there is no connection {name!r} of yours"
    assert mine("PATCH", f"{URL}/ours", json={"extra": {"other_conn_id": "claimed"}}).status == 200
    assert mine("POST", f"{URL}/ours/test").status == 400
    row = session.scalars(select(Connection).where(Connection.conn_id == "ours")).one()
    row.set_extra(json.dumps({"headers": {"aws_conn_id": "theirs"}}))
    session.flush()
    assert mine("POST", f"{URL}/ours/test").status == 400
    assert call("POST", f"{URL}/ours/test").status == 400


@pytest.mark.parametrize(
    ("detail", "message"),
    [
        (
            'connection to server at "10.0.0.1" failed: FATAL:  password authentication failed for user "x"',
            "Login or password is wrong.",
        ),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.1", user "x"', "The server refuses this client."),
        ("1049 (42000): Unknown database 'x'", "The database does not exist."),
        ("401:Unauthorized", "Login or password is wrong."),
        ("403:Forbidden", "The server refuses this client."),
        ("500:Internal Server Error", "The server answers with an error."),
        ("[Errno 113] No route to host", "There is no way to the host."),
        (
            "SSL: CERTIFICATE_VERIFY_FAILED",
            "The server's certificate is not trusted, or it does not speak TLS.",
        ),
        ("timeout expired", "The host does not answer."),
        ("something about hunter2 at 10.0.0.1", results.UNKNOWN),
    ],
)
def test_what_drivers_say_is_put_into_our_own_words(detail: str, message: str) -> None:
    assert results.failure(detail).message == message
