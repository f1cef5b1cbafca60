"""From an event to its subscribers. The receiver is a real server that verifies signatures."""

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
import receivers
from options import set_options
from receivers import Receiver
from sqlalchemy import select, update
from standardwebhooks.webhooks import Webhook as Verifier

from airflow_platform_plugin.core import db, events
from airflow_platform_plugin.core.events import Event, NewEvent, record
from airflow_platform_plugin.core.new_events import record_now
from airflow_platform_plugin.core.reach import EVERYWHERE
from airflow_platform_plugin.tenants.models import Tenant
from airflow_platform_plugin.webhooks import attempts, dispatcher, service, signing, subscriptions, transport
from airflow_platform_plugin.webhooks.inputs import NewWebhook
from airflow_platform_plugin.webhooks.models import Delivery, Webhook

MOMENT = datetime(2024, 1, 15, 10, 30, tzinfo=timezone.utc)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.stop()


def subscribe(session: Any, url: str, **change: Any) -> Any:
    fields = {
        "name": "w",
        "url": url,
        "events": ["dag.success"],
        "filters": {},
        "headers": {},
        "retry_policy": {"max_attempts": 2, "backoff_seconds": [10]},
    }
    everywhere = SimpleNamespace(username="admin", reach=lambda _scope: EVERYWHERE)
    return service.create(session, NewWebhook(**(fields | change)), by=everywhere)


def happen(
    session: Any, event_type: str = "dag.success", dag_id: str = "d", moment: datetime = MOMENT
) -> None:
    event = NewEvent(event_type, (dag_id, "r"), moment, {"dag_id": dag_id, "dag_run_id": "r"})
    assert record(session.connection(), [event]) == 1


def test_a_delivery_is_signed_as_standard_webhooks_says(session: Any, receiver: Receiver) -> None:
    """The standard's own library verifies it, and the user's own headers are sent."""
    webhook = subscribe(
        session, receiver.url, headers={"X-Webhook-Secret": "your-secret-key", "Webhook-Id": "forged"}
    )
    happen(session, moment=db.now())
    assert (events.fan_out({"webhooks": subscriptions.enqueue}), dispatcher.deliver()) == (1, 1)
    ((headers, body),) = receiver.requests
    verified = Verifier(webhook.secret).verify(body, headers)
    assert set(verified) == {"event", "timestamp", "data"}
    assert (verified["event"], verified["data"]) == ("dag.success", {"dag_id": "d", "dag_run_id": "r"})
    assert headers["x-webhook-secret"] == "your-secret-key"
    assert headers["webhook-id"] == session.query(Event.id).scalar()


def test_the_body_is_that_of_the_api_reference() -> None:
    body = json.loads(signing.payload("dag.success", MOMENT, {"state": "success"}))
    assert body == {"event": "dag.success", "timestamp": "2024-01-15T10:30:00Z", "data": {"state": "success"}}


def test_each_event_is_delivered_once_however_often_the_steps_run(session: Any, receiver: Receiver) -> None:
    subscribe(session, receiver.url)
    happen(session)
    for _ in range(3):
        events.fan_out({"webhooks": subscriptions.enqueue})
        dispatcher.deliver()
    assert len(receiver.requests) == 1


def test_a_webhook_made_later_gets_no_old_events(session: Any, receiver: Receiver) -> None:
    happen(session)
    events.fan_out({"webhooks": subscriptions.enqueue})
    subscribe(session, receiver.url)
    events.fan_out({"webhooks": subscriptions.enqueue})
    assert dispatcher.deliver() == 0


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
def test_filters_select_events(session: Any, change: dict[str, Any], *, wanted: bool) -> None:
    """Types, DAGs and tags must all match if they are given."""
    from airflow.models.dag import DagModel, DagTag

    session.add(DagModel(dag_id="d", tags=[DagTag(name="production")]))
    session.flush()
    subscribe(session, "http://127.0.0.1:9/", **change)
    happen(session)
    events.fan_out({"webhooks": subscriptions.enqueue})
    assert bool(session.query(Delivery).count()) is wanted


def make_dag(session: Any, *tags: str) -> None:
    from airflow.models.dag import DagModel, DagTag

    session.add(DagModel(dag_id="d", tags=[DagTag(name=name) for name in tags]))
    session.flush()


