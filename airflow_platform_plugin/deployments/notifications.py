"""Mails about the end of a deployment's runs, by Airflow's mail configuration.

enqueue  makes a mail due for the event of a run's end, if the deployment has recipients for it
send     claim (transaction), send (no transaction), record (transaction)
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

_RECIPIENTS = {"dag.success": "on_success", "dag.failure": "on_failure"}
_BATCH = 8
_SLACK = timedelta(seconds=30)  # to record the result of an attempt
# About a day in total.
BACKOFF = outbox.Backoff(8, [minutes * 60 for minutes in (1, 5, 15, 60, 180, 360, 720)])


class PreparedMail(NamedTuple):
    """A mail that is ready to be sent."""

    event_id: str
    attempt: int
    addresses: list[str]
    subject: str
    body: str


def enqueue(session: Session, events: Sequence[Event]) -> None:
    """Make a mail due for each end of a run for which the deployment has recipients."""
    ends = [event for event in events if event.type in _RECIPIENTS]
    if not ends:
        return
    dag_ids = {event.data["dag_id"] for event in ends}
    selected = select(Deployment).where(Deployment.dag_id.in_(dag_ids))
    deployments = {deployment.dag_id: deployment for deployment in session.scalars(selected)}
    rows = []
    for event in ends:
        deployment = deployments.get(event.data["dag_id"])
        addresses = deployment.current.notifications.get(_RECIPIENTS[event.type]) if deployment else None
        if deployment is not None and addresses:
            rows.append(
                {
                    "event_id": event.id,
                    "deployment_id": deployment.id,
                    "addresses": addresses,
                    "attempts": 0,
                    "due_at": db.now(),
                }
            )
    db.insert_absent(session.connection(), Mail.__table__, rows)


def _select_unsent() -> Select:
    """Select the ids of the events whose mails are still to be sent."""
    return select(Mail.event_id)


def send() -> int:
    """Send due mails one after the other; return how many were sent."""
    sent = 0
    for _ in range(_BATCH):
        with db.transaction() as session:
            mails = claim(session)
        for mail in mails:
            error = post(mail)
            sent += error is None
            has_answered = isinstance(error, smtplib.SMTPResponseException)
            with db.transaction() as session:
                record(session, mail, error)
                if isinstance(error, OSError) and not has_answered:
                    # All mails wait: otherwise each of them would wait for the timeout.
                    _postpone_due(session, mail.attempt)
                    return sent
        if not mails:
            break
    return sent


def get_lease() -> timedelta:
    """Return how long a worker may take to send a mail before another worker tries, by Airflow's settings."""
    return airflow_compat.config.mail_timeout() + _SLACK


def claim(session: Session) -> list[PreparedMail]:
    """Claim the mail that has been due the longest, for this worker only until the lease ends.

    Mails are claimed one at a time, so that a worker that is killed delays one mail only.

    Returns:
        The mail; an empty list if no mail is due, or another worker was faster.
    """
    for _ in range(_BATCH):
        claims = outbox.claim(session, Mail, most=1, lease=get_lease())
        prepared = [mail for claim in claims for mail in _prepare(session, claim)]
        if prepared or not claims:
            return prepared
    return []


def _prepare(session: Session, claim: outbox.Claim) -> list[PreparedMail]:
    """Return the mail of a claim; an empty list if its deployment is gone, or if rendering it fails."""
    event_id = str(claim.row.event_id)
    event, deployment = session.get(Event, event_id), session.get(Deployment, claim.row.deployment_id)
    if event is None or deployment is None or claim.attempt > BACKOFF.max_attempts:
        # The tenant was deleted, or every worker that tried to send the mail was killed.
        outbox.remove(session, Mail, event_id)
        return []
    try:
        with db.savepoint(session):
            return [_render(session, claim, event, deployment)]
    except Exception as error:
        if isinstance(error, DBAPIError) and error.connection_invalidated:
            raise
        log.exception("The mail about the event %s cannot be rendered", event_id)
        record(session, PreparedMail(event_id, claim.attempt, [], "", ""), error)
        return []


def _render(session: Session, claim: outbox.Claim, event: Event, deployment: Deployment) -> PreparedMail:
    data = event.data
    word = "failed" if event.type == "dag.failure" else "succeeded"
    kit = f"{deployment.datakit} in {deployment.environment}"
    facts = {
        "DataKit": deployment.datakit,
        "Environment": deployment.environment,
        "Namespace": deployment.namespace,
        "Run": data["dag_run_id"],
        "Logical date": data["execution_date"],
        "Duration": _format_duration(data["duration_seconds"]),
    }
    if event.type == "dag.failure":
        facts |= _describe_failure(session, data)
    url = build_log_url(data["dag_id"], data["dag_run_id"])
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


def _format_duration(seconds: float | None) -> str:
    return "unknown" if seconds is None else str(timedelta(seconds=round(seconds)))


def _describe_failure(session: Session, data: dict[str, Any]) -> dict[str, str]:
    """Return the number of tries, and the error message of the last one."""
    from airflow_platform_plugin.deployments.execution.dag import TASK_ID

    task = airflow_compat.models.TaskInstance
    tries = session.scalar(
        select(task.try_number).where(
            task.dag_id == data["dag_id"], task.run_id == data["dag_run_id"], task.task_id == TASK_ID
        )
    )
    error = airflow_compat.tasks.xcom(session, data["dag_id"], data["dag_run_id"], TASK_ID, ERROR_XCOM)
    return ({"Tries": str(tries)} if tries else {}) | ({"Error": str(error)} if error else {})


def build_log_url(dag_id: str, run_id: str) -> str:
    """Return the URL of the log of a deployment's run in Airflow's pages."""
    from airflow_platform_plugin.deployments.execution.dag import TASK_ID

    query = urlencode({"dag_run_id": run_id, "task_id": TASK_ID, "tab": "logs"})
    return f"{airflow_compat.config.webserver_url()}/dags/{dag_id}/grid?{query}"


def post(mail: PreparedMail) -> Exception | None:
    """Send a mail to the server; return an error instead of raising it."""
    try:
        airflow_compat.mail.send(mail.addresses, mail.subject, mail.body)
    except Exception as error:  # noqa: BLE001 - whatever the mail backend raises
        return error
    return None


def record(session: Session, mail: PreparedMail, error: Exception | None) -> None:
    """Record the result of an attempt: the mail was sent, is due again, or is given up."""
    if error is None:
        outbox.remove(session, Mail, mail.event_id)
        return
    kind, due_at = type(error).__name__, BACKOFF.next_due(mail.attempt)
    if due_at is None:
        log.error("A mail is given up after %s attempts: %s", mail.attempt, kind)
        outbox.remove(session, Mail, mail.event_id)
        return
    log.warning("A mail could not be sent and will be tried again: %s", kind)
    outbox.postpone(session, Mail, mail.event_id, mail.attempt, due_at)


def _postpone_due(session: Session, attempt: int) -> None:
    """Postpone all due mails as long as the one that failed."""
    later = db.now() + timedelta(seconds=BACKOFF.seconds_after(attempt))
    db.execute_bulk(session, update(Mail).where(Mail.due_at <= db.now()).values(due_at=later))


EVENT_REFERENCE = EventReference(undeletable_ids=_select_unsent)
