"""Claims, leases, retries and their ends."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from airflow_platform_plugin.core import db, events, outbox
from airflow_platform_plugin.core.events import NewEvent
from airflow_platform_plugin.core.feature import resolve
from airflow_platform_plugin.core.outbox import Backoff

LEASE = timedelta(seconds=60)


@pytest.fixture
def mail() -> Any:
    """The model of an outbox that keeps no history."""
    return resolve("deployments.models:Mail")


@pytest.fixture
def add(session: Any, mail: Any) -> Any:
    """Add a row that is due since so many seconds."""

    def insert(key: str, *, seconds: float = 1, attempts: int = 0) -> None:
        due_at = db.now() - timedelta(seconds=seconds)
        session.add(mail(event_id=key, deployment_id="dep_1", addresses=[], attempts=attempts, due_at=due_at))
        session.flush()

    return insert


def state(session: Any, mail: Any) -> dict[str, tuple[int, bool]]:
    """The attempts of each row, and whether it is due."""
    session.expire_all()
    return {row.event_id: (row.attempts, row.due_at <= db.now()) for row in session.scalars(select(mail))}


def test_a_claim_takes_the_oldest_rows_that_are_due_and_nobody_else_gets_them(
    session: Any, mail: Any, add: Any
) -> None:
    add("new", seconds=1)
    add("old", seconds=9)
    add("later", seconds=-60)
    first = outbox.claim(session, mail, most=1, lease=LEASE)
    assert [(claim.row.event_id, claim.attempt) for claim in first] == [("old", 1)]
    second = outbox.claim(session, mail, most=9, lease=LEASE)
    assert [claim.row.event_id for claim in second] == ["new"]
    assert outbox.claim(session, mail, most=9, lease=LEASE) == []


def test_a_claim_is_limited_by_conditions(session: Any, mail: Any, add: Any) -> None:
    add("a")
    add("b")
    (claim,) = outbox.claim(session, mail, mail.event_id == "b", most=9, lease=LEASE)
    assert claim.row.event_id == "b"


def test_a_row_is_claimed_again_once_its_lease_has_ended(session: Any, mail: Any, add: Any) -> None:
    add("a")
    outbox.claim(session, mail, most=1, lease=timedelta(seconds=-1))
    (claim,) = outbox.claim(session, mail, most=1, lease=LEASE)
    assert claim.attempt == 2


def test_a_worker_that_was_slower_claims_nothing(session: Any, mail: Any, add: Any) -> None:
    """Its SELECT has seen the row, and another worker's UPDATE came first."""
    add("a")
    row = session.get(mail, "a")
    session.expunge(row)
    assert len(outbox.claim(session, mail, most=1, lease=LEASE)) == 1
    assert not outbox._take(session, mail, row, db.now())


def test_a_failed_attempt_is_due_again_or_given_up(session: Any) -> None:
    """And a success counts even after that. This outbox keeps its rows."""
    delivery, webhook = resolve("webhooks.models:Delivery"), resolve("webhooks.models:Webhook")
    event = NewEvent("dag.success", ("d",), db.now(), {})
    events.record(session.connection(), [event])
    session.add(
        webhook(
            webhook_id="wh", name="w", url="http://127.0.0.1:9/", events=[], filters={}, retry_policy={},
            created_by="x", encrypted_headers="", encrypted_secret="",
        )
    )  # fmt: skip
    session.flush()
    session.add(delivery(id="d", event_id=event.id, webhook_id="wh", attempts=1, due_at=db.now()))
    session.flush()

    def stored() -> tuple[int, bool]:
        session.expire_all()
        row = session.get(delivery, "d")
        return row.last_status, row.due_at is not None

    later = db.now() + LEASE
    assert outbox.postpone(session, delivery, "d", 1, later, last_status=500)
    assert stored() == (500, True)
    assert outbox.postpone(session, delivery, "d", 1, None, last_status=501)
    assert stored() == (501, False)
    assert not outbox.postpone(session, delivery, "d", 1, later, last_status=502)
    assert outbox.finish(session, delivery, "d", last_status=200)
    assert stored() == (200, False)
    assert not outbox.finish(session, delivery, "gone")
    assert not outbox.finish(session, delivery, "d", delivery.last_status != 200, last_status=204)
    assert stored() == (200, False)


def test_a_late_failure_does_not_change_a_row_that_another_worker_has_claimed(
    session: Any, mail: Any, add: Any
) -> None:
    add("a", attempts=1)
    assert not outbox.postpone(session, mail, "a", 0, db.now() + LEASE)
    assert state(session, mail) == {"a": (1, True)}


def test_a_row_that_is_removed_is_gone(session: Any, mail: Any, add: Any) -> None:
    add("a")
    add("b")
    outbox.remove(session, mail, "a")
    assert set(state(session, mail)) == {"b"}


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 10), (2, 30), (3, 60), (9, 60)])
def test_the_last_pause_repeats(attempt: int, seconds: int) -> None:
    assert Backoff(20, (10, 30, 60)).seconds_after(attempt) == seconds


def test_no_attempt_follows_the_last() -> None:
    backoff = Backoff(2, (10,))
    due_at = backoff.next_due(1)
    assert due_at is not None
    assert 5 < (due_at - db.now()).total_seconds() <= 10
    assert backoff.next_due(2) is None