def receivers_of_event(session: Any) -> set[str]:
    """The tenants whose webhooks get the events that have not been fanned out yet."""
    events.fan_out({"webhooks": subscriptions.enqueue})
    wanted = select(Webhook.tenant_id).join(Delivery, Delivery.webhook_id == Webhook.webhook_id)
    return set(session.scalars(wanted))


@pytest.fixture
def tenants(session: Any) -> None:
    """A webhook for each of two tenants, and one that belongs to no tenant."""
    for tenant_id in ("blue", "red"):
        session.add(
            Tenant(
                tenant_id=tenant_id, display_name=tenant_id, namespace=tenant_id, resource_limits={},
                features={}, admin_users=[], labels={},
            )
        )  # fmt: skip
    session.flush()
    for tenant_id in ("blue", "red", None):
        webhook = subscribe(session, "http://127.0.0.1:9/")
        webhook.tenant_id = tenant_id
    session.flush()


@pytest.mark.usefixtures("tenants")
@pytest.mark.parametrize("data", [{}, {"dag_id": "d"}])
@pytest.mark.parametrize("tags", [["tenant:red"], []])
def test_an_event_reaches_the_webhooks_of_its_tenant_and_of_no_other(
    session: Any, data: dict[str, Any], tags: list[str]
) -> None:
    """Its own tenant counts, without a DAG and whatever tags the DAG has since."""
    make_dag(session, *tags)
    event = NewEvent("dag.success", ("x",), MOMENT, data, tenant_id="blue")
    record(session.connection(), [event])
    assert receivers_of_event(session) == {"blue", None}


@pytest.mark.usefixtures("tenants")
@pytest.mark.parametrize(
    ("tags", "tenant_ids"),
    [
        (["tenant:blue"], {"blue", None}),
        (["tenant:blue", "tenant:red"], {None}),
        (["Tenant:blue"], {None}),  # MySQL takes this one for "tenant:blue"
        (["tenant:bl\u00fce"], {None}),  # and this one
        ([], {None}),
    ],
)
def test_the_present_owner_of_the_dag_gets_an_event_without_a_tenant(
    session: Any, monkeypatch: pytest.MonkeyPatch, tags: list[str], tenant_ids: set[str]
) -> None:
    """Such as one from before events had tenants. A DAG with the tags of two tenants belongs to none."""
    set_options(monkeypatch, dag_ownership="tags")
    make_dag(session, *tags)
    happen(session)
    assert receivers_of_event(session) == tenant_ids


@pytest.mark.usefixtures("tenants")
def test_an_event_without_a_tenant_and_a_dag_reaches_no_tenant(session: Any) -> None:
    record(session.connection(), [NewEvent("dag.success", ("x",), MOMENT, {})])
    assert receivers_of_event(session) == {None}


