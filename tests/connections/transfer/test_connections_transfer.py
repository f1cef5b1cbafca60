"""Import and export of connections."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from airflow.cli.commands.connection_command import _format_connections
from airflow.secrets.local_filesystem import load_connections_dict
from sqlalchemy import select

from airflow_platform_plugin.airflow_compat.models import Connection, Log
from airflow_platform_plugin.connections.transfer import encryption

URL = "/api/v1/platform/connections"
PASSPHRASE = "correct horse battery staple"


def stored(session: Any, connection_id: str) -> Connection | None:
    session.expire_all()
    return session.scalars(select(Connection).where(Connection.conn_id == connection_id)).one_or_none()


def results(answer: Any) -> dict[str, str]:
    assert answer.status == 200, answer.text
    return {row["connection_id"]: row["result"] for row in answer.json["connections"]}


AIRFLOWS = [
    Connection(
        conn_id="pg",
        conn_type="postgres",
        description="d",
        host="h.example",
        login="u@x",
        password="p:/@ä",
        schema="s",
        port=5432,
        extra={"sslmode": "require", "nested": {"token": "t"}},
    ),
    Connection(conn_id="web", conn_type="http", host="https://h.example/p", extra={"a": "b"}),
    Connection(conn_id="bare", conn_type="aws"),
]


@pytest.mark.parametrize(
    ("suffix", "serialization", "form"),
    [
        (".json", "json", "json"),
        (".yaml", "json", "yaml"),
        (".env", "uri", "env"),
        (".env", "json", "env"),
    ],
)
def test_every_format_of_airflows_export_is_imported(
    call: Callable[..., Any], session: Any, suffix: str, serialization: str, form: str
) -> None:
    """Airflow's own code writes the file; each field is imported, secrets too."""
    content = _format_connections(AIRFLOWS, suffix, serialization)
    answer = call("POST", f"{URL}/import", json={"content": content, "format": form})
    assert results(answer) == {"pg": "created", "web": "created", "bare": "created"}
    for original in AIRFLOWS:
        row = stored(session, original.conn_id)
        assert row is not None
        for name in ("conn_type", "host", "login", "password", "schema", "port", "extra_dejson"):
            assert (getattr(row, name) or None) == (getattr(original, name) or None), name
        if serialization == "json":
            assert row.description == original.description


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_airflows_own_import_reads_our_export(
    call: Callable[..., Any], connection: dict[str, Any], tmp_path: Path, form: str
) -> None:
    """The file has masks for secrets."""
    connection["extra"]["api_key"] = "hunter2"
    call("POST", URL, json=connection)
    answer = call("GET", f"{URL}/export?format={form}")
    assert answer.headers["Content-Type"] == ("application/yaml" if form == "yaml" else "application/json")
    assert "hunter2" not in answer.text
    assert "encrypted_password" not in answer.text
    file = tmp_path / f"connections.{form}"
    file.write_text(answer.text)
    read = load_connections_dict(str(file))["warehouse_prod"]
    assert (read.conn_type, read.host, read.port, read.login) == (
        "postgres",
        "warehouse.example.com",
        5432,
        "airflow_user",
    )
    assert read.extra_dejson == {"sslmode": "require", "connect_timeout": 10, "api_key": "***"}


def test_an_export_with_secrets_is_imported_with_its_passphrase(
    call: Callable[..., Any], connection: dict[str, Any], session: Any
) -> None:
    """The file reveals nothing without the passphrase, and may be JSON or YAML."""
    call("POST", "/api/v1/platform/tenants", json={"tenant_id": "a"})
    call("POST", URL, json=connection)
    inner = {"connection_id": "t", "connection_type": "redis", "host": "r.internal", "tenant_id": "a"}
    call("POST", URL, json=inner | {"password": "hunter2"})
    answer = call("POST", f"{URL}/export?secrets=encrypted", json={"passphrase": PASSPHRASE})
    assert answer.status == 200
    for text in ("warehouse", "encrypted_password", "hunter2", PASSPHRASE):
        assert text not in answer.text
    for name in ("warehouse_prod", "t"):
        assert call("DELETE", f"{URL}/{name}").status == 204
    content = yaml.safe_dump(answer.json)
    body = {"content": content, "format": "yaml", "passphrase": PASSPHRASE}
    assert results(call("POST", f"{URL}/import", json=body)) == {"t": "created", "warehouse_prod": "created"}
    row = stored(session, "warehouse_prod")
    assert row is not None
    assert (row.password, row.extra_dejson) == ("encrypted_password", connection["extra"])
    assert call("GET", f"{URL}/t").json["tenant_id"] == "a"


