"""Events and their consumers."""

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError

from airflow_platform_plugin.core import db, events
from airflow_platform_plugin.core.cursors import Cursor
from airflow_platform_plugin.core.events import Event, FailedConsumption, NewEvent


def happen(session: Any, *names: str) -> None:
    new = [NewEvent("dag.success", (name,), db.now(), {"name": name}) for name in names]
    events.record(session.connection(), new)


class Consumer:
    """A consumer that fails with events of the given names. Each batch writes before it fails."""

    def __init__(self, *poison: str) -> None:
        self.poison = set(poison)
        self.taken: list[str] = []

    def __call__(self, session: Any, given: Sequence[Event]) -> None:
        """Write a row for each event."""
        for event in given:
            session.add(Cursor(name=f"{id(self)}-{event.data['name']}", position=0))
            session.flush()
            if event.data["name"] in self.poison:
                raise KeyError(event.data["name"])
        self.taken += [event.data["name"] for event in given]

    def written(self, session: Any) -> set[str]:
        """The names of the events whose rows are stored."""
        rows = session.scalars(select(Cursor.name).where(Cursor.name.like(f"{id(self)}-%")))
        return {name.partition("-")[2] for name in rows}


def test_an_event_that_a_consumer_cannot_process_stops_no_other(
    session: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The other consumers get all events, and this one the others, each once."""
    happen(session, "a", "bad", "c")
    choosy, other = Consumer("bad"), Consumer()
    consumers = {"choosy": choosy, "other": other}
    assert events.fan_out(consumers) == 3
    assert events.fan_out(consumers) == 0
    assert (sorted(choosy.taken), choosy.written(session)) == (["a", "c"], {"a", "c"})
    assert (sorted(other.taken), other.written(session)) == (["a", "bad", "c"], {"a", "bad", "c"})
    (failed,) = session.scalars(select(FailedConsumption)).all()
    assert (failed.consumer, failed.attempts, failed.error) == ("choosy", 1, "KeyError")
    assert "The consumer choosy failed with 1 events" in caplog.text


def test_a_consumer_gets_a_failed_event_again_until_it_is_set_aside(session: Any) -> None:
    happen(session, "bad")
    choosy = Consumer("bad")
    events.fan_out({"choosy": choosy})
    for attempt in range(2, events._RETRIES.max_attempts + 1):
        session.execute(update(FailedConsumption).values(due_at=db.now()))
        session.expire_all()
        events.fan_out({"choosy": choosy})
        (failed,) = session.scalars(select(FailedConsumption)).all()
        assert failed.attempts == attempt
    assert failed.due_at is None
    choosy.poison.clear()
    events.fan_out({"choosy": choosy})
    assert choosy.taken == []
    session.execute(update(FailedConsumption).values(due_at=db.now()))
    session.expire_all()
    events.fan_out({"choosy": choosy})
    assert choosy.taken == ["bad"]
    assert session.scalars(select(FailedConsumption)).all() == []


def test_a_lost_database_connection_is_not_the_consumer_s_failure(session: Any) -> None:
    """The whole batch is given again."""
    happen(session, "a")

    def lose(_session: Any, _given: Sequence[Event]) -> None:
        raise OperationalError("SELECT 1", {}, Exception("gone"), connection_invalidated=True)

    with pytest.raises(OperationalError):
        events.fan_out({"loser": lose})
    session.expire_all()
    assert session.scalars(select(FailedConsumption)).all() == []
    taker = Consumer()
    assert events.fan_out({"taker": taker}) == 1


def test_a_failure_is_deleted_with_its_event(session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    happen(session, "bad")
    events.fan_out({"choosy": Consumer("bad")})
    session.execute(update(Event).values(occurred_at=db.now().replace(year=2020)))
    assert events.expire() == 1
    session.expire_all()
    assert session.scalars(select(FailedConsumption)).all() == []
