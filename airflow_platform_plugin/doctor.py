"""``airflow-platform doctor``: what an operator looks at first. A check is a function in ``CHECKS``."""

import os
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import func, select

from airflow_platform_plugin.airflow_compat import config
from airflow_platform_plugin.core import crypto, db, settings
from airflow_platform_plugin.core.events import FailedConsumption
from airflow_platform_plugin.core.heartbeat import Step
from airflow_platform_plugin.deployments import health_checks
from airflow_platform_plugin.deployments.execution.runners import base
from airflow_platform_plugin.ratelimit import limiter as ratelimit

# A worker writes its steps down once a minute; a slow round is no failure, and a mail server may be slow.
_SILENT = timedelta(minutes=3)
_SILENT_OF = {"send-mail": timedelta(minutes=15)}
_MOST_FILES = 10_000
_LOADER = b"airflow_platform_plugin.deployments.execution.loader"


class Finding(NamedTuple):
    """What one check has found.

    Attributes:
        name: the check's, in one word for machines.
        ok: whether all is as it should be.
        message: what is, or what to do.
    """

    name: str
    ok: bool
    message: str


def examine() -> list[Finding]:
    """Make every check; one that cannot be made has failed."""
    findings = []
    for name, check in CHECKS.items():
        try:
            ok, message = check()
        except Exception as error:  # noqa: BLE001 - whatever it is, the operator is told
            ok, message = False, f"{type(error).__name__}: {error}"
        findings.append(Finding(name, ok, message))
    return findings


def _tables() -> tuple[bool, str]:
    if db.is_current():
        return True, f"The tables are at {db.head()}."
    return False, "The tables are missing or of another version: airflow-platform db upgrade"


def _worker() -> tuple[bool, str]:
    """Each step is judged by itself: one that hangs says nothing, while others go on."""
    from airflow_platform_plugin import worker

    with db.transaction() as session:
        steps = {str(step.name): step for step in session.scalars(select(Step))}
        if not steps:
            return False, "No worker has run yet; the scheduler starts one, or airflow-platform worker."
        moment = db.now()
        troubles = [trouble for name in worker.STEPS if (trouble := _trouble(name, steps.get(name), moment))]
    if len(troubles) == len(worker.STEPS):
        return False, f"No worker has finished a round: {troubles[0]} The other steps neither."
    return not troubles, " ".join(troubles) or "A worker runs, and all its steps advance."


def _trouble(name: str, step: Step | None, moment: datetime) -> str | None:
    if step is not None and step.error is not None:
        return f"The step {name} fails ({step.error}); the worker's log says why."
    if step is None or step.finished_at is None:
        return f"The step {name} has never come to its end."
    silent = moment - step.finished_at
    if silent > _SILENT_OF.get(name, _SILENT):
        return f"The step {name} has not come to its end for {int(silent.total_seconds()) // 60} minutes."
    return None


def _consumers() -> tuple[bool, str]:
    count, newest = func.count(), func.max(FailedConsumption.failed_at)
    failed = select(FailedConsumption.consumer, FailedConsumption.error, count, newest)
    with db.transaction() as session:
        rows = session.execute(failed.group_by(FailedConsumption.consumer, FailedConsumption.error)).all()
    if not rows:
        return True, "Every event has reached webhooks, mails and rollbacks."
    told = ", ".join(f"{consumer}: {amount} ({error})" for consumer, error, amount, _ in sorted(rows))
    return False, f"Events that a consumer could not process, retried for about a day: {told}."


def _secrets() -> tuple[bool, str]:
    from airflow_platform_plugin import models

    assert models  # noqa: S101 - imported for its effect: every table is known
    broken = [f"{found.unreadable} in {found.column}" for found in crypto.examine() if found.unreadable]
    if not broken:
        return True, "Everything that is encrypted can be read."
    return False, (
        f"Under no Fernet key of this configuration: {', '.join(broken)}. Add the old key to [core] "
        "fernet_key behind the new one and run airflow-platform rotate-fernet-key; or give them again."
    )


def _loader() -> tuple[bool, str]:
    folder = config.dags_folder()
    found = next((path for path in _python_files(folder) if _LOADER in path.read_bytes()), None)
    if found is not None:
        return True, f"Deployments become DAGs by {found}."
    return False, f"No file in {folder} makes DAGs of deployments: airflow-platform install-loader"


def _python_files(folder: Path) -> Iterator[Path]:
    seen = 0
    for place, _, names in os.walk(folder, followlinks=True):
        for name in sorted(names):
            path = Path(place, name)
            if name.endswith(".py") and path.is_file() and os.access(path, os.R_OK):
                yield path
            seen += 1
            if seen >= _MOST_FILES:
                return


def _rate_limits() -> tuple[bool, str]:
    problem = ratelimit.problem()
    return problem is None, problem or "Requests are limited, or need not be."


def _runners() -> tuple[bool, str]:
    try:
        chosen = base.parse_setting(settings.get().datakit_runners)
        for name in set(chosen.values()):
            base.load(name)
    except (ImportError, ValueError) as error:
        return False, str(error)
    return True, "DataKits run by " + ", ".join(f"{name} in {place}" for place, name in chosen.items()) + "."


CHECKS: dict[str, Callable[[], tuple[bool, str]]] = {
    "tables": _tables,
    "worker": _worker,
    "consumers": _consumers,
    "secrets": _secrets,
    "loader": _loader,
    "rate-limits": _rate_limits,
    "datakit-runners": _runners,
    "deployments": health_checks.deployments,
    "tenant-pools": health_checks.tenant_pools,
}