def test_an_export_with_secrets_is_audited_without_its_passphrase(
    call: Callable[..., Any], connection: dict[str, Any], session: Any
) -> None:
    """The audit log names the exported connections."""
    call("POST", URL, json=connection)
    call("POST", f"{URL}/export", json={"passphrase": PASSPHRASE})
    row = session.scalars(select(Log).where(Log.event == "platform.export_connections_with_secrets")).one()
    assert row.owner == "admin"
    assert json.loads(row.extra)["changes"][0]["after"] == {"exported": ["warehouse_prod"]}
    assert PASSPHRASE not in row.extra


def test_a_tenant_exports_secrets_of_its_own_connections_only(
    tenant_caller: Any, call: Callable[..., Any]
) -> None:
    """Secrets of other tenants and of shared connections are not in the file."""
    body = {"connection_type": "redis", "host": "r.internal", "password": "hunter2"}
    call("POST", URL, json=body | {"connection_id": "shared"})
    mine, others = tenant_caller("a"), tenant_caller("b")
    mine("POST", URL, json=body | {"connection_id": "mine"})
    others("POST", URL, json=body | {"connection_id": "theirs"})
    envelope = mine("POST", f"{URL}/export", json={"passphrase": PASSPHRASE}).json
    assert set(encryption.decrypt(envelope, PASSPHRASE)) == {"mine"}
    assert set(mine("GET", f"{URL}/export").json) == {"mine", "shared"}


@pytest.mark.parametrize(
    ("method", "query", "body"),
    [
        ("GET", "?secrets=encrypted", None),
        ("GET", "?format=env", None),
        ("POST", "?secrets=plain", {"passphrase": PASSPHRASE}),
        ("POST", "?passphrase=correct-horse-battery", {"passphrase": PASSPHRASE}),
        ("POST", "", {"passphrase": "short"}),
        ("POST", "", {}),
    ],
)
def test_secrets_are_exported_only_with_a_passphrase_in_the_body(
    call: Callable[..., Any], method: str, query: str, body: Any
) -> None:
    """Every other way to ask for them is refused."""
    assert call(method, f"{URL}/export{query}", json=body).status == 400


DOCUMENT = {
    "new": {"conn_type": "http", "host": "h"},
    "old": {"conn_type": "redis", "host": "new-host", "password": "new"},
}


@pytest.fixture
def old(call: Callable[..., Any]) -> None:
    """Create a connection that exists before the import."""
    body = {
        "connection_id": "old",
        "connection_type": "http",
        "host": "old-host",
        "password": "kept",
        "port": 1,
        "extra": {"token": "kept", "gone": 1},
    }
    assert call("POST", URL, json=body).status == 201


def test_a_conflict_can_fail_the_whole_import(call: Callable[..., Any], old: None, session: Any) -> None:
    """With on_conflict=fail, nothing of the document is written."""
    refused = call("POST", f"{URL}/import", json={"connections": DOCUMENT, "on_conflict": "fail"})
    assert (refused.status, refused.json["error"]["code"]) == (409, "CONFLICT")
    listed = refused.json["error"]["details"]["connections"]
    assert listed == [{"connection_id": "old", "message": "Connection 'old' already exists"}]
    assert stored(session, "new") is None


