"""What a connection or a document may hold, so that none of them is slow for anybody."""

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
    """The least time of three."""
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
        (results.failure, "role ", 100_000),
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
def test_four_times_as_much_takes_about_four_times_as_long(
    work: Callable[[str], object], piece: str, count: int
) -> None:
    """What grew with the square took minutes for a body that is allowed; here it would take 16 times as long.

    In between there is room for a busy machine; what takes no time at all has passed.
    """
    once, more = piece * count, piece * count * 4
    work(once)
    longer = seconds(lambda: work(more))
    assert longer < 0.1 or longer < 9 * seconds(lambda: work(once))


@pytest.mark.parametrize(
    "content",
    [
        "a: &x {conn_type: http}",
        'a: !!str "b"',
        "a: ! b",
        "a: !<tag:yaml.org,2002:int> b",
        "!!map {a: b}",
        "a: !!python/object/apply:os.getcwd []",
        "a: *x",
        "&a [*a]",
        "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]",
        "a: 1" + ":1" * 200,
        "a: " + "[" * 40 + "]" * 40,
        "%TAG ! tag:yaml.org,2002:\n---\na: !int 1",
    ],
)
def test_yaml_that_no_export_has_is_refused(content: str) -> None:
    if content.startswith("a: &x {"):
        assert formats.parse(content, "yaml")  # an anchor that nothing refers to is no harm
        return
    refused_yaml(content)


def test_yaml_of_exports_is_read() -> None:
    """Also a long text that begins like a number, a private key, and as many levels as extra may have."""
    deep: Any = "x"
    for _ in range(14):
        deep = {"l": deep}
    document = {
        "c": {"conn_type": "http", "password": "1" * 99, "extra": {"key": "-----BEGIN\nMII" + "a" * 3000}},
        "d": {"conn_type": "http", "extra": deep},
    }
    assert formats.parse(formats.render_yaml(document), "yaml") == document
    long = {"c": {"conn_type": "http", "password": "1" * 500}}
    assert formats.parse(formats.render_yaml(long), "yaml") == long


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
    """Wherever it is written: every list masks it."""
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
def test_one_bad_extra_of_airflows_pages_fails_no_list(
    call: Callable[..., Any], tenant_caller: Any, session: Any, extra: str
) -> None:
    """Airflow takes any text. It is hidden as a whole, and can be replaced."""
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


def test_masking_hides_what_it_hid_before() -> None:
    """To the last @ of each word, wherever a user's name or password may be."""
    for text, shown in {
        "https://u:p@h": "https://***@h",
        "https://u:p@ss@h/x": "https://***@h/x",
        "a://x,b://u:p@h": "a://***@h",
        "https://u:p@h and ftp://v:q@i": "https://***@h and ftp://***@i",
        "https://u:p@h\thttps://v:q@i\n": "https://***@h\thttps://***@i\n",
        "https://@h": "https://@h",
        "https://h": "https://h",
        "me@example.com": "me@example.com",
        "me@example.com://h": "me@example.com://h",
        "://@x://y@z": "://***@z",
        "": "",
    }.items():
        assert masking.mask_text(text) == shown, text


def test_a_drivers_words_are_on_one_line_of_the_log_and_few(
    call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A server may say what it likes: no line of the log is its own, and no secret is there."""
    from airflow_platform_plugin.connections.testing import runner, service

    caplog.set_level("WARNING", "airflow_platform_plugin")
    monkeypatch.setenv("AIRFLOW__CORE__TEST_CONNECTION", "Enabled")
    said = "no\n[2026-01-01] {forged.py:1} INFO - admin p%40ss%2Fword p@ss/word " + "x" * 5000

    def run(prepare: Any, **_: Any) -> results.TestResult:
        prepare()
        return results.failure(said)

    monkeypatch.setattr(runner, "run", run)
    body = {"connection_type": "http", "host": "x", "password": "p@ss/word"}
    outcome = call("POST", f"{URL}/test", json=body)
    assert outcome.json["message"] == results.UNKNOWN
    (record,) = [record for record in caplog.records if record.name == service.log.name]
    assert "\n" not in record.getMessage()
    assert "word" not in record.getMessage()
    assert len(record.getMessage()) < 3000
