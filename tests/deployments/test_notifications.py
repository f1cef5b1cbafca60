"""Mails about runs, with a real SMTP server."""

import email
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from airflow.models.xcom import XCom
from sqlalchemy import select, update

from airflow_platform_plugin.airflow_compat.models import DagRun, TaskInstance
from airflow_platform_plugin.core import db, events
from airflow_platform_plugin.core.events import NewEvent
from airflow_platform_plugin.deployments import notifications
from airflow_platform_plugin.deployments.execution.task_services import ERROR_XCOM
from airflow_platform_plugin.deployments.models import Mail

MOMENT = datetime(2024, 1, 15, 10, 30, tzinfo=timezone.utc)


class Mailbox:
    """A handler that stores mails or refuses them."""

    def __init__(self) -> None:
        self.received: list[Any] = []
        self.answer = "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's
        """Called by the server with each mail."""
        if self.answer.startswith("250"):
            self.received.append((envelope.rcpt_tos, email.message_from_bytes(envelope.content)))
        return self.answer


class AnyPort(Controller):
    """A server on a free port."""

    def _trigger_server(self) -> None:
        assert self.server is not None
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    """Start the server that Airflow's configuration names."""
    box = Mailbox()
    server = AnyPort(box, hostname="127.0.0.1", port=0)
    server.start()
    monkeypatch.setenv("AIRFLOW__SMTP__SMTP_HOST", "127.0.0.1")
    monkeypatch.setenv("AIRFLOW__SMTP__SMTP_PORT", str(server.port))
    monkeypatch.setenv("AIRFLOW__SMTP__SMTP_STARTTLS", "False")
    monkeypatch.setenv("AIRFLOW__SMTP__SMTP_MAIL_FROM", "airflow@example.com")
    yield box
    server.stop()


@pytest.fixture
def end(deploy: Callable[..., Any], session: Any) -> Callable[..., None]:
    """End a run of the reference's deployment."""
    dag_id = deploy().json["dag_id"]

    def happen(word: str = "success", run: str = "r<1>") -> None:
        data = {
            "dag_id": dag_id, "dag_run_id": run, "execution_date": "2024-01-15T00:00:00Z",
            "duration_seconds": 330.2, "state": word,
        }  # fmt: skip
        new = NewEvent(type=f"dag.{word}", identity=(dag_id, run), occurred_at=MOMENT, data=data)
        events.record(session.connection(), [new])
        events.fan_out({"mails": notifications.enqueue})

    return happen


def body(message: Any) -> str:
    return str(message.get_payload()[0].get_payload(decode=True).decode())


def test_the_end_of_a_run_sends_one_mail(end: Callable[..., None], mailbox: Mailbox) -> None:
    end()
    end()  # the sweep sees it too
    assert (notifications.send(), notifications.send()) == (1, 0)
    ((addresses, message),) = mailbox.received
    assert addresses == ["success@example.com"]
    assert message["Subject"] == "customer-360-datakit in production has succeeded"
    text = body(message)
    assert "r&lt;1&gt;" in text
    assert "0:05:30" in text
    assert "/dags/analytics__production__customer-360-datakit/grid?dag_run_id=r%3C1%3E" in text


def test_a_mail_about_a_failure_has_its_details(
    end: Callable[..., None], mailbox: Mailbox, session: Any
) -> None:
    """The error is the XCom that the operator stored."""
    dag_id = "analytics__production__customer-360-datakit"
    session.add(DagRun(dag_id=dag_id, run_id="r", run_type="manual", execution_date=MOMENT))
    session.flush()
    task = {
        "dag_id": dag_id, "run_id": "r", "task_id": "run", "map_index": -1, "pool": "default_pool",
        "pool_slots": 1, "try_number": 3,
    }  # fmt: skip
    session.execute(TaskInstance.__table__.insert().values(**task))
    names = {name: task[name] for name in ("dag_id", "run_id", "task_id")}
    XCom.set(key=ERROR_XCOM, value="exit status 3: <no> disk", **names, session=session)
    end("failure", run="r")
    notifications.send()
    ((addresses, message),) = mailbox.received
    assert addresses == ["alerts@example.com"]
    assert "exit status 3: &lt;no&gt; disk" in body(message)
    assert "<th align='left'>Tries</th><td>3</td>" in body(message)