@pytest.mark.usefixtures("tenants")
def test_a_webhook_gets_the_event_of_a_dag_that_lost_its_tag_since(
    session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The listener stores the tenant with the event."""
    from airflow.models.dag import DagTag

    set_options(monkeypatch, dag_ownership="tags")

    make_dag(session, "tenant:blue")
    record_now(session.connection(), NewEvent("dag.success", ("x",), MOMENT, {"dag_id": "d"}))
    session.query(DagTag).delete()
    session.expire_all()
    assert receivers_of_event(session) == {"blue", None}


def test_a_failed_attempt_is_made_again_and_then_given_up(session: Any, receiver: Receiver) -> None:
    """After the policy's pause, with the same message id; after the policy's last attempt never again."""
    receiver.status = 500
    subscribe(session, receiver.url)
    happen(session)
    events.fan_out({"webhooks": subscriptions.enqueue})
    dispatcher.deliver()
    row = session.query(Delivery).one()
    assert (row.attempts, row.last_status, row.delivered_at) == (1, 500, None)
    assert 5 < (row.due_at - db.now()).total_seconds() <= 10
    assert dispatcher.deliver() == 0
    row.due_at = db.now()
    session.flush()
    assert dispatcher.deliver() == 1
    session.expire_all()
    assert (row.attempts, row.due_at, row.delivered_at) == (2, None, None)
    first, second = (headers["webhook-id"] for headers, _ in receiver.requests)
    assert first == second


def test_an_unreachable_receiver_is_an_outcome(session: Any) -> None:
    subscribe(session, "http://127.0.0.1:9/nobody")
    happen(session)
    events.fan_out({"webhooks": subscriptions.enqueue})
    assert dispatcher.deliver() == 1
    row = session.query(Delivery).one()
    assert (row.last_status, row.last_error) == (None, "ConnectError")


def test_a_worker_that_dies_leaves_its_delivery_to_the_next(session: Any) -> None:
    """A claim is a lease: no other worker gets the delivery before it ends."""
    subscribe(session, "http://127.0.0.1:9/")
    happen(session)
    events.fan_out({"webhooks": subscriptions.enqueue})
    assert len(attempts.claim(session, lease=timedelta(seconds=60))) == 1
    assert attempts.claim(session, lease=timedelta(seconds=60)) == []
    row = session.query(Delivery).one()
    row.due_at = db.now() - timedelta(seconds=1)
    session.flush()
    (again,) = attempts.claim(session, lease=timedelta(seconds=60))
    assert again.number == 2


def test_old_events_and_their_deliveries_expire(session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    set_options(monkeypatch, event_retention_days=1)
    subscribe(session, "http://127.0.0.1:9/")
    happen(session, dag_id="old")
    happen(session, dag_id="new", moment=db.now())
    events.fan_out({"webhooks": subscriptions.enqueue})
    session.execute(update(Delivery).values(due_at=None))
    assert events.expire() == 1
    assert [event.data["dag_id"] for event in session.query(Event)] == ["new"]
    assert session.query(Delivery).count() == 1


def test_an_event_that_is_still_needed_does_not_expire(session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An event that was not fanned out yet, and one with a delivery that is due."""
    set_options(monkeypatch, event_retention_days=1)
    subscribe(session, "http://127.0.0.1:9/")
    happen(session)
    assert events.expire() == 0
    events.fan_out({"webhooks": subscriptions.enqueue})
    assert events.expire() == 0


# --- strangers ---


def set_timeout(monkeypatch: pytest.MonkeyPatch, seconds: float, **options: Any) -> None:
    set_options(monkeypatch, webhook_timeout=seconds, **options)


def of(session: Any, webhook: Any) -> Any:
    """The webhook's one delivery, as it is stored."""
    session.expire_all()
    return session.scalars(select(Delivery).where(Delivery.webhook_id == webhook.webhook_id)).one()


def break_secret(session: Any, webhook: Any) -> None:
    session.execute(
        update(Webhook).where(Webhook.webhook_id == webhook.webhook_id).values(encrypted_secret="none")
    )


def break_policy(session: Any, webhook: Any) -> None:
    session.execute(
        update(Webhook).where(Webhook.webhook_id == webhook.webhook_id).values(retry_policy={"a": 1})
    )


def break_filters(session: Any, webhook: Any) -> None:
    session.execute(update(Webhook).where(Webhook.webhook_id == webhook.webhook_id).values(filters=[1]))


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("http://xn--zzzzzz.com/", "ValueError"),
        ("http://xn--a.xn--b/", "ValueError"),
        ("http://127.0.0.1:99999/", "ValueError"),
        ("http://127.0.0.1:0/", "ValueError"),
        ("http://a..b/", "ValueError"),
        ("http://[::1/", "ValueError"),
        ("ftp://127.0.0.1/", "ValueError"),
        ("http:///x", "ValueError"),
        ("", "ValueError"),
    ],
)
def test_an_invalid_url_fails_only_its_own_deliveries(
    session: Any, receiver: Receiver, url: str, error: str
) -> None:
    """Such as one that was stored before it was refused. The others of the batch are delivered once."""
    bad = subscribe(session, "http://127.0.0.1:9/")
    good = subscribe(session, receiver.url)
    session.execute(update(Webhook).where(Webhook.webhook_id == bad.webhook_id).values(url=url))
    happen(session)
    events.fan_out({"webhooks": subscriptions.enqueue})
    for _ in range(3):
        dispatcher.deliver()
    assert len(receiver.requests) == 1
    assert of(session, good).delivered_at is not None
    row = of(session, bad)
    assert (row.attempts, row.last_status, row.last_error) == (1, None, error)
    assert row.due_at > db.now()


