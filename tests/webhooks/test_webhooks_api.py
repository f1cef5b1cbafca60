"""Webhooks over HTTP."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from airflow_platform_plugin.core import crypto
from airflow_platform_plugin.webhooks.models import Webhook

URL = "/api/v1/platform/webhooks"


@pytest.fixture
def webhook() -> dict[str, Any]:
    """The webhook of the API reference, without the id that the server creates."""
    return {
        "name": "DAG Success Notifier",
        "url": "https://your-app.com/webhooks/airflow",
        "events": ["dag.success", "dag.failure", "task.failure"],
        "filters": {
            "dag_ids": ["bronze_to_silver_pipeline", "silver_to_gold_pipeline"],
            "tags": ["production"],
        },
        "headers": {"X-Webhook-Secret": "your-secret-key"},
        "retry_policy": {"max_attempts": 3, "backoff_seconds": [10, 30, 60]},
    }


def test_the_api_references_webhook_is_created_and_its_secret_shown_once(
    call: Callable[..., Any], webhook: dict[str, Any], session: Any
) -> None:
    """The secret and the headers' values are in no later response, and encrypted in the database."""
    made = call("POST", URL, json=webhook)
    assert made.status == 201
    secret = made.json.pop("secret")
    assert secret.startswith("whsec_")
    shown = webhook | {"headers": {"X-Webhook-Secret": "***"}}
    assert {key: made.json[key] for key in shown} == shown
    assert call("GET", f"{URL}/{made.json['webhook_id']}").json == made.json
    assert call("GET", URL).json == {"webhooks": [made.json], "total_entries": 1}
    stored = str(dict(vars(session.query(Webhook).one())))
    assert secret not in stored
    assert "your-secret-key" not in stored


def test_a_webhook_is_deleted(call: Callable[..., Any], webhook: dict[str, Any]) -> None:
    made = call("POST", URL, json=webhook).json
    assert call("DELETE", f"{URL}/{made['webhook_id']}").status == 204
    assert call("GET", f"{URL}/{made['webhook_id']}").status == 404
    assert call("DELETE", f"{URL}/{made['webhook_id']}").status == 404


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"url": "ftp://example.com"}, "/url"),
        ({"url": "nowhere"}, "/url"),
        ({"events": []}, "/events"),
        ({"events": ["dag.exploded"]}, "/events/0"),
        ({"filters": {"owners": []}}, "/filters/owners"),
        ({"headers": {"X-A": "a\r\nX-B: b"}}, "/headers/X-A"),
        ({"headers": {"X A": "a"}}, "/headers/X A"),
        ({"retry_policy": {"max_attempts": 0}}, "/retry_policy/max_attempts"),
        ({"retry_policy": {"backoff_seconds": []}}, "/retry_policy/backoff_seconds"),
        ({"secret": "mine"}, "/secret"),
    ],
)
def test_an_invalid_webhook_is_refused_by_field(
    call: Callable[..., Any], webhook: dict[str, Any], change: dict[str, Any], pointer: str
) -> None:
    refused = call("POST", URL, json=webhook | change)
    assert refused.status == 400
    assert refused.json["error"]["details"]["errors"][0]["pointer"] == pointer
    assert call("GET", URL).json["total_entries"] == 0


def test_a_change_replaces_the_fields_that_are_sent(call: Callable[..., Any], session: Any) -> None:
    hook = {"name": "h", "url": "https://example.com/x", "events": ["dag.success"], "headers": {"A": "1"}}
    made = call("POST", URL, json=hook).json
    change = {"events": ["dag.failure"], "filters": {"tags": ["production"]}, "headers": {"B": "2"}}
    changed = call("PATCH", f"{URL}/{made['webhook_id']}", json=change).json
    assert (changed["events"], changed["filters"]) == (["dag.failure"], {"tags": ["production"]})
    assert (changed["name"], changed["url"]) == ("h", "https://example.com/x")
    assert "secret" not in changed
    row = session.get(Webhook, made["webhook_id"])
    assert json.loads(crypto.decrypt(row.encrypted_headers)) == {"B": "2"}
    assert call("PATCH", f"{URL}/{made['webhook_id']}", json={"events": []}).status == 400


