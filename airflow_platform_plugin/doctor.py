"""``airflow-platform doctor``: the health checks. Features declare their own ones."""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select

from airflow_platform_plugin.core import crypto, db
from airflow_platform_plugin.core.events import FailedConsumption
from airflow_platform_plugin.core.feature import WorkerStep, features, load_models, resolve
from airflow_platform_plugin.core.heartbeat import Step

# Returns whether all is well, and a sentence for the operator.
Check = Callable[[], tuple[bool, str]]


class Finding(NamedTuple):
    """The result of one check.

    Attributes:
        name: the check's name, for programs.
        ok: whether all is well.
        message: what was found, and what to do.
    """

    name: str
    ok: bool
    message: str


def examine() -> list[Finding]:
    """Run every check; one that raises an exception has failed."""
    findings = []
    for name, check in checks().items():
        try:
            ok, message = check()
        except Exception as error:  # noqa: BLE001 - any error is the check's result
            ok, message = False, f"{type(error).__name__}: {error}"
        findings.append(Finding(name, ok, message))
    return findings


def _tables() -> tuple[bool, str]:
    if db.is_current():
        return True, f"The tables are at {db.head()}."
    return False, "The tables are missing or of another version: airflow-platform db upgrade"


def _worker() -> tuple[bool, str]:
    """Judge each step by itself: one may hang while the others go on."""
    from airflow_platform_plugin import worker

    with db.transaction() as session:
        steps = {str(step.name): step for step in session.scalars(select(Step))}
        if not steps:
            return False, "No worker has run yet; the scheduler starts one, or airflow-platform worker."
        moment = db.now()
        declared = worker.steps()
        found = (_trouble(step, steps.get(step.name), moment) for step in declared)
        troubles = [trouble for trouble in found if trouble]
    if len(troubles) == len(declared):
        return False, f"No worker has finished a round: {troubles[0]} Neither have the other steps."
    return not troubles, " ".join(troubles) or "A worker runs, and all its steps finish."


def _trouble(declared: WorkerStep, step: Step | None, moment: datetime) -> str | None:
    name = declared.name
    if step is not None and step.error is not None:
        return f"The step {name} fails ({step.error}); the worker's log says why."
    if step is None or step.finished_at is None:
        return f"The step {name} has never finished."
    silent = moment - step.finished_at
    if silent > declared.silent_after:
        return f"The step {name} has not finished for {int(silent.total_seconds()) // 60} minutes."
    return None


def _consumers() -> tuple[bool, str]:
    count, newest = func.count(), func.max(FailedConsumption.failed_at)
    failed = select(FailedConsumption.consumer, FailedConsumption.error, count, newest)
    with db.transaction() as session:
        rows = session.execute(failed.group_by(FailedConsumption.consumer, FailedConsumption.error)).all()
    if not rows:
        return True, "Every event has reached webhooks, mails and rollbacks."
    failures = ", ".join(f"{consumer}: {amount} ({error})" for consumer, error, amount, _ in sorted(rows))
    return False, f"Events that a consumer could not process, retried for about a day: {failures}."


def _secrets() -> tuple[bool, str]:
    load_models()
    broken = [f"{found.unreadable} in {found.column}" for found in crypto.examine() if found.unreadable]
    if not broken:
        return True, "Everything that is encrypted can be read."
    return False, (
        f"Under no Fernet key of this configuration: {', '.join(broken)}. Add the old key to [core] "
        "fernet_key behind the new one and run airflow-platform rotate-fernet-key; or give them again."
    )


# The checks of the core.
_CHECKS: dict[str, Check] = {
    "tables": _tables,
    "worker": _worker,
    "consumers": _consumers,
    "secrets": _secrets,
}


def checks() -> dict[str, Check]:
    """Return all checks by name."""
    return _CHECKS | {
        name: resolve(reference) for feature in features() for name, reference in feature.checks.items()
    }
