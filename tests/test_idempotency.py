"""A POST that is sent twice."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from calls import client
from sqlalchemy import delete, select

from airflow_platform_plugin import db, idempotency
from airflow_platform_plugin.auth import service as auth
from airflow_platform_plugin.auth.models import ApiKey
from airflow_platform_plugin.idempotency import Claim
from airflow_platform_plugin.tenants import service
from airflow_platform_plugin.tenants.models import Tenant

KEYS, TENANTS = "/api/v1/platform/api-keys", "/api/v1/platform/tenants"
Call = Callable[..., Any]


def test_the_same_again_is_answered_as_the_first_time(call: Call) -> None:
    """Also what is shown once: the key's text comes a second time, and no second key is made."""
    header = {"Idempotency-Key": "a1"}
    first, second = (call("POST", KEYS, json={"name": "k"}, headers=header) for _ in range(2))
    assert (first.status, second.status) == (201, 201)
    assert first.json == second.json
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert first.headers["X-Request-ID"] != second.headers["X-Request-ID"]
    assert [key["name"] for key in call("GET", KEYS).json["api_keys"]].count("k") == 1


def test_without_a_key_each_request_is_its_own(call: Call) -> None:
    first, second = (call("POST", KEYS, json={"name": "k"}) for _ in range(2))
    assert first.json["id"] != second.json["id"]


def test_another_body_is_a_conflict(call: Call) -> None:
    header = {"Idempotency-Key": "a1"}
    call("POST", KEYS, json={"name": "k"}, headers=header)
    other = call("POST", KEYS, json={"name": "other"}, headers=header)
    assert (other.status, other.json["error"]["code"]) == (409, "CONFLICT")
    assert other.json["error"]["details"] == {"idempotency_key": "a1"}


def test_what_is_kept_of_a_body_tells_nothing_of_it(call: Call, session: Any) -> None:
    """Whoever reads the table cannot try passwords against a digest: the key is in it, and is not stored."""
    body = b'{"name": "guessable"}'
    call("POST", KEYS, data=body, content_type="application/json", headers={"Idempotency-Key": "a1"})
    (kept,) = session.scalars(select(Claim.body_digest)).all()
    assert kept != hashlib.sha256(body).hexdigest()


def test_a_key_belongs_to_its_caller_and_path(call: Call, app: Any, make_key: Callable[[str], str]) -> None:
    """Nobody gets somebody else's answer."""
    header = {"Idempotency-Key": "a1"}
    mine = call("POST", KEYS, json={"name": "k"}, headers=header).json
    viewer = client(app, {"X-API-Key": make_key("viewer")})
    assert viewer("POST", KEYS, json={"name": "k"}, headers=header).json["owner"] == "viewer"
    rotated = call("POST", f"{KEYS}/{mine['id']}/rotate", json={}, headers=header)
    assert rotated.status == 200


def test_a_failure_may_be_sent_again(call: Call, tenant: dict[str, Any], session: Any) -> None:
    """Nothing is kept of it, so that what went wrong may be mended."""
    header = {"Idempotency-Key": "a1"}
    service.create(session, {**tenant, "metadata": {}})
    assert call("POST", TENANTS, json=tenant, headers=header).status == 409
    session.execute(delete(Tenant))
    assert call("POST", TENANTS, json=tenant, headers=header).status == 201


@pytest.mark.parametrize("key", ["", "a b", "ä", "x" * 256])
def test_a_key_that_does_not_fit_is_refused_by_name(call: Call, key: str) -> None:
    answer = call(
        "POST", KEYS, json={"name": "k"}, headers={"Idempotency-Key": key.encode().decode("latin-1")}
    )
    assert answer.status == 400
    assert answer.json["error"]["details"]["errors"][0]["pointer"] == "/Idempotency-Key"


def test_the_answer_is_kept_for_a_day_and_encrypted(
    call: Call, session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = {"Idempotency-Key": "a1"}
    first = call("POST", KEYS, json={"name": "k"}, headers=header).json
    assert first["key"] not in session.scalars(select(Claim)).one().encrypted_answer
    later = db.now() + idempotency.KEPT + timedelta(seconds=1)
    monkeypatch.setattr(db, "now", lambda: later)
    second = call("POST", KEYS, json={"name": "another"}, headers=header)
    assert (second.status, second.json["name"]) == (201, "another")


def test_old_keys_are_forgotten(call: Call, session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    call("POST", KEYS, json={"name": "k"}, headers={"Idempotency-Key": "a1"})
    assert idempotency.expire() == 0
    later = db.now() + idempotency.KEPT + timedelta(seconds=1)
    monkeypatch.setattr(db, "now", lambda: later)
    assert idempotency.expire() == 1
    assert session.scalars(select(Claim)).all() == []


@pytest.fixture
def _clean() -> Iterator[None]:
    yield
    with db.transaction() as own:
        for model in (Claim, ApiKey, Tenant):
            own.execute(delete(model))


@pytest.mark.usefixtures("_clean")
def test_two_at_the_same_moment_do_the_work_once(
    app: Any, user_id: Callable[[str], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second waits for the first at the claim, on connections of their own, and gets its answer."""
    with db.transaction() as own:
        _, key = auth.create(own, name="k", user_id=user_id("admin"))
    working, second_sent, calls = threading.Event(), threading.Event(), []
    create = service.create

    def slowly(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        working.set()
        second_sent.wait(10)
        return create(*args, **kwargs)

    claim = idempotency.claim

    def announced(*args: Any) -> Any:
        if working.is_set():
            second_sent.set()
        return claim(*args)

    monkeypatch.setattr(service, "create", slowly)
    monkeypatch.setattr(idempotency, "claim", announced)
    answers: list[Any] = []

    def send() -> None:
        headers = {"X-API-Key": key, "Idempotency-Key": "once"}
        answers.append(client(app, headers)("POST", TENANTS, json={"tenant_id": "one"}))

    first, second = threading.Thread(target=send), threading.Thread(target=send)
    first.start()
    assert working.wait(10)
    second.start()
    first.join(30)
    second.join(30)
    assert [answer.status for answer in answers] == [201, 201]
    assert answers[0].json == answers[1].json
    assert len(calls) == 1
    assert sorted("Idempotency-Replayed" in answer.headers for answer in answers) == [False, True]
