"""Mails of a deployment's runs, through Airflow's own mail configuration.

prepare  a run's end is an event; where somebody wants to be told, a mail is due
send     claim (transaction), send (none open), record (transaction)
"""

import html
import logging
import smtplib
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode

from sqlalchemy import select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from sqlalchemy.sql import Select

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.core import db, outbox
from airflow_platform_plugin.core.events import Event
from airflow_platform_plugin.core.feature import EventReference
from airflow_platform_plugin.deployments.execution.task_services import ERROR_XCOM
from airflow_platform_plugin.deployments.models import Deployment, Mail

log = logging.getLogger(__name__)

_WANTED_BY = {"dag.success": "on_success", "dag.failure": "on_failure"}
_BATCH = 8
_SLACK = timedelta(seconds=30)  # for writing down what became of a mail
# About a day in all.
BACKOFF = outbox.Backoff(8, [minutes * 60 for minutes in (1, 5, 15, 60, 180, 360, 720)])


class PreparedMail(NamedTuple):
    """One mail to be sent."""

    event_id: str
    attempt: int
    addresses: list[str]
    subject: str
    body: str


def enqueue(session: Session, events: Sequence[Event]) -> None:
    """Let a mail be due for each end of a run that somebody wants to be told of."""
    ends = [event for event in events if event.type in _WANTED_BY]
    if not ends:
        return
    dag_ids = {event.data["dag_id"] for event in ends}
    concerned = select(Deployment).where(Deployment.dag_id.in_(dag_ids))
    deployments = {deployment.dag_id: deployment for deployment in session.scalars(concerned)}
    rows = []
    for event in ends:
        deployment = deployments.get(event.data["dag_id"])
        wanted = deployment.current.notifications.get(_WANTED_BY[event.type]) if deployment else None
        if deployment is not None and wanted:
            rows.append(
                {
                    "event_id": event.id,
                    "deployment_id": deployment.id,
                    "addresses": wanted,
                    "attempts": 0,
                    "due_at": db.now(),
                }
            )
    db.insert_absent(session.connection(), Mail.__table__, rows)


def _unsent() -> Select:
    """The ids of the events of which mails are still to be sent."""
    return select(Mail.event_id)


def send() -> int:
    """Send what is due, one after the other; returns the number of mails that went out."""
    sent = 0
    for _ in range(_BATCH):
        with db.transaction() as session:
            letters = claim(session)
        for letter in letters:
            error = post(letter)
            sent += error is None
            away = isinstance(error, OSError) and not isinstance(error, smtplib.SMTPResponseException)
            with db.transaction() as session:
                record(session, letter, error)
                if away:
                    # The server itself is away: all others wait too, or each would cost its time-out.
                    _put_off(session, letter.attempt)
                    return sent
        if not letters:
            break
    return sent


def lease() -> timedelta:
    """How long one mail may take, as Airflow is configured: then another worker may try."""
    return airflow_compat.config.mail_timeout() + _SLACK


def claim(session: Session) -> list[PreparedMail]:
    """Take the mail that has been due the longest, for this worker alone until the lease ends.

    One at a time: after a worker was killed, the others are not held up by it. Empty where none is due.
    """
    for _ in range(_BATCH):
        claims = outbox.claim(session, Mail, most=1, lease=lease())
        prepared = [letter for claim in claims for letter in _prepared(session, claim)]
        if prepared or not claims:
            return prepared
    return []


def _prepared(session: Session, claim: outbox.Claim) -> list[PreparedMail]:
    """Return the letter of a mail; nothing if nobody gets it any more, or if it cannot be written."""
    mail, event_id = claim.row, str(claim.row.event_id)
    event, deployment = session.get(Event, event_id), session.get(Deployment, mail.deployment_id)
    if event is None or deployment is None or claim.attempt > BACKOFF.max_attempts:
        # Its tenant is gone, or each worker that tried it was killed.
        outbox.remove(session, Mail, event_id)
        return []
    try:
        with db.savepoint(session):
            return [_letter(session, claim, event, deployment)]
    except Exception as error:
        if isinstance(error, DBAPIError) and error.connection_invalidated:
            raise
        log.exception("The mail of the event %s cannot be written", event_id)
        record(session, PreparedMail(event_id, claim.attempt, [], "", ""), error)
        return []