def test_existing_connections_are_skipped_by_default(
    call: Callable[..., Any], old: None, session: Any
) -> None:
    """The response names them, and they do not change."""
    answer = call("POST", f"{URL}/import", json={"connections": DOCUMENT})
    assert results(answer) == {"new": "created", "old": "skipped"}
    messages = {row["connection_id"]: row["message"] for row in answer.json["connections"]}
    assert messages["new"] is None
    assert "already exists" in messages["old"]
    row = stored(session, "old")
    assert row is not None
    assert (row.host, row.password) == ("old-host", "kept")


def test_existing_connections_can_be_overwritten(call: Callable[..., Any], old: None, session: Any) -> None:
    """Fields that the document does not have are removed."""
    answer = call("POST", f"{URL}/import", json={"connections": DOCUMENT, "on_conflict": "overwrite"})
    assert results(answer) == {"new": "created", "old": "overwritten"}
    row = stored(session, "old")
    assert row is not None
    assert (row.conn_type, row.host, row.password, row.port) == ("redis", "new-host", "new", None)
    assert row.extra_dejson == {}


def test_an_export_without_secrets_does_not_overwrite_them(
    call: Callable[..., Any], old: None, session: Any
) -> None:
    """Masks of the document keep the stored secrets."""
    document = call("GET", f"{URL}/export").json
    assert document["old"]["password"] == "***"
    document["old"]["description"] = "changed"
    body = {"connections": document, "on_conflict": "overwrite"}
    answer = call("POST", f"{URL}/import", json=body)
    assert answer.json["connections"] == [
        {"connection_id": "old", "result": "overwritten", "message": None, "missing_secrets": []}
    ]
    row = stored(session, "old")
    assert row is not None
    assert (row.description, row.password, row.extra_dejson["token"]) == ("changed", "kept", "kept")


def test_missing_secrets_of_a_new_connection_are_named(
    call: Callable[..., Any], old: None, session: Any
) -> None:
    """A masked secret of a connection that does not exist yet is not stored."""
    document = {"copy": call("GET", f"{URL}/export").json["old"]}
    answer = call("POST", f"{URL}/import", json={"connections": document})
    assert answer.json["connections"] == [
        {
            "connection_id": "copy",
            "result": "created",
            "message": None,
            "missing_secrets": ["password", "extra.token"],
        }
    ]
    row = stored(session, "copy")
    assert row is not None
    assert (row.password, row.extra_dejson) == (None, {"gone": 1})


def test_a_dry_run_reports_everything_and_writes_nothing(
    call: Callable[..., Any], old: None, session: Any
) -> None:
    """The response has the result of each connection, errors too."""
    before = session.query(Log).count()
    document = DOCUMENT | {"bad": {"conn_type": "http", "port": "x"}}
    request = {"connections": document, "dry_run": True, "on_conflict": "fail"}
    answer = call("POST", f"{URL}/import", json=request)
    assert results(answer) == {"new": "created", "old": "failed", "bad": "failed"}
    messages = {row["connection_id"]: row["message"] for row in answer.json["connections"]}
    assert messages["new"] is None
    assert messages["old"] == "Connection 'old' already exists"
    assert messages["bad"].startswith("/port: ")
    assert answer.json["dry_run"] is True
    assert stored(session, "new") is None
    assert session.query(Log).count() == before


