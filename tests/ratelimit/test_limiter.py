"""The limiter with the file and with a real Redis, and its behavior when they fail."""

import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import servers
from flask import Blueprint, Flask
from options import set_options

from airflow_platform_plugin.core.rate_limits import LIMITED, RequestClass
from airflow_platform_plugin.ratelimit import file_storage, hooks, limiter, request_counter
from airflow_platform_plugin.ratelimit.limiter import Limiter
from airflow_platform_plugin.ratelimit.limits import Subject

FORK = multiprocessing.get_context("fork")  # as gunicorn does
KEY = Subject("credential", "key")
needs_redis = pytest.mark.skipif(
    shutil.which("redis-server") is None, reason="redis-server is not installed: scripts/install-servers"
)


def limiter_of(uri: str, text: str = "1000/hour") -> Limiter:
    return Limiter(uri, dict.fromkeys(LIMITED, text))


@pytest.fixture(scope="module")
def redis() -> Iterator[str]:
    """Return the address of a Redis."""
    server = servers.redis()
    yield server.url
    server.stop()


@pytest.fixture(params=["file", pytest.param("redis", marks=needs_redis)])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "file":
        yield f"platform-file://{tmp_path}/counters"
    else:
        address: str = request.getfixturevalue("redis")
        yield address
        limiter_of(address)._connected().reset()


def test_a_hit_is_counted_and_a_test_is_not(uri: str) -> None:
    active, before = limiter_of(uri, "2/hour"), time.time()
    (state,) = active.hit(KEY, RequestClass.READ)
    assert (state.limit, state.window, state.remaining, state.exceeded) == (2, 3600, 1, False)
    assert before + 3590 < state.reset <= time.time() + 3600
    assert [active.test(KEY, RequestClass.READ)[0].remaining for _ in range(3)] == [1, 1, 1]
    assert [active.hit(KEY, RequestClass.READ)[0].exceeded for _ in range(2)] == [False, True]
    assert active.test(KEY, RequestClass.READ)[0].exceeded


def test_subjects_and_classes_are_counted_apart(uri: str) -> None:
    active = limiter_of(uri)
    active.hit(KEY, RequestClass.READ)
    for subject, rate in (
        (KEY, RequestClass.WRITE),
        (Subject("user", "key"), RequestClass.READ),
        (Subject("credential", "other"), RequestClass.READ),
    ):
        assert active.hit(subject, rate)[0].remaining == 999


def test_a_window_ends(uri: str) -> None:
    active = limiter_of(uri, "1/second")
    deadline = time.monotonic() + 30
    while active.hit(KEY, RequestClass.READ)[0].exceeded is False:
        assert time.monotonic() < deadline, "the second request came too late, thirty times"
    while active.test(KEY, RequestClass.READ)[0].exceeded:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def hit(active: Limiter, times: int, results: Any) -> None:
    results.put([active.hit(KEY, RequestClass.READ)[0].exceeded for _ in range(times)])