def test_without_recipients_no_mail_is_sent(
    deploy: Callable[..., Any], end: Callable[..., None], session: Any
) -> None:
    deploy(notifications=None)
    end()
    end("failure")
    assert session.scalars(select(Mail)).all() == []


def due(session: Any) -> list[Any]:
    session.expire_all()
    return [
        (row.attempts, row.due_at) for row in session.scalars(select(Mail).order_by(Mail.attempts.desc()))
    ]


def test_a_refused_mail_is_retried_and_then_given_up(
    end: Callable[..., None], mailbox: Mailbox, session: Any
) -> None:
    end()
    mailbox.answer = "451 later"
    for attempt, seconds in enumerate(notifications.BACKOFF.seconds, start=1):
        before = db.now()
        assert notifications.send() == 0
        ((attempts, moment),) = due(session)
        assert attempts == attempt
        assert timedelta(seconds=seconds) <= moment - before <= timedelta(seconds=seconds + 60)
        session.execute(update(Mail).values(due_at=before))
    notifications.send()
    assert due(session) == []


def test_all_mails_wait_while_the_server_is_unreachable(
    end: Callable[..., None], mailbox: Mailbox, session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One mail uses an attempt, the others do not. Later all arrive."""
    end(run="a")
    end(run="b")
    posted = []
    real = notifications.post

    def away(letter: Any) -> Exception:
        posted.append(letter)
        return ConnectionRefusedError()

    monkeypatch.setattr(notifications, "post", away)
    assert (notifications.send(), notifications.send(), len(posted)) == (0, 0, 1)
    assert [attempts for attempts, _ in due(session)] == [1, 0]
    assert all(moment > db.now() for _, moment in due(session))
    monkeypatch.setattr(notifications, "post", real)
    session.execute(update(Mail).values(due_at=db.now()))
    assert notifications.send() == 2
    assert len(mailbox.received) == 2


def test_an_unreachable_server_is_a_failed_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__SMTP__SMTP_HOST", "127.0.0.1")
    monkeypatch.setenv("AIRFLOW__SMTP__SMTP_PORT", "1")
    monkeypatch.setenv("AIRFLOW__SMTP__SMTP_MAIL_FROM", "airflow@example.com")
    letter = notifications.PreparedMail("e", 1, ["a@example.com"], "s", "b")
    assert isinstance(notifications.post(letter), OSError)


def test_a_mail_that_cannot_be_rendered_does_not_stop_others(
    end: Callable[..., None], mailbox: Mailbox, session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An example is a mail with an unreadable XCom; it is retried later."""
    end(run="bad")
    end(run="good")
    real = notifications._render

    def letter(own: Any, row: Any, event: Any, deployment: Any) -> notifications.Mail:
        if event.data["dag_run_id"] == "bad":
            raise ImportError("that package is not installed here")
        return real(own, row, event, deployment)

    monkeypatch.setattr(notifications, "_render", letter)
    assert notifications.send() == 1
    assert "good" in body(mailbox.received[0][1])
    ((attempts, moment),) = due(session)
    assert (attempts, moment > db.now()) == (1, True)


def test_another_worker_sends_the_mail_of_a_killed_worker(
    end: Callable[..., None], mailbox: Mailbox, session: Any
) -> None:
    """The killed worker has claimed one mail, which another worker claims after the lease."""
    end(run="a")
    end(run="b")
    assert len(notifications.claim(session)) == 1
    assert notifications.send() == 1
    ((attempts, moment),) = due(session)
    assert attempts == 1
    assert moment - db.now() <= timedelta(minutes=4)
    session.execute(update(Mail).values(due_at=db.now()))
    assert notifications.send() == 1
    assert due(session) == []


def test_a_mail_that_kills_every_worker_is_given_up(
    end: Callable[..., None], mailbox: Mailbox, session: Any
) -> None:
    end()
    session.execute(update(Mail).values(attempts=notifications.BACKOFF.max_attempts))
    session.expire_all()
    assert notifications.send() == 0
    assert (due(session), mailbox.received) == ([], [])
