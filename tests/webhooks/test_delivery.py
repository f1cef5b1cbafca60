"""From an event to its subscribers. The receiver is a real server that verifies signatures."""

import json
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook as Verifier

from airflow_platform_plugin import db, events, settings
from airflow_platform_plugin.events import Event, NewEvent, record
from airflow_platform_plugin.webhooks import delivery, service, signing
from airflow_platform_plugin.webhooks.models import Delivery

MOMENT = datetime(2024, 1, 15, 10, 30, tzinfo=timezone.utc)


class Receiver:
    """Remembers what it was sent, and answers as it is told."""

    def __init__(self) -> None:
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.status = 204
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests.append(({k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(receiver.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


def subscribe(session: Any, url: str, **change: Any) -> Any:
    fields = {
        "name": "w",
        "url": url,
        "events": ["dag.success"],
        "filters": {},
        "headers": {},
        "retry_policy": {"max_attempts": 2, "backoff_seconds": [10]},
    }
    everywhere = SimpleNamespace(username="admin", reach=lambda _scope: None)
    return service.create(session, fields | change, by=everywhere)


def happen(
    session: Any, event_type: str = "dag.success", dag_id: str = "d", moment: datetime = MOMENT
) -> None:
    event = NewEvent(event_type, (dag_id, "r"), moment, {"dag_id": dag_id, "dag_run_id": "r"})
    assert record(session.connection(), [event]) == 1


def test_a_delivery_is_signed_as_standard_webhooks_has_it(session: Any, receiver: Receiver) -> None:
    """The standard's own library verifies it; the user's own headers are there."""
    webhook = subscribe(
        session, receiver.url, headers={"X-Webhook-Secret": "your-secret-key", "Webhook-Id": "forged"}
    )
    happen(session, moment=db.now())
    assert (events.fan_out([delivery.prepare]), delivery.deliver()) == (1, 1)
    ((headers, body),) = receiver.requests
    verified = Verifier(webhook.secret).verify(body, headers)
    assert set(verified) == {"event", "timestamp", "data"}
    assert (verified["event"], verified["data"]) == ("dag.success", {"dag_id": "d", "dag_run_id": "r"})
    assert headers["x-webhook-secret"] == "your-secret-key"
    assert headers["webhook-id"] == session.query(Event.id).scalar()


def test_the_body_is_the_references() -> None:
    body = json.loads(signing.payload("dag.success", MOMENT, {"state": "success"}))
    assert body == {"event": "dag.success", "timestamp": "2024-01-15T10:30:00Z", "data": {"state": "success"}}


def test_each_event_is_delivered_once_however_often_the_steps_run(session: Any, receiver: Receiver) -> None:
    subscribe(session, receiver.url)
    happen(session)
    for _ in range(3):
        events.fan_out([delivery.prepare])
        delivery.deliver()
    assert len(receiver.requests) == 1


def test_a_webhook_made_later_gets_no_old_events(session: Any, receiver: Receiver) -> None:
    happen(session)
    events.fan_out([delivery.prepare])
    subscribe(session, receiver.url)
    events.fan_out([delivery.prepare])
    assert delivery.deliver() == 0


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({}, True),
        ({"events": ["dag.failure"]}, False),
        ({"filters": {"dag_ids": ["d", "e"]}}, True),
        ({"filters": {"dag_ids": ["e"]}}, False),
        ({"filters": {"tags": ["production"]}}, True),
        ({"filters": {"tags": ["staging"]}}, False),
        ({"filters": {"dag_ids": ["e"], "tags": ["production"]}}, False),
    ],
)
def test_filters_choose(session: Any, change: dict[str, Any], *, wanted: bool) -> None:
    """Types, DAGs and tags must all fit where they are given."""
    from airflow.models.dag import DagModel, DagTag

    session.add(DagModel(dag_id="d", tags=[DagTag(name="production")]))
    session.flush()
    subscribe(session, "http://127.0.0.1:9/", **change)
    happen(session)
    events.fan_out([delivery.prepare])
    assert bool(session.query(Delivery).count()) is wanted


def test_a_failed_attempt_is_made_again_and_then_given_up(session: Any, receiver: Receiver) -> None:
    """After the policy's pause, with the same message id; after the policy's last attempt never again."""
    receiver.status = 500
    subscribe(session, receiver.url)
    happen(session)
    events.fan_out([delivery.prepare])
    delivery.deliver()
    row = session.query(Delivery).one()
    assert (row.attempts, row.last_status, row.delivered_at) == (1, 500, None)
    assert 5 < (row.due_at - db.now()).total_seconds() <= 10
    assert delivery.deliver() == 0
    row.due_at = db.now()
    session.flush()
    assert delivery.deliver() == 1
    session.expire_all()
    assert (row.attempts, row.due_at, row.delivered_at) == (2, None, None)
    first, second = (headers["webhook-id"] for headers, _ in receiver.requests)
    assert first == second


def test_a_receiver_that_is_away_is_an_outcome(session: Any) -> None:
    subscribe(session, "http://127.0.0.1:9/nobody")
    happen(session)
    events.fan_out([delivery.prepare])
    assert delivery.deliver() == 1
    row = session.query(Delivery).one()
    assert (row.last_status, row.last_error) == (None, "ConnectError")


def test_a_worker_that_dies_leaves_its_delivery_to_the_next(session: Any) -> None:
    """A claim is a lease: it keeps others away while it lasts, and nobody afterwards."""
    subscribe(session, "http://127.0.0.1:9/")
    happen(session)
    events.fan_out([delivery.prepare])
    assert len(delivery.claim(session, lease=timedelta(seconds=60))) == 1
    assert delivery.claim(session, lease=timedelta(seconds=60)) == []
    row = session.query(Delivery).one()
    row.due_at = db.now() - timedelta(seconds=1)
    session.flush()
    (again,) = delivery.claim(session, lease=timedelta(seconds=60))
    assert again.number == 2


def test_old_events_and_their_deliveries_expire(session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "get", lambda: settings.Settings(event_retention_days=1))
    subscribe(session, "http://127.0.0.1:9/")
    happen(session, dag_id="old")
    happen(session, dag_id="new", moment=db.now())
    events.fan_out([delivery.prepare])
    assert delivery.expire() == 1
    assert [event.data["dag_id"] for event in session.query(Event)] == ["new"]
    assert session.query(Delivery).count() == 1


@pytest.mark.parametrize(("attempts", "seconds"), [(1, 10), (2, 30), (3, 60), (9, 60)])
def test_the_pauses_are_the_policys(attempts: int, seconds: int) -> None:
    assert delivery.backoff({"backoff_seconds": [10, 30, 60]}, attempts) == seconds