def test_several_processes_together_allow_exactly_the_limit(
    uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four processes are forked from one that has counted before, as with gunicorn."""
    monkeypatch.setattr(file_storage, "LOCK_TIMEOUT", 60.0)  # the machine may be busy
    monkeypatch.setattr(limiter, "_REDIS_TIMEOUT", 60.0)
    active, results = limiter_of(uri), FORK.Queue()
    assert active.hit(KEY, RequestClass.READ)[0].remaining == 999
    processes = [FORK.Process(target=hit, args=(active, 300, results)) for _ in range(4)]
    for process in processes:
        process.start()
    refused = [exceeded for _ in processes for exceeded in results.get(timeout=60)]
    for process in processes:
        process.join()
    assert (refused.count(False), refused.count(True)) == (999, 201)


# --- a storage that fails ---


@needs_redis
def test_a_redis_that_hangs_or_stops_lets_requests_pass(
    redis: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It costs a moment, not each request; it is logged once; when Redis is back, it counts again."""
    active = limiter_of(redis)
    assert active.hit(KEY, RequestClass.READ)
    process = active._connected().storage.info()["process_id"]  # type: ignore[attr-defined]
    os.kill(process, signal.SIGSTOP)
    try:
        started = time.monotonic()
        assert [active.hit(KEY, RequestClass.READ) for _ in range(100)] == [[]] * 100
        assert time.monotonic() - started < limiter.PAUSE
        assert "The storage redis://… of the rate limits fails: TimeoutError" in (active.problem() or "")
    finally:
        os.kill(process, signal.SIGCONT)
    monkeypatch.setattr(active, "_asked_again_at", 0.0)
    assert active.hit(KEY, RequestClass.READ)
    assert active.problem() is None
    assert len([record for record in caplog.records if "pass unlimited" in record.getMessage()]) == 1
    active._connected().reset()


def test_a_failing_storage_is_paused_and_logged_once_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = [1000.0]
    monkeypatch.setattr(limiter, "_clock", lambda: now[0])
    active = limiter_of(f"platform-file://{tmp_path}")  # a folder
    for _ in range(300):
        assert active.hit(KEY, RequestClass.READ) == []
        now[0] += 0.5
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 3
    assert all("Requests pass unlimited: the storage platform-file://… " in message for message in messages)
    asked = []
    monkeypatch.setattr(active, "_connected", lambda: asked.append(now[0]))
    for _ in range(20):
        active.hit(KEY, RequestClass.READ)
        now[0] += 0.5
    assert len(asked) == 20 * 0.5 / limiter.PAUSE


def test_a_slow_failure_causes_a_longer_pause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Resolving a name may take seconds; at most a tenth of a worker's time is spent on it."""
    now = [1000.0]
    monkeypatch.setattr(limiter, "_clock", lambda: now[0])
    active, asked = limiter_of(f"platform-file://{tmp_path}/counters"), []

    def resolve() -> None:
        asked.append(now[0])
        now[0] += 30
        raise OSError("name resolution failed")

    monkeypatch.setattr(active, "_connected", resolve)
    for _ in range(1000):
        active.hit(KEY, RequestClass.READ)
        now[0] += 1
    assert len(asked) == 4


def test_a_failing_storage_does_not_stop_the_api(
    call: Callable[..., Any], limit: Callable[..., Any], tmp_path: Path
) -> None:
    limit(storage=f"platform-file://{tmp_path}", read="0/minute")
    for path in ("/api/v1/dags", "/api/v1/platform/tenants"):
        answer = call("GET", path)
        assert answer.status == 200
        assert "X-RateLimit-Limit" not in answer.headers
    own = call("GET", "/api/v1/platform/rate-limit").json
    assert (own["enforced"], own["limits"]) == (False, [])


@needs_redis
def test_a_redis_that_starts_later_is_used_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """The webserver may start first."""
    server = servers.redis()
    server.stop()
    active = limiter_of(server.url)
    assert active.hit(KEY, RequestClass.READ) == []
    again = servers.redis()
    try:
        monkeypatch.setattr(active, "_uri", again.url)
        monkeypatch.setattr(active, "_storage", None)
        monkeypatch.setattr(active, "_asked_again_at", 0.0)
        assert active.hit(KEY, RequestClass.READ)
    finally:
        again.stop()


# --- invalid options ---


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("rate_limit_read", "many", "rate_limit_read: couldn't parse rate limit string 'many'"),
        ("rate_limit_bulk", "", "rate_limit_bulk: couldn't parse rate limit string ''"),
        (
            "rate_limit_storage",
            "reds://:secret@host:1/0",
            "rate_limit_storage: unknown storage scheme : reds://…",
        ),
        (
            "rate_limit_storage",
            "redis://:secret#@host",
            "rate_limit_storage: redis://… is not a valid address",
        ),
        ("rate_limit_storage", "async+memory://", "rate_limit_storage: this storage is for asynchronous"),
        ("rate_limit_storage", "somewhere", "rate_limit_storage: unknown storage scheme : somewhere://…"),
    ],
)
def test_an_invalid_option_is_named_and_airflow_starts_without_limits(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, option: str, value: str, message: str
) -> None:
    """The log and the doctor name it; neither shows a password of an address."""
    set_options(monkeypatch, **{option: value})
    app = bare()
    assert app.test_client().get("/api/v1/x").get_data() == b"fine"
    assert message in caplog.text
    assert message in (limiter.problem() or "")
    assert "secret" not in caplog.text + (limiter.problem() or "")


def test_limits_can_be_turned_off(monkeypatch: pytest.MonkeyPatch) -> None:
    set_options(monkeypatch, rate_limits=False, rate_limit_read="0/minute")
    answer = bare().test_client().get("/api/v1/x")
    assert (answer.status_code, "X-RateLimit-Limit" in answer.headers) == (200, False)
    assert limiter.problem() is None


def bare() -> Flask:
    """Return an application with only the limiter and a view."""
    app, blueprint = Flask("bare"), Blueprint("hooks", __name__)
    app.secret_key = "x"
    app.api_auth = []  # type: ignore[attr-defined]  # as in Airflow's application
    app.add_url_rule("/api/v1/x", "x", lambda: "fine")
    hooks.install(app, blueprint)
    app.register_blueprint(blueprint)
    return app


def test_the_limiter_works_on_a_bare_application(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, clock: Callable[[float], None]
) -> None:
    """Without authentication, it needs nothing of Airflow."""
    update = {"rate_limit_read": "1/minute", "rate_limit_storage": f"platform-file://{tmp_path}/counters"}
    set_options(monkeypatch, **update)
    visitor = bare().test_client()
    assert [visitor.get("/api/v1/x").status_code for _ in range(2)] == [200, 429]
    assert request_counter.EXTENSION in visitor.application.extensions