@pytest.mark.parametrize("break_", [break_secret, break_policy, break_filters])
def test_a_webhook_that_cannot_be_read_fails_only_its_own_deliveries(
    session: Any, receiver: Receiver, break_: Any
) -> None:
    """Such as one whose secret was encrypted with a lost Fernet key."""
    bad, good = subscribe(session, receiver.url), subscribe(session, receiver.url)
    break_(session, bad)
    session.expire_all()
    happen(session)
    events.fan_out({"webhooks": subscriptions.enqueue})
    dispatcher.deliver()
    assert of(session, good).delivered_at is not None
    if break_ is break_secret:
        assert of(session, bad).last_error == "InvalidToken"
        session.execute(update(Delivery).where(Delivery.delivered_at.is_(None)).values(due_at=db.now()))
        dispatcher.deliver()
        row = of(session, bad)
        assert (row.attempts, row.due_at) == (2, None)  # given up, as any other


def test_framing_headers_that_were_stored_before_are_left_out(session: Any, receiver: Receiver) -> None:
    """The receiver gets one Host and the correct framing."""
    headers = {
        "Content-Length": "5", "Transfer-Encoding": "chunked", "HOST": "internal.example", "X-A": "1",
        "Connection": "upgrade", "transfer_encoding": "chunked", "Proxy-Authorization": "x",
        "Content-Type": "a/b",
    }  # fmt: skip
    subscribe(session, receiver.url, headers=headers)
    happen(session)
    events.fan_out({"webhooks": subscriptions.enqueue})
    dispatcher.deliver()
    ((got, body),) = receiver.requests
    assert int(got["content-length"]) == len(body)
    assert (got["host"], got["x-a"]) == (receiver.url.split("/")[2], "1")
    assert (got["connection"], got["content-type"]) == ("close", "application/json")
    assert not {"transfer-encoding", "transfer_encoding", "proxy-authorization"} & set(got)


HOSTILE = [
    (receivers.hang, None, "TimeoutError"),
    (receivers.drip_headers, None, "TimeoutError"),
    (receivers.drip_body, 500, None),
    (receivers.never_end, 500, None),
    (receivers.endless_headers, None, "RemoteProtocolError"),
    (receivers.continue_for_ever, None, "RemoteProtocolError"),
    (receivers.hang_up, None, "RemoteProtocolError"),
    (receivers.talk_nonsense, None, "RemoteProtocolError"),
    (receivers.switch_protocols, None, "RemoteProtocolError"),
]


