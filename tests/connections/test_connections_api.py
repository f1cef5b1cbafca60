"""Connections over HTTP: create, read, change and delete them."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select, text

from airflow_platform_plugin.airflow_compat.models import Connection, Log
from airflow_platform_plugin.connections.models import PlatformConnection
from airflow_platform_plugin.connections.records import DetachedConnection, find
from airflow_platform_plugin.connections.tenant_rules.reachability import require_reachable
from airflow_platform_plugin.core.errors import ServiceUnavailable

URL = "/api/v1/platform/connections"


def stored(session: Any, connection_id: str) -> Connection:
    session.expire_all()
    return session.scalars(select(Connection).where(Connection.conn_id == connection_id)).one()


def test_the_reference_connection_is_created_and_read_back_without_its_password(
    call: Callable[..., Any], connection: dict[str, Any]
) -> None:
    """The API reference's connection is stored, and no response has its password."""
    made = call("POST", URL, json=connection)
    assert made.status == 201
    shown = {key: value for key, value in connection.items() if key != "password"}
    assert {key: made.json[key] for key in shown} == shown
    assert made.json["secrets_set"] == ["password"]
    assert "encrypted_password" not in made.text
    assert call("GET", f"{URL}/warehouse_prod").json == made.json
    listed = call("GET", URL).json
    assert listed == {"connections": [made.json], "total_entries": 1}


def test_a_connection_is_stored_encrypted_as_airflows_own(
    call: Callable[..., Any], connection: dict[str, Any], session: Any
) -> None:
    """Hooks find the connection, and the table has its password and extra encrypted."""
    call("POST", URL, json=connection)
    row = stored(session, "warehouse_prod")
    assert (row.conn_type, row.port, row.schema, row.login) == ("postgres", 5432, "analytics", "airflow_user")
    assert (row.password, row.extra_dejson) == ("encrypted_password", connection["extra"])
    raw = str(session.execute(text("SELECT * FROM connection WHERE conn_id = 'warehouse_prod'")).all())
    assert "encrypted_password" not in raw
    assert "sslmode" not in raw


def test_a_connection_from_airflows_pages_is_listed_to_every_tenant(
    call: Callable[..., Any], session: Any, tenant_caller: Any
) -> None:
    """It has no owner, and its secrets are masked like those of other connections."""
    session.add(Connection(conn_id="from_pages", conn_type="http", host="x", extra='{"token": "t0ken"}'))
    session.flush()
    for caller in (call, tenant_caller("a")):
        shown = caller("GET", f"{URL}/from_pages").json
        assert (shown["tenant_id"], shown["created_at"], shown["last_test"]) == (None, None, None)
        assert (shown["extra"], shown["secrets_set"]) == ({"token": "***"}, ["extra.token"])
        assert caller("GET", URL).json["total_entries"] == 1