def _letter(session: Session, claim: outbox.Claim, event: Event, deployment: Deployment) -> PreparedMail:
    data = event.data
    word = "failed" if event.type == "dag.failure" else "succeeded"
    kit = f"{deployment.datakit} in {deployment.environment}"
    facts = {
        "DataKit": deployment.datakit,
        "Environment": deployment.environment,
        "Namespace": deployment.namespace,
        "Run": data["dag_run_id"],
        "Logical date": data["execution_date"],
        "Duration": _duration(data["duration_seconds"]),
    }
    if event.type == "dag.failure":
        facts |= _failure(session, data)
    url = log_url(data["dag_id"], data["dag_run_id"])
    rows = "".join(
        f"<tr><th align='left'>{html.escape(name)}</th><td>{html.escape(str(value))}</td></tr>"
        for name, value in facts.items()
    )
    link = f'<p><a href="{html.escape(url)}">The log of the run</a></p>'
    return PreparedMail(
        event_id=str(event.id),
        attempt=claim.attempt,
        addresses=list(claim.row.addresses),
        subject=f"{kit} has {word}",
        body=f"<p>{html.escape(kit)} has {word}.</p><table>{rows}</table>{link}",
    )


def _duration(seconds: float | None) -> str:
    return "unknown" if seconds is None else str(timedelta(seconds=round(seconds)))


def _failure(session: Session, data: dict[str, Any]) -> dict[str, str]:
    """What is known of a failure: how often was tried, and what the runner has left of it."""
    from airflow_platform_plugin.deployments.execution.dag import TASK_ID

    task = airflow_compat.models.TaskInstance
    tries = session.scalar(
        select(task.try_number).where(
            task.dag_id == data["dag_id"], task.run_id == data["dag_run_id"], task.task_id == TASK_ID
        )
    )
    error = airflow_compat.tasks.xcom(session, data["dag_id"], data["dag_run_id"], TASK_ID, ERROR_XCOM)
    return ({"Tries": str(tries)} if tries else {}) | ({"Error": str(error)} if error else {})


def log_url(dag_id: str, run_id: str) -> str:
    """Where Airflow's pages show the log of a deployment's run."""
    from airflow_platform_plugin.deployments.execution.dag import TASK_ID

    query = urlencode({"dag_run_id": run_id, "task_id": TASK_ID, "tab": "logs"})
    return f"{airflow_compat.config.webserver_url()}/dags/{dag_id}/grid?{query}"


def post(letter: PreparedMail) -> Exception | None:
    """Hand the mail to the server; a failure is returned, not raised."""
    try:
        airflow_compat.mail.send(letter.addresses, letter.subject, letter.body)
    except Exception as error:  # noqa: BLE001 - whatever the mail backend raises
        return error
    return None


def record(session: Session, letter: PreparedMail, error: Exception | None) -> None:
    """Record what became of an attempt: the mail is sent, due again, or given up."""
    if error is None:
        outbox.remove(session, Mail, letter.event_id)
        return
    kind, due_at = type(error).__name__, BACKOFF.next_due(letter.attempt)
    if due_at is None:
        log.error("A mail is given up after %s attempts: %s", letter.attempt, kind)
        outbox.remove(session, Mail, letter.event_id)
        return
    log.warning("A mail could not be sent and will be tried again: %s", kind)
    outbox.postpone(session, Mail, letter.event_id, letter.attempt, due_at)


def _put_off(session: Session, attempt: int) -> None:
    """Let all mails that are due wait as long as the one that failed."""
    later = db.now() + timedelta(seconds=BACKOFF.seconds_after(attempt))
    db.execute_bulk(session, update(Mail).where(Mail.due_at <= db.now()).values(due_at=later))


EVENT_REFERENCE = EventReference(needed=_unsent)