def test_the_api_references_object_is_a_valid_request(
    call: Callable[..., Any], webhook: dict[str, Any]
) -> None:
    """The id in it is ignored, as in a response that is sent back."""
    made = call("POST", URL, json={"webhook_id": "wh_123456"} | webhook)
    assert made.status == 201
    assert made.json["webhook_id"] != "wh_123456"
    path = f"{URL}/{made.json['webhook_id']}"
    there = call("GET", path).json
    again = {name: there[name] for name in ("webhook_id", *webhook)}
    assert call("PATCH", path, json=again).status == 200
    refused = call("PATCH", path, json={"webhook_id": "wh_123456"})
    assert refused.json["error"]["details"]["errors"][0]["pointer"] == "/webhook_id"


@pytest.mark.parametrize(
    "name",
    [
        "Content-Length", "content-length", "CONTENT_LENGTH", "Content_Length", "Transfer-Encoding", "Host",
        "connection", "Keep-Alive", "TE", "Trailer", "Upgrade", "Expect", "Content-Type", "proxy-connection",
        "Proxy-Authorization", "HTTP2-Settings", "Webhook-Id", "webhook_signature", "webhook-anything",
    ],
)  # fmt: skip
def test_headers_that_frame_a_request_are_refused_by_name(
    call: Callable[..., Any], webhook: dict[str, Any], name: str
) -> None:
    """Such a header would make every delivery fail, or smuggle a second request."""
    for status, answer in (
        (400, call("POST", URL, json=webhook | {"headers": {"X-A": "1", name: "5"}})),
        (201, call("POST", URL, json=webhook)),
    ):
        assert answer.status == status
        if status == 400:
            assert [e["pointer"] for e in answer.json["error"]["details"]["errors"]] == [f"/headers/{name}"]
            assert "belongs to the connection" in answer.json["error"]["message"]
        else:
            path = f"{URL}/{answer.json['webhook_id']}"
            assert call("PATCH", path, json={"headers": {name: "5"}}).status == 400


@pytest.mark.parametrize(
    "headers",
    [{"X-A": "1", "x-a": "2"}, {"X-A": " a"}, {"X-A": "a "}, {"": "a"}, {"X:A": "a"}, {"X-A": "ü"}],
)
def test_headers_that_cannot_be_sent_are_refused(
    call: Callable[..., Any], webhook: dict[str, Any], headers: dict[str, str]
) -> None:
    refused = call("POST", URL, json=webhook | {"headers": headers})
    assert refused.status == 400
    assert refused.json["error"]["details"]["errors"][0]["pointer"].startswith("/headers")


@pytest.mark.parametrize(
    "url",
    [
        "http://xn--zzzzzz.com/", "http://xn--a.xn--b/", "http://xn--n3h.net/", "http://a:99999/", "http://a:0/",
        "http://a:-1/", "http://a..b/", "http://.../", "http:///x", "http://[::1/", "http://a b/", "http://☃.net/",
        "http://\uff11\uff12\uff17.0.0.1/", "http://a:80:90/", f"http://{'a' * 64}.com/", "http://a\\@b/", "http://%61/",
        f"http://{'a.' * 130}com/", "gopher://a/", "//a/", "http://",
    ],
)  # fmt: skip
def test_an_invalid_url_is_refused(call: Callable[..., Any], webhook: dict[str, Any], url: str) -> None:
    """By the POST and the PATCH, not only at each delivery."""
    refused = call("POST", URL, json=webhook | {"url": url})
    assert refused.status == 400
    assert {error["pointer"] for error in refused.json["error"]["details"]["errors"]} == {"/url"}
    made = call("POST", URL, json=webhook).json
    assert call("PATCH", f"{URL}/{made['webhook_id']}", json={"url": url}).status == 400


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8080/", "http://[::1]:8080/x", "http://receiver/x", "http://10.0.0.1",
        "https://user:secret@example.com/", "https://EXAMPLE.com./",
        "https://hooks.slack.com/services/T00/B00/xyz?a=b&c=%2F#d",
    ],
)  # fmt: skip
def test_an_ordinary_url_is_accepted(call: Callable[..., Any], webhook: dict[str, Any], url: str) -> None:
    made = call("POST", URL, json=webhook | {"url": url})
    assert (made.status, made.json["url"]) == (201, url)