def test_a_connection_from_airflows_pages_is_shared_only_by_setting_its_owner(
    call: Callable[..., Any], session: Any
) -> None:
    """A test or another change does not share it, because all tenants may query shared connections."""
    session.add(Connection(conn_id="from_pages", conn_type="imap", host="x"))
    session.flush()

    def is_assigned() -> bool:
        session.expire_all()
        found = find(session, "from_pages")
        assert found is not None
        return found.is_assigned

    assert call("PATCH", f"{URL}/from_pages", json={"port": 1}).json["shared"] is False
    assert not is_assigned()
    changed = call("PATCH", f"{URL}/from_pages", json={"tenant_id": None}).json
    assert is_assigned()
    assert (changed["created_by"], changed["tenant_id"], changed["shared"]) == ("admin", None, True)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"connection_id": "a/b"}, "/connection_id"),
        ({"connection_id": ".."}, "/connection_id"),
        ({"connection_id": "export"}, "/connection_id"),
        ({"connection_id": "test"}, "/connection_id"),
        ({"connection_id": "x" * 251}, "/connection_id"),
        ({"connection_type": ""}, "/connection_type"),
        ({"port": "5432"}, "/port"),
        ({"port": 65_536}, "/port"),
        ({"host": "x" * 501}, "/host"),
        ({"extra": ["a"]}, "/extra"),
        ({"extra": {"a": "x" * 50_000}}, "/extra"),
        ({"extra": {"api_key": "***"}}, "/extra/api_key"),
        ({"extra": {"api.key": "***"}}, "/extra/api.key"),
        ({"password": "***"}, "/password"),
        ({"host": "https://***@example.com"}, "/host"),
        ({"tenant_id": "nobody"}, "/tenant_id"),
        ({"uri": "postgres://"}, "/uri"),
    ],
)
def test_an_invalid_field_is_named_and_nothing_is_written(
    call: Callable[..., Any], connection: dict[str, Any], change: dict[str, Any], pointer: str
) -> None:
    """The error has a pointer to the field."""
    refused = call("POST", URL, json=connection | change)
    assert (refused.status, refused.json["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert [error["pointer"] for error in refused.json["error"]["details"]["errors"]] == [pointer]
    assert call("GET", URL).json["total_entries"] == 0


def test_reserved_words_are_not_names_of_connections(call: Callable[..., Any]) -> None:
    """``/export``, ``/import`` and ``/test`` have none of the methods of a connection."""
    for word in ("export", "import", "test"):
        assert call("DELETE", f"{URL}/{word}").status == 405
        assert "DELETE" not in call("OPTIONS", f"{URL}/{word}").headers["Allow"]
        assert call("GET", f"{URL}/{word}s").status == 404
        assert call("GET", f"{URL}/{word}/usage").status == 404


def test_an_existing_name_is_a_conflict(
    call: Callable[..., Any], connection: dict[str, Any], session: Any
) -> None:
    """The existing connection does not change."""
    call("POST", URL, json=connection)
    refused = call("POST", URL, json=connection | {"host": "elsewhere"})
    assert (refused.status, refused.json["error"]["code"]) == (409, "CONFLICT")
    assert stored(session, "warehouse_prod").host == "warehouse.example.com"


def test_secrets_in_extra_and_in_uris_are_masked_and_named(call: Callable[..., Any]) -> None:
    """Airflow's list of names decides, at any depth, with hyphens or underscores.

    An empty value is not a secret.
    """
    deep: dict[str, Any] = {"secret_word": "hunter2"}
    for level in range(8):
        deep = {f"l{level}": deep}
    extra = {
        "region": "eu",
        "private_key": "hunter2",
        "headers": {"X-API-Key": "hunter2", "Accept": "*/*"},
        "tokens": ["hunter2", {"a": "hunter2"}],
        "jdbc": "https://me:hunter2@db.example.com/x",
        "empty_password": "",
        "numbers": {"secret": 12345678},
        **deep,
    }
    body = {
        "connection_id": "c",
        "connection_type": "http",
        "host": "https://u:hunter2@h.example.com",
        "extra": extra,
    }
    made = call("POST", URL, json=body)
    assert made.status == 201
    for answer in (made, call("GET", f"{URL}/c"), call("GET", URL), call("GET", f"{URL}/export?format=yaml")):
        assert "hunter2" not in answer.text
        assert "12345678" not in answer.text
    assert made.json["host"] == "https://***@h.example.com"
    assert made.json["extra"]["headers"] == {"X-API-Key": "***", "Accept": "*/*"}
    assert made.json["extra"]["region"] == "eu"
    assert set(made.json["secrets_set"]) == {
        "host",
        "extra.private_key",
        "extra.headers.X-API-Key",
        "extra.tokens.0",
        "extra.tokens.1.a",
        "extra.jdbc",
        "extra.numbers.secret",
        "extra.l7.l6.l5.l4.l3.l2.l1.l0.secret_word",
    }


def test_masking_reveals_nothing_about_other_connections(call: Callable[..., Any]) -> None:
    """A text that is another connection's password stays readable, so that nobody can guess the password."""
    body = {"connection_id": "a", "connection_type": "http", "password": "guessable"}
    call("POST", URL, json=body)
    body = {"connection_id": "b", "connection_type": "http", "extra": {"note": "is it guessable"}}
    assert call("POST", URL, json=body).json["extra"] == {"note": "is it guessable"}


def test_extra_that_is_not_an_object_is_hidden_as_a_whole(call: Callable[..., Any], session: Any) -> None:
    """The platform cannot find secrets in such a text."""
    session.add(Connection(conn_id="old", conn_type="http"))
    session.flush()
    row = stored(session, "old")
    row._extra = "plain hunter2"
    session.flush()
    shown = call("GET", f"{URL}/old").json
    assert (shown["extra"], shown["secrets_set"]) == ({}, ["extra"])


def test_a_change_merges_extra_and_sets_the_rest(
    call: Callable[..., Any], connection: dict[str, Any], session: Any
) -> None:
    """One key of extra is set as in the SDK's example; the others and the password stay."""
    call("POST", URL, json=connection)
    changed = call(
        "PATCH", f"{URL}/warehouse_prod", json={"extra": {"sslmode": "disable"}, "description": "x"}
    )
    assert changed.status == 200
    assert changed.json["extra"] == {"sslmode": "disable", "connect_timeout": 10}
    assert changed.json["description"] == "x"
    row = stored(session, "warehouse_prod")
    assert (row.password, row.login) == ("encrypted_password", "airflow_user")
    changed = call("PATCH", f"{URL}/warehouse_prod", json={"extra": {"sslmode": None}, "password": None})
    assert (changed.json["extra"], changed.json["secrets_set"]) == ({"connect_timeout": 10}, [])
    assert stored(session, "warehouse_prod").password is None
    assert call("PATCH", f"{URL}/warehouse_prod", json={"extra": None}).json["extra"] == {}


def test_a_response_can_be_sent_back_without_losing_secrets(call: Callable[..., Any], session: Any) -> None:
    """Masks that were shown keep the stored secrets; other masks are refused."""
    extra = {"headers": {"Authorization": "Bearer x", "Accept": "*/*"}, "tokens": ["a", "b"]}
    body = {
        "connection_id": "c",
        "connection_type": "http",
        "host": "https://u:p@h",
        "password": "p",
        "extra": extra,
    }
    shown = call("POST", URL, json=body).json
    shown["extra"]["headers"]["Accept"] = "text/plain"
    names = ("host", "extra", "login", "description")
    back = {name: shown[name] for name in names} | {"password": "***"}
    assert call("PATCH", f"{URL}/c", json=back).status == 200
    row = stored(session, "c")
    assert (row.host, row.password) == ("https://u:p@h", "p")
    assert row.extra_dejson == {
        "headers": {"Authorization": "Bearer x", "Accept": "text/plain"},
        "tokens": ["a", "b"],
    }
    refused = call("PATCH", f"{URL}/c", json={"extra": {"tokens": ["***", "***", "***"]}})
    assert refused.status == 400
    assert row.extra_dejson["tokens"] == ["a", "b"]


def test_if_match_also_sees_changes_in_airflows_pages(
    call: Callable[..., Any], connection: dict[str, Any], session: Any
) -> None:
    """The ETag differs after a change in Airflow's pages, which count no version."""
    tag = call("POST", URL, json=connection).headers["ETag"]
    assert call("GET", f"{URL}/warehouse_prod").headers["ETag"] == tag
    changed = call("PATCH", f"{URL}/warehouse_prod", json={"description": "1"}, headers={"If-Match": tag})
    assert changed.status == 200
    newer = changed.headers["ETag"]
    assert newer != tag
    late = call("PATCH", f"{URL}/warehouse_prod", json={"description": "2"}, headers={"If-Match": tag})
    assert (late.status, late.json["error"]["code"]) == (412, "PRECONDITION_FAILED")
    stored(session, "warehouse_prod").set_password("another")
    session.flush()
    late = call("PATCH", f"{URL}/warehouse_prod", json={"description": "2"}, headers={"If-Match": newer})
    assert late.status == 412


def test_a_deleted_connection_leaves_no_row(
    call: Callable[..., Any], connection: dict[str, Any], session: Any
) -> None:
    """Airflow's row and ours are deleted together."""
    call("POST", URL, json=connection)
    assert call("DELETE", f"{URL}/warehouse_prod").status == 204
    assert call("DELETE", f"{URL}/warehouse_prod").status == 404
    assert session.query(Connection).count() == 0
    assert session.query(PlatformConnection).count() == 0


def test_our_row_is_deleted_when_airflows_pages_delete_a_connection(
    call: Callable[..., Any], connection: dict[str, Any], session: Any
) -> None:
    """On SQLite the next connection gets the same id, and must not get the tenant."""
    call("POST", URL, json=connection)
    session.delete(stored(session, "warehouse_prod"))
    session.flush()
    assert session.query(PlatformConnection).count() == 0


def test_a_connection_keeps_its_tenant_when_airflows_pages_rename_it(
    call: Callable[..., Any], connection: dict[str, Any], session: Any, tenant_caller: Any
) -> None:
    """Other tenants do not see it under its new name either."""
    mine, others = tenant_caller("a", external_connections=True), tenant_caller("b")
    mine("POST", URL, json=connection)
    stored(session, "warehouse_prod").conn_id = "renamed"
    session.flush()
    assert mine("GET", f"{URL}/renamed").json["tenant_id"] == "a"
    assert others("GET", f"{URL}/renamed").status == 404


def test_lists_are_filtered_and_ordered(call: Callable[..., Any]) -> None:
    """Filters, search, order and pages work together; a secret is not a column to order by."""
    for name, kind, host in (("a", "http", "z"), ("b_x", "postgres", None), ("cax", "http", "y")):
        call("POST", URL, json={"connection_id": name, "connection_type": kind, "host": host})

    def names(query: str) -> list[str]:
        answer = call("GET", f"{URL}?{query}")
        assert answer.status == 200
        return [item["connection_id"] for item in answer.json["connections"]]

    assert names("order_by=-connection_id") == ["cax", "b_x", "a"]
    assert names("connection_type=http") == ["a", "cax"]
    assert names("search=B_") == ["b_x"]
    assert names("order_by=host") == ["cax", "a", "b_x"]
    assert names("limit=2&offset=1") == ["b_x", "cax"]
    assert call("GET", f"{URL}?order_by=password").status == 400


def test_the_audit_log_names_fields_and_never_values(
    call: Callable[..., Any], connection: dict[str, Any], session: Any
) -> None:
    """Each change has one entry with the names of changed fields."""
    connection["extra"]["private_key"] = "hunter2"
    call("POST", URL, json=connection)
    change = {"password": "other-password", "extra": {"private_key": "hunter3"}, "port": 5432}
    call("PATCH", f"{URL}/warehouse_prod", json=change)
    call("DELETE", f"{URL}/warehouse_prod")
    rows = session.scalars(select(Log).where(Log.event.like("platform.%_connection")).order_by(Log.id)).all()
    assert [row.event.partition(".")[2] for row in rows] == [
        "create_connection",
        "update_connection",
        "delete_connection",
    ]
    made, changed, deleted = (json.loads(row.extra)["changes"] for row in rows)
    assert [len(changes) for changes in (made, changed, deleted)] == [1, 1, 1]
    assert (made[0]["object"], made[0]["id"], made[0]["before"]) == ("connection", "warehouse_prod", None)
    assert "password" in made[0]["after"]["fields"]
    assert changed[0]["after"] == {"tenant_id": None, "fields": ["extra.private_key", "password"]}
    assert (deleted[0]["before"], deleted[0]["after"]) == ({"tenant_id": None}, None)
    logged = "".join(row.extra for row in rows)
    for value in ("encrypted_password", "other-password", "hunter", "airflow_user", "warehouse.example.com"):
        assert value not in logged


@pytest.mark.parametrize("stored", ["gAAAAABnonsense", "gAAAAA" + "A" * 80, "not base64 at all"])
def test_a_password_of_a_lost_key_fails_nothing_else(
    call: Any, session: Any, connection: dict[str, Any], stored: str
) -> None:
    """A row that cannot be decrypted is listed, and can get a new password or be deleted."""
    for name in ("good", "bad", "worse"):
        call("POST", URL, json=connection | {"connection_id": name})
    table = Connection.__table__
    session.execute(table.update().where(table.c.conn_id != "good").values(password=stored))
    session.expire_all()
    listed = call("GET", URL)
    assert listed.status == 200
    assert {item["connection_id"] for item in listed.json["connections"]} >= {"good", "bad", "worse"}
    assert call("GET", f"{URL}/bad").json["secrets_set"][0] == "password"
    row = session.scalars(select(Connection).where(Connection.conn_id == "bad")).one()
    with pytest.raises(ServiceUnavailable, match="cannot be decrypted"):
        require_reachable(DetachedConnection(row, tenant_id=None))
    assert call("PATCH", f"{URL}/bad", json={"password": "new"}).status == 200
    assert call("DELETE", f"{URL}/worse").status == 204
