"""Bounds of connections and documents: none of them is slow to process."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from airflow_platform_plugin.airflow_compat.models import Connection
from airflow_platform_plugin.connections import kept_secrets, masking
from airflow_platform_plugin.connections.inputs import ConnectionFields
from airflow_platform_plugin.connections.tenant_rules import connection_types, host_fields
from airflow_platform_plugin.connections.testing import results
from airflow_platform_plugin.connections.transfer import formats
from airflow_platform_plugin.core.errors import ValidationFailed

URL = "/api/v1/platform/connections"
HTTP = connection_types.find_type("http") or connection_types.ConnectionType(port=None)


def fields(**given: Any) -> ConnectionFields:
    return ConnectionFields(connection_type="http", **given)


def seconds(work: Callable[[], object]) -> float:
    """Return the least processor time of three runs."""
    taken = []
    for _ in range(3):
        started = time.process_time()
        work()
        taken.append(time.process_time() - started)
    return min(taken)


def refused_yaml(text: str) -> None:
    with pytest.raises(ValidationFailed):
        formats.parse(text, "yaml")


@pytest.mark.parametrize(
    ("work", "piece", "count"),
    [
        (masking.mask_text, "://", 40_000),
        (masking.mask_text, "a://b@", 20_000),
        (masking.mask_text, "://@ ", 20_000),
        (masking.mask_text, "a://[::1],", 20_000),
        (masking.mask_text, " ", 200_000),
        (lambda text: masking.mask_extra({"note": text, "list": [text]}), "://", 20_000),
        (
            lambda text: masking.mask_extra({f"{text}{number}": number for number in range(3)}),
            "api_key",
            20_000,
        ),
        (lambda text: host_fields.find_hosts_in_all_fields(fields(host=text)), "a://[::1],", 20_000),
        (lambda text: host_fields.find_hosts_in_all_fields(fields(extra={"url": text})), ",", 100_000),
        (lambda text: host_fields.find_host_of_type(fields(host=text), HTTP), "a@", 50_000),
        (
            lambda text: kept_secrets.find_target_changes(
                fields(extra={"a": text}), fields(extra={"a": f"{text}b"})
            ),
            "://",
            50_000,
        ),
        (results.make_failure, "role ", 100_000),
        (refused_yaml, "[", 100_000),
        (refused_yaml, "{a: ", 50_000),
        (refused_yaml, "- ", 50_000),
        (refused_yaml, "? ", 50_000),
        (lambda count: refused_yaml(f"a: 1{count}"), ":1", 100_000),
        (lambda count: refused_yaml(f"a: 0x{count}"), "f", 200_000),
        (lambda count: refused_yaml(f"a: {count}"), "9", 200_000),
        (lambda text: refused_yaml(f'a: !!int "1{text}"'), ":1", 100_000),
    ],
)
def test_time_grows_linearly_with_the_length(work: Callable[[str], object], piece: str, count: int) -> None:
    """Quadratic code would take 16 times as long for four times the text.

    Work that takes almost no time passes.
    """
    once, more = piece * count, piece * count * 4
    work(once)
    longer = seconds(lambda: work(more))
    assert longer < 0.1 or longer < 9 * seconds(lambda: work(once))


def nested(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = {"l": value}
    return value


@pytest.mark.parametrize(
    "extra",
    [
        nested(18),
        {"l": [nested(17)]},
        {f"k{number}": number for number in range(1001)},
        {"k": list(range(1001))},
        {"k": [{"a": 1}] * 600},
        {"k" * 251: 1},
        {"a": {"k" * 251: 1}},
        {"a": "x" * 46_000},
    ],
)
def test_extra_has_bounds(call: Callable[..., Any], extra: dict[str, Any]) -> None:
    """Creation, change and import refuse extra that takes long to mask in lists."""
    call("POST", URL, json={"connection_id": "c", "connection_type": "http"})
    body = {"connection_id": "d", "connection_type": "http", "extra": extra}
    for method, path, given in (("POST", "", body), ("PATCH", "/c", {"extra": extra})):
        refused = call(method, f"{URL}{path}", json=given)
        assert refused.status == 400
        assert refused.json["error"]["details"]["errors"][0]["pointer"].startswith("/extra")
    document = {"d": {"conn_type": "http", "extra": json.dumps(extra)}}
    assert call("POST", f"{URL}/import", json={"connections": document}).status == 400
    assert call("GET", f"{URL}/c").json["extra"] == {}
    assert call("GET", URL).json["total_entries"] == 1


@pytest.mark.parametrize(
    "extra",
    ["[" * 60_000, '{"a": ' * 5_000 + "1" + "}" * 5_000, '{"a": NaN}', '{"a": 1e999}', "[1, 2]", '"x"', "{"],
)
def test_an_unreadable_extra_from_airflows_pages_fails_no_list(
    call: Callable[..., Any], tenant_caller: Any, session: Any, extra: str
) -> None:
    """Airflow takes any text; the platform hides it as a whole, and a change can replace it."""
    session.add(Connection(conn_id="good", conn_type="http", host="x", extra='{"a": 1}'))
    bad = Connection(conn_id="bad", conn_type="http", host="x")
    bad._extra = extra
    session.add(bad)
    session.flush()
    for caller in (call, tenant_caller("a")):
        for path in ("", "/export", "/export?format=yaml", "/bad"):
            assert caller("GET", f"{URL}{path}").status == 200, path
    shown = {item["connection_id"]: item for item in call("GET", URL).json["connections"]}
    assert (shown["bad"]["extra"], shown["bad"]["secrets_set"]) == ({}, ["extra"])
    assert shown["good"]["extra"] == {"a": 1}
    assert call("PATCH", f"{URL}/bad", json={"extra": {"b": 2}}).json["extra"] == {"b": 2}
