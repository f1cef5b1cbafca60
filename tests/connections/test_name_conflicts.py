"""Names of connections that are taken or shadowed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.models import Connection

URL = "/api/v1/platform/connections"
BODY = {"connection_type": "http", "host": "x.internal"}


def results(answer: Any) -> dict[str, tuple[str, str | None]]:
    return {row["connection_id"]: (row["result"], row["message"]) for row in answer.json["connections"]}


@pytest.mark.parametrize("name", ["ops_db", "OPS_DB", "Ops_Db"])
@pytest.mark.parametrize(
    "value", ["postgres://ops:secret@db.internal/ops", "{not even JSON", '{"conn_type": "x"}']
)
def test_a_name_in_the_environment_is_taken(
    tenant_caller: Any, call: Any, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """Case and value do not matter. A tenant gets the same error as for another tenant's name."""
    monkeypatch.setenv("AIRFLOW_CONN_OPS_DB", value)
    mine = tenant_caller("a")
    tenant_caller("b")("POST", URL, json=BODY | {"connection_id": "theirs"})
    theirs = mine("POST", URL, json=BODY | {"connection_id": "theirs"}).json["error"]
    refused = mine("POST", URL, json=BODY | {"connection_id": name})
    assert (refused.status, refused.json["error"]["message"]) == (409, theirs["message"])
    assert refused.json["error"]["details"] == {"connection_id": name}
    document = {name: {"conn_type": "http", "host": "x.internal"}}
    for caller, message in ((mine, theirs["message"]), (call, "in the environment")):
        answer = caller("POST", f"{URL}/import", json={"connections": document, "dry_run": True})
        result, said = results(answer)[name]
        assert result == "failed"
        assert message in str(said)
        assert caller("POST", f"{URL}/import", json={"connections": document}).status == 409
    assert call("POST", URL, json=BODY | {"connection_id": name}).status == 409
    assert call("GET", f"{URL}/{name}").status == 404


def test_a_name_in_a_secrets_backend_is_taken(
    tenant_caller: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """If a backend does not answer, the name is not free."""
    from airflow.secrets.environment_variables import EnvironmentVariablesBackend
    from airflow.secrets.local_filesystem import LocalFilesystemBackend

    file = tmp_path / "connections.json"
    file.write_text(json.dumps({"vault_db": "postgres://db.internal"}))

    class Broken(EnvironmentVariablesBackend):
        def get_conn_value(self, conn_id: str) -> str | None:
            raise ConnectionError(conn_id)

    backends: list[Any] = [LocalFilesystemBackend(connections_file_path=str(file))]
    monkeypatch.setattr("airflow.configuration.ensure_secrets_loaded", lambda: backends)
    mine = tenant_caller("a")
    assert mine("POST", URL, json=BODY | {"connection_id": "vault_db"}).status == 409
    assert mine("POST", URL, json=BODY | {"connection_id": "other"}).status == 201
    backends.append(Broken())
    refused = mine("POST", URL, json=BODY | {"connection_id": "third"})
    assert (refused.status, refused.json["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")
    assert mine("GET", f"{URL}/third").status == 404


def test_the_metadata_database_does_not_shadow_its_own_names(app: Any, session: Any) -> None:
    """Airflow lists it as one more secrets backend."""
    session.add(Connection(conn_id="in_database", conn_type="http"))
    session.flush()
    assert not airflow_compat.connections.is_shadowed("in_database")


@pytest.mark.parametrize("name", ["warehouse", "WAREHOUSE", "WareHouse"])
def test_names_that_differ_only_in_case_are_the_same(tenant_caller: Any, call: Any, name: str) -> None:
    """A kit gets its connections in environment variables with names in upper case."""
    call("POST", URL, json=BODY | {"connection_id": "Warehouse"})
    mine, others = tenant_caller("a"), tenant_caller("b")
    for caller in (mine, others, call):
        refused = caller("POST", URL, json=BODY | {"connection_id": name})
        assert (refused.status, refused.json["error"]["message"]) == (
            409,
            "Connection 'Warehouse' already exists",
        )
    document = {name: {"conn_type": "http", "host": "x.internal"}}
    for on_conflict in ("fail", "skip", "overwrite"):
        request = {"connections": document, "on_conflict": on_conflict, "dry_run": True}
        assert results(mine("POST", f"{URL}/import", json=request))[name][0] == "failed"
    both = {"new": BODY_OF_FILE, "NEW": BODY_OF_FILE}
    answer = mine("POST", f"{URL}/import", json={"connections": both, "dry_run": True})
    assert [result for result, _ in results(answer).values()] == ["created", "failed"]
    assert mine("POST", f"{URL}/import", json={"connections": both}).status == 400


BODY_OF_FILE = {"conn_type": "http", "host": "x.internal"}


def test_a_test_uses_the_stored_row_even_if_the_environment_shadows_it(
    call: Callable[..., Any], tenant_caller: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The checked object is tested, and its name is not resolved again."""
    monkeypatch.setenv("AIRFLOW__CORE__TEST_CONNECTION", "Enabled")
    file = tmp_path / "a.db"
    file.touch()
    call("POST", URL, json={"connection_id": "mine", "connection_type": "sqlite", "host": str(file)})
    monkeypatch.setenv("AIRFLOW_CONN_MINE", "sqlite:///no/such/file")
    assert call("POST", f"{URL}/mine/test").json["status"] == "success"


def test_an_export_can_be_imported_where_it_was_created(
    tenant_caller: Any, call: Any, session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All connections are skipped and named.

    Some have names or types that only Airflow's pages accept, or are shadowed by the environment.
    """
    mine = tenant_caller("a")
    mine("POST", URL, json=BODY | {"connection_id": "ours", "password": "kept"})
    call("POST", URL, json=BODY | {"connection_id": "shared"})
    for name, conn_type in (
        ("a/b", "http"),
        ("test", "http"),
        ("dotted", "sqlite.pysqlite"),
    ):
        session.add(Connection(conn_id=name, conn_type=conn_type, host="x"))
    session.flush()
    monkeypatch.setenv("AIRFLOW_CONN_SHARED", "http://x")
    for caller in (mine, call):
        document = caller("GET", f"{URL}/export").json
        answer = caller("POST", f"{URL}/import", json={"connections": document})
        assert answer.status == 200
        assert set(results(answer)) == {"ours", "shared", "a/b", "test", "dotted"}
        assert {result for result, _ in results(answer).values()} == {"skipped"}
        assert all("already exists" in str(said) for _, said in results(answer).values())
    assert call("GET", f"{URL}/ours").json["secrets_set"] == ["password"]