def test_a_hostile_receiver_affects_only_its_own_deliveries(
    session: Any, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each attempt ends, is recorded, and is made again by the retry policy."""
    set_timeout(monkeypatch, 1.0)
    with ExitStack() as stack:
        bad = []
        for behaviour, status, error in HOSTILE:
            address = stack.enter_context(receivers.behaving(behaviour))
            bad.append((subscribe(session, f"http://{address}/"), status, error))
        address = stack.enter_context(receivers.behaving(receivers.hang))
        bad.append((subscribe(session, f"https://{address}/"), None, "TimeoutError"))
        good = subscribe(session, receiver.url)
        happen(session)
        events.fan_out({"webhooks": subscriptions.enqueue})
        assert dispatcher.deliver() == len(bad) + 1
    assert of(session, good).delivered_at is not None
    for webhook, status, error in bad:
        row = of(session, webhook)
        assert (row.attempts, row.last_status, row.last_error) == (1, status, error), webhook.url
        assert row.due_at > db.now()


def test_a_response_that_never_ends_is_not_read(session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A receiver can send only what the sockets' buffers hold."""
    set_timeout(monkeypatch, 5.0)
    sent = [0]

    def flood(connection: Any, going: Any) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while going():
            connection.sendall(b"a" * 65536)
            sent[0] += 65536

    with receivers.behaving(flood) as address:
        webhook = subscribe(session, f"http://{address}/")
        happen(session)
        events.fan_out({"webhooks": subscriptions.enqueue})
        dispatcher.deliver()
    assert of(session, webhook).delivered_at is not None  # it has said 200
    assert sent[0] < 32_000_000


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(session: Any, receiver: Receiver, status: int) -> None:
    receiver.status = status
    webhook = subscribe(session, receiver.url)
    happen(session)
    events.fan_out({"webhooks": subscriptions.enqueue})
    dispatcher.deliver()
    row = of(session, webhook)
    assert (row.last_status, row.delivered_at, len(receiver.requests)) == (status, None, 1)


def test_the_environments_proxies_are_ignored_and_the_operators_is_used(
    session: Any, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    subscribe(session, receiver.url)
    happen(session)
    events.fan_out({"webhooks": subscriptions.enqueue})
    dispatcher.deliver()
    assert len(receiver.requests) == 1
    proxy = receiver.url.removesuffix("/hook")  # which takes the absolute address as any path
    set_timeout(monkeypatch, 5.0, webhook_proxy=proxy.replace("//", "//me:secret@"))
    subscribe(session, "http://nowhere.invalid/hook")
    happen(session, dag_id="other")
    events.fan_out({"webhooks": subscriptions.enqueue})
    dispatcher.deliver()
    through = [headers for headers, _ in receiver.requests if headers["host"] == "nowhere.invalid"]
    assert [headers["proxy-authorization"] for headers in through] == ["Basic bWU6c2VjcmV0"]


def test_a_good_receiver_does_not_wait_for_one_that_hangs(
    session: Any, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty events for both: the one has got all while the other's first attempts still hang."""
    set_timeout(monkeypatch, 60.0)
    monkeypatch.setattr(dispatcher, "_LAST", 0.0)
    with receivers.behaving(receivers.hang) as address:
        bad, good = subscribe(session, f"http://{address}/"), subscribe(session, receiver.url)
        for number in range(20):
            happen(session, dag_id=f"d{number}")
        events.fan_out({"webhooks": subscriptions.enqueue})
        stopping, beats = threading.Event(), []

        def beat() -> None:
            beats.append(1)
            arrived = select(Delivery).where(
                Delivery.webhook_id == good.webhook_id, Delivery.delivered_at.is_not(None)
            )
            if len(session.scalars(arrived).all()) == 20 or len(beats) > 5000:
                stopping.set()

        dispatcher.run(stopping, 0.01, beat)
    session.expire_all()
    assert len(receiver.requests) == 20
    hanging = session.scalars(select(Delivery).where(Delivery.webhook_id == bad.webhook_id)).all()
    assert {(row.attempts, row.last_error) for row in hanging} == {(1, None), (0, None)}
    assert sum(row.attempts for row in hanging) == attempts._CONCURRENCY_OF_WEBHOOK


def test_a_webhook_that_times_out_has_one_attempt_at_a_time(
    session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no tenant takes all the room, however many webhooks it has."""
    room = attempts.Room(slow={"slow"})
    assert (room.of("slow", None), room.of("quick", None)) == (1, attempts._CONCURRENCY_OF_WEBHOOK)
    for number in range(8):
        free = room.of(f"w{number}", "greedy")
        room.take(f"w{number}", "greedy", free)
    assert room.of("another", "greedy") == 0
    assert room.of("w", "modest") == attempts._CONCURRENCY_OF_WEBHOOK
    set_timeout(monkeypatch, 0.2)
    with receivers.behaving(receivers.hang) as address, closing(transport.Courier()) as courier:
        subscribe(session, f"http://{address}/")
        for number in range(3):
            happen(session, dag_id=f"d{number}")
        events.fan_out({"webhooks": subscriptions.enqueue})
        dispatching = dispatcher.Dispatcher(courier)
        monkeypatch.setattr(attempts, "_CONCURRENCY_OF_WEBHOOK", 2)
        assert dispatching.take() == 2
        while dispatching.under_way:
            dispatching.wait(1)
            dispatching.record()
        assert dispatching.take() == 1


@pytest.mark.parametrize("error", [RecursionError, MemoryError, SystemExit, KeyboardInterrupt])
def test_any_exception_while_sending_is_an_outcome(
    session: Any, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    """An outcome of that delivery alone."""
    bad, good = subscribe(session, "http://127.0.0.1:9/bad"), subscribe(session, receiver.url)
    real = transport._exchange

    async def exchange(request: Any, heard: list[int]) -> None:
        if request.url.path == "/bad":
            raise error
        await real(request, heard)

    monkeypatch.setattr(transport, "_exchange", exchange)
    happen(session)
    events.fan_out({"webhooks": subscriptions.enqueue})
    assert dispatcher.deliver() == 2
    assert of(session, good).delivered_at is not None
    assert of(session, bad).last_error in {error.__name__, "RuntimeError"}


def test_a_loop_that_hangs_is_replaced(
    session: Any, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The delivery that blocks it is recorded as timed out, and the next ones are sent."""
    import time

    set_timeout(monkeypatch, 0.2)
    monkeypatch.setattr(transport.Courier, "GRACE", 0.3)
    released, real = threading.Event(), transport._exchange

    async def exchange(request: Any, heard: list[int]) -> None:
        if request.url.path == "/bad":
            released.wait(20)  # blocks the loop itself, as a defect of a library might
        await real(request, heard)

    monkeypatch.setattr(transport, "_exchange", exchange)
    bad = subscribe(
        session, "http://127.0.0.1:9/bad", retry_policy={"max_attempts": 1, "backoff_seconds": [1]}
    )
    happen(session)
    events.fan_out({"webhooks": subscriptions.enqueue})
    started = time.monotonic()
    dispatcher.deliver()
    assert time.monotonic() - started < 15
    assert of(session, bad).last_error == "TimeoutError"
    good = subscribe(session, receiver.url)
    happen(session, dag_id="later")
    events.fan_out({"webhooks": subscriptions.enqueue})
    session.execute(update(Delivery).where(Delivery.webhook_id == bad.webhook_id).values(due_at=None))
    dispatcher.deliver()
    released.set()
    assert of(session, good).delivered_at is not None


def test_a_delivery_whose_workers_died_is_given_up_too(session: Any, receiver: Receiver) -> None:
    """Each worker was killed during an attempt: the retry policy counts those attempts."""
    webhook = subscribe(session, receiver.url)
    happen(session)
    events.fan_out({"webhooks": subscriptions.enqueue})
    for _ in range(2):
        assert len(attempts.claim(session, lease=timedelta(seconds=60))) == 1
        session.execute(update(Delivery).values(due_at=db.now()))
    dispatcher.deliver()
    row = of(session, webhook)
    assert (row.due_at, row.delivered_at, row.last_error) == (None, None, "NoOutcome")
    assert receiver.requests == []


def test_a_webhook_may_be_deleted_during_a_delivery(session: Any) -> None:
    """The outcome of the attempt is ignored."""
    webhook = subscribe(session, "http://127.0.0.1:9/")
    happen(session)
    events.fan_out({"webhooks": subscriptions.enqueue})
    (attempt,) = attempts.claim(session, lease=timedelta(seconds=60))
    service.delete(session, webhook)
    session.flush()
    attempts.record(session, attempts.Outcome(attempt, 200, None))
    assert session.scalars(select(Delivery)).all() == []
    assert dispatcher.deliver() == 0


def test_a_late_failure_does_not_undo_another_workers_outcome(session: Any) -> None:
    """An attempt took longer than its lease: the next worker's success counts, and so does a late one."""
    webhook = subscribe(session, "http://127.0.0.1:9/")
    happen(session)
    events.fan_out({"webhooks": subscriptions.enqueue})
    (first,) = attempts.claim(session, lease=timedelta(seconds=60))
    session.execute(update(Delivery).values(due_at=db.now()))
    (second,) = attempts.claim(session, lease=timedelta(seconds=60))
    attempts.record(session, attempts.Outcome(first, None, "TimeoutError"))
    assert of(session, webhook).last_error is None
    attempts.record(session, attempts.Outcome(second, 204, None))
    attempts.record(session, attempts.Outcome(first, 500, None))
    assert (of(session, webhook).last_status, of(session, webhook).due_at) == (204, None)
    attempts.record(session, attempts.Outcome(first, 200, None))  # a late success, after the second attempt's
    assert of(session, webhook).last_status == 204


def test_an_outcome_that_cannot_be_recorded_waits(
    session: Any, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An outcome that the database refuses does not stop the others."""
    bad, good = subscribe(session, receiver.url), subscribe(session, receiver.url)
    happen(session)
    events.fan_out({"webhooks": subscriptions.enqueue})
    real, refuse = attempts.record, [True]

    def record_(own: Any, outcome: Any) -> None:
        if refuse[0] and outcome.attempt.webhook_id == bad.webhook_id:
            raise RuntimeError("the database is away")
        real(own, outcome)

    monkeypatch.setattr(attempts, "record", record_)
    with closing(transport.Courier()) as courier:
        dispatching = dispatcher.Dispatcher(courier)
        dispatching.take()
        dispatching.wait_for_all(10)
        assert dispatching.record() == 1
        assert of(session, good).delivered_at is not None
        refuse[0] = False
        assert dispatching.record() == 1
    assert of(session, bad).delivered_at is not None
