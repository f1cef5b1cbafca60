"""``airflow-platform doctor``: what an operator looks at first. A check is a function in ``CHECKS``."""

import time
from collections.abc import Callable
from typing import NamedTuple

from airflow_platform_plugin import db, settings
from airflow_platform_plugin.datakits import checks
from airflow_platform_plugin.datakits.runners import runner
from airflow_platform_plugin.ratelimit import service as ratelimit
from airflow_platform_plugin.runs.models import Cursor

# The worker's sweep moves its cursor once a minute; a slow round is no failure.
_WORKER_SILENT = 180  # seconds


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
    with db.transaction() as session:
        cursor = session.get(Cursor, "task_instance")
        last = None if cursor is None else int(cursor.position)
    if last is None:
        return False, "No worker has run yet; the scheduler starts one, or airflow-platform worker."
    silent = int(time.time()) - last
    if silent > _WORKER_SILENT:
        return False, f"No worker has finished a round for {silent // 60} minutes."
    return True, "A worker runs."


def _rate_limits() -> tuple[bool, str]:
    problem = ratelimit.problem()
    return problem is None, problem or "Requests are limited, or need not be."


def _runners() -> tuple[bool, str]:
    try:
        chosen = runner.parse(settings.get().datakit_runners)
        for name in set(chosen.values()):
            runner.load(name)
    except (ImportError, ValueError) as error:
        return False, str(error)
    return True, "DataKits run by " + ", ".join(f"{name} in {place}" for place, name in chosen.items()) + "."


CHECKS: dict[str, Callable[[], tuple[bool, str]]] = {
    "tables": _tables,
    "worker": _worker,
    "rate-limits": _rate_limits,
    "datakit-runners": _runners,
    "deployments": checks.deployments,
    "tenant-pools": checks.tenant_pools,
}
