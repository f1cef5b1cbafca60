"""Webhooks over HTTP."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from airflow_platform_plugin import crypto
from airflow_platform_plugin.webhooks.models import Webhook

URL = "/api/v1/platform/webhooks"


@pytest.fixture
def webhook() -> dict[str, Any]:
    """The webhook of the API reference, without the id that the server gives."""
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


def test_the_reference_webhook_is_made_and_its_secret_shown_once(
    call: Callable[..., Any], webhook: dict[str, Any], session: Any
) -> None:
    """Neither it nor the headers' values are in a later answer, or readable in the database."""
    made = call("POST", URL, json=webhook)
    assert made.status == 201
    secret = made.json.pop("secret")
    assert secret.startswith("whsec_")
    shown = {key: value for key, value in webhook.items() if key != "headers"}
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
def test_a_webhook_that_does_not_fit_is_refused_by_field(
    call: Callable[..., Any], webhook: dict[str, Any], change: dict[str, Any], pointer: str
) -> None:
    refused = call("POST", URL, json=webhook | change)
    assert refused.status == 400
    assert refused.json["error"]["details"]["errors"][0]["pointer"] == pointer
    assert call("GET", URL).json["total_entries"] == 0


def test_a_change_replaces_what_it_names(call: Callable[..., Any], session: Any) -> None:
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