def test_a_masked_header_keeps_its_value(
    call: Callable[..., Any], webhook: dict[str, Any], session: Any
) -> None:
    """So a response can be changed and sent back. Without a stored value it is refused."""
    refused = call("POST", URL, json=webhook | {"headers": {"X-A": "***"}})
    assert refused.json["error"]["details"]["errors"][0]["pointer"] == "/headers/X-A"
    made = call("POST", URL, json=webhook).json
    path = f"{URL}/{made['webhook_id']}"
    changed = call("PATCH", path, json={"headers": {"x-webhook-secret": "***", "B": "2"}})
    assert changed.json["headers"] == {"x-webhook-secret": "***", "B": "***"}
    row = session.get(Webhook, made["webhook_id"])
    assert row.headers == {"x-webhook-secret": "your-secret-key", "B": "2"}
    refused = call("PATCH", path, json={"headers": {"C": "***"}})
    assert refused.json["error"]["details"]["errors"][0]["pointer"] == "/headers/C"


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/webhooks/airflow",
        "http://your-app.com/webhooks/airflow",
        "https://your-app.com:8443/",
    ],
)
def test_headers_do_not_follow_to_another_host(
    call: Callable[..., Any], webhook: dict[str, Any], session: Any, url: str
) -> None:
    """They may be secrets that are meant for the old host only."""
    made = call("POST", URL, json=webhook).json
    path = f"{URL}/{made['webhook_id']}"
    for change in ({"url": url}, {"url": url, "headers": {"X-Webhook-Secret": "***"}}):
        refused = call("PATCH", path, json=change)
        assert refused.status == 400
        assert refused.json["error"]["details"]["errors"][0]["pointer"].startswith("/headers")
    assert session.get(Webhook, made["webhook_id"]).url == webhook["url"]
    assert call("PATCH", path, json={"url": webhook["url"] + "/other"}).status == 200
    assert call("PATCH", path, json={"url": url, "headers": {}}).json["headers"] == {}


def test_only_a_caller_who_may_write_sees_the_whole_url(
    call: Callable[..., Any], app: Any, session: Any, webhook: dict[str, Any], user_id: Callable[[str], int]
) -> None:
    """Anybody who knows a chat service's URL can post there. In one response and in a list."""
    from calls import client

    from airflow_platform_plugin.auth import service

    made = call(
        "POST", URL, json=webhook | {"url": "https://u:p@hooks.example:8443/services/T0/s3cret?k=v"}
    ).json
    scopes = ["webhooks:read"]
    _, key = service.issue(session, name="r", user_id=user_id("admin"), scopes=scopes)
    reader = client(app, {"X-API-Key": key})
    assert reader("GET", f"{URL}/{made['webhook_id']}").json["url"] == "https://hooks.example:8443/***"
    assert reader("GET", URL).json["webhooks"][0]["url"] == "https://hooks.example:8443/***"
    assert call("GET", URL).json["webhooks"][0]["url"] == made["url"]


def test_a_webhook_that_cannot_be_decrypted_is_shown_and_can_be_repaired(
    call: Callable[..., Any], webhook: dict[str, Any], session: Any
) -> None:
    made = call("POST", URL, json=webhook).json
    row = session.get(Webhook, made["webhook_id"])
    row.encrypted_headers = row.encrypted_secret = "none"
    session.flush()
    path = f"{URL}/{made['webhook_id']}"
    assert call("GET", path).json["headers"] == {}
    assert call("PATCH", path, json={"headers": {"A": "1"}}).json["headers"] == {"A": "***"}
    assert call("DELETE", path).status == 204
