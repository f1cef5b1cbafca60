"""The interface of runners, and the choice of an environment's runner.

The module and the provider of a runner are imported when a kit is about to run, never when a DAG is parsed.
"""

from importlib import import_module
from typing import Any

from airflow_platform_plugin.airflow_compat.types import TaskContext
from airflow_platform_plugin.core import settings
from airflow_platform_plugin.deployments.execution.contract import Job, KitExit
from airflow_platform_plugin.deployments.settings import DeploymentSettings
from airflow_platform_plugin.deployments.spec import DeploymentSpec

PROCESS = "process"
NAMES = (PROCESS, "docker", "kubernetes")


class Runner:
    """Runs one try of a kit to its end. Errors that prevent a run are raised as exceptions."""

    def run(self, job: Job, context: TaskContext) -> KitExit:
        """Start the kit and wait for its end. Its output goes to the task's log.

        Raises:
            TaskDeferred: the triggerer waits for the end, and ``resume`` continues.
        """
        raise NotImplementedError

    def resume(self, spec: DeploymentSpec, context: TaskContext, event: dict[str, Any]) -> KitExit:
        """Continue after the end of a kit for which ``run`` has deferred the task."""
        raise NotImplementedError

    def kill(self) -> None:
        """End the kit and all processes that it started; do nothing if no kit runs."""
        raise NotImplementedError

    def kill_deferred(self, spec: DeploymentSpec, context: TaskContext) -> None:
        """End a kit for which ``run`` has deferred the task."""
        raise NotImplementedError


def parse_setting(text: str) -> dict[str, str]:
    """Parse the setting ``datakit_runners``.

    Returns:
        The name of a runner by environment; ``*`` is for all other environments.

    Raises:
        ValueError: the text does not have the form ``production=kubernetes, *=process``, or a runner does not
            exist.
    """
    entries = text.split(",") if "=" in text else [f"*={text}"]
    pairs = [entry.partition("=") for entry in entries]
    table = {environment.strip(): name.strip() for environment, _, name in pairs}
    if len(table) < len(pairs) or "*" not in table or not set(table.values()) <= set(NAMES):
        raise ValueError(
            f"[platform] datakit_runners must be one of {', '.join(NAMES)}, or a list such as "
            f"'production=kubernetes, *=process', not {text!r}."
        )
    return table


def runner_for(environment: str) -> str:
    """Return the name of the runner of an environment.

    Raises:
        ValueError: as for ``parse_setting``.
    """
    table = parse_setting(settings.get(DeploymentSettings).datakit_runners)
    return table.get(environment, table["*"])


def load(name: str) -> Runner:
    """Return a new runner; each try has its own.

    Raises:
        ImportError: the provider that the runner needs is not installed here.
    """
    try:
        runner: Runner = import_module(f"{__package__}.{name}").RUNNER()
    except ImportError as error:
        raise ImportError(f"The runner {name} needs airflow-platform-plugin[{name}]: {error}") from error
    return runner
