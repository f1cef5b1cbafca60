"""Events on their way to those who are to hear of them."""

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
    """Takes events, but none of those names; what it has written of a batch that fails is undone."""

    def __init__(self, *poison: str) -> None:
        self.poison = set(poison)
        self.taken: list[str] = []

    def __call__(self, session: Any, given: Sequence[Event]) -> None:
        """Write down each event."""
        for event in given:
            session.add(Cursor(name=f"{id(self)}-{event.data['name']}", position=0))
            session.flush()
            if event.data["name"] in self.poison:
                raise KeyError(event.data["name"])
        self.taken += [event.data["name"] for event in given]

    def written(self, session: Any) -> set[str]:
        """The events of which something is written."""
        rows = session.scalars(select(Cursor.name).where(Cursor.name.like(f"{id(self)}-%")))
        return {name.partition("-")[2] for name in rows}


def test_a_poisonous_event_stops_nobody(session: Any) -> None:
    """Neither the other consumers nor the other events; each is taken once."""
    happen(session, "a", "bad", "c")
    choosy, other = Consumer("bad"), Consumer()
    consumers = {"choosy": choosy, "other": other}
    assert events.fan_out(consumers) == 3
    assert events.fan_out(consumers) == 0
    assert (sorted(choosy.taken), choosy.written(session)) == (["a", "c"], {"a", "c"})
    assert (sorted(other.taken), other.written(session)) == (["a", "bad", "c"], {"a", "bad", "c"})
    (failed,) = session.scalars(select(FailedConsumption)).all()
    assert (failed.consumer, failed.attempts, failed.error) == ("choosy", 1, "KeyError")


def test_a_consumer_is_given_again_what_it_failed_with_and_then_no_more(session: Any) -> None:
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


def test_a_database_that_is_away_is_nobody_s_fault(session: Any) -> None:
    """The whole batch comes again."""
    happen(session, "a")

    def lose(_session: Any, _given: Sequence[Event]) -> None:
        raise OperationalError("SELECT 1", {}, Exception("gone"), connection_invalidated=True)

    with pytest.raises(OperationalError):
        events.fan_out({"loser": lose})
    session.expire_all()
    assert session.scalars(select(FailedConsumption)).all() == []
    taker = Consumer()
    assert events.fan_out({"taker": taker}) == 1


def test_what_failed_goes_with_its_event(session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    happen(session, "bad")
    events.fan_out({"choosy": Consumer("bad")})
    session.execute(update(Event).values(occurred_at=db.now().replace(year=2020)))
    assert events.expire() == 1
    session.expire_all()
    assert session.scalars(select(FailedConsumption)).all() == []
