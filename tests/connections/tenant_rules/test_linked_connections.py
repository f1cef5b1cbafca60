"""Connections that extra names."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from airflow_platform_plugin.airflow_compat.models import Connection

URL = "/api/v1/platform/connections"


def test_extra_cannot_link_a_connection_that_the_tenant_may_not_use(
    call: Callable[..., Any], tenant_caller: Any, session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Links are checked at any depth, when they are written and when the connection is tested.

    An unknown name, another tenant's, one from Airflow's pages and one that the environment shadows are
    refused alike.
    """
    monkeypatch.setenv("AIRFLOW__CORE__TEST_CONNECTION", "Enabled")
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
            assert error["message"] == f"there is no connection {name!r} that this one may use"
    assert mine("PATCH", f"{URL}/ours", json={"extra": {"other_conn_id": "claimed"}}).status == 200
    assert mine("POST", f"{URL}/ours/test").status == 400
    row = session.scalars(select(Connection).where(Connection.conn_id == "ours")).one()
    row.set_extra(json.dumps({"headers": {"aws_conn_id": "theirs"}}))
    session.flush()
    assert mine("POST", f"{URL}/ours/test").status == 400
    assert call("POST", f"{URL}/ours/test").status == 400