@pytest.mark.parametrize(
    ("value", "pointer"),
    [
        ({"host": "h"}, "/connections/c~1d/connection_type"),
        ({"conn_type": "http", "colour": "red"}, "/connections/c~1d/colour"),
        ({"conn_type": "http", "conn_id": "e"}, "/connections/c~1d/conn_id"),
        ({"conn_type": "http", "extra": "[]"}, "/connections/c~1d"),
        ({"conn_type": "http", "extra": "{"}, "/connections/c~1d"),
        ("no-uri", "/connections/c~1d"),
        ("http://u:secret-in-uri@h:port", "/connections/c~1d"),
        ("a://b://c://secret-in-uri", "/connections/c~1d"),
        (5, "/connections/c~1d"),
    ],
)
def test_an_invalid_connection_is_named_and_fails_the_import(
    call: Callable[..., Any], session: Any, value: Any, pointer: str
) -> None:
    """The error has a pointer, and repeats no secret of the document."""
    document = {"good": {"conn_type": "http"}, "c/d": value}
    refused = call("POST", f"{URL}/import", json={"connections": document})
    assert (refused.status, refused.json["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert pointer in [error["pointer"] for error in refused.json["error"]["details"]["errors"]]
    assert refused.json["error"]["details"]["connections"][0]["connection_id"] == "c/d"
    assert "secret-in-uri" not in refused.text
    assert stored(session, "good") is None


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"content": "{}", "connections": {}},
        {"content": "[]"},
        {"content": "{"},
        {"content": '{"a": 1, "a": 2}'},
        {"content": "a: [", "format": "yaml"},
        {"content": "- a", "format": "yaml"},
        {"content": "1: {conn_type: http}", "format": "toml"},
        {"content": "a: &x {conn_type: http}\nb: *x", "format": "yaml"},
        {"content": "a: !!python/object/apply:os.getcwd []", "format": "yaml"},
        {"content": "a: .nan", "format": "yaml"},
        {"content": "no equals sign", "format": "env"},
        {"content": "a=http://x\na=http://y", "format": "env"},
        {"connections": {f"c{i}": {"conn_type": "http"} for i in range(1001)}},
        {"connections": {}, "on_conflict": "merge"},
    ],
)
def test_an_unreadable_document_is_refused(call: Callable[..., Any], body: dict[str, Any]) -> None:
    """Nothing is written."""
    assert call("POST", f"{URL}/import", json=body).status == 400
    assert call("GET", URL).json["total_entries"] == 0


def test_an_import_is_limited_to_the_tenants_rights(tenant_caller: Any, call: Callable[..., Any]) -> None:
    """Shared and other tenants' connections are not overwritten. Other tenants' are not skipped either."""
    body = {"connection_type": "redis", "host": "r.internal"}
    call("POST", URL, json=body | {"connection_id": "shared"})
    tenant_caller("b")("POST", URL, json=body | {"connection_id": "theirs"})
    mine = tenant_caller("a")
    document: dict[str, Any] = {
        name: {"conn_type": "redis", "host": "x.internal"} for name in ("shared", "theirs", "new")
    }
    document["outside"] = {"conn_type": "redis", "host": "example.com"}
    document["file"] = {"conn_type": "sqlite", "host": "/x"}
    document["given"] = {"conn_type": "redis", "host": "x.internal", "tenant_id": "b"}
    for on_conflict, shared in (("overwrite", "failed"), ("skip", "skipped"), ("fail", "failed")):
        request = {"connections": document, "on_conflict": on_conflict}
        answer = mine("POST", f"{URL}/import", json=request | {"dry_run": True})
        assert results(answer) == {
            "shared": shared,
            "theirs": "failed",
            "new": "created",
            "outside": "failed",
            "file": "failed",
            "given": "failed",
        }
        refused = mine("POST", f"{URL}/import", json=request)
        assert refused.status == 400
        messages = {
            row["connection_id"]: row["message"] for row in refused.json["error"]["details"]["connections"]
        }
        assert messages["theirs"] == "This connection_id is taken"
    assert call("GET", URL).json["total_entries"] == 2
    answer = mine("POST", f"{URL}/import", json={"connections": {"new": document["new"]}})
    assert results(answer) == {"new": "created"}
    assert call("GET", f"{URL}/new").json["tenant_id"] == "a"


def test_a_missing_or_wrong_passphrase_is_reported(call: Callable[..., Any]) -> None:
    """The error points to the passphrase."""
    envelope = call("POST", f"{URL}/export", json={"passphrase": PASSPHRASE}).json
    body = {"content": json.dumps(envelope)}
    for passphrase in ({}, {"passphrase": "another long passphrase"}):
        refused = call("POST", f"{URL}/import", json=body | passphrase)
        assert refused.status == 400
        assert refused.json["error"]["details"]["errors"][0]["pointer"] == "/passphrase"
