"""What all runners have in common, and which of them an environment has.

A runner's module and the provider behind it are imported when a kit is about to run, never when its DAG is
parsed.
"""

from importlib import import_module
from typing import Any

from airflow_platform_plugin.core import settings
from airflow_platform_plugin.deployments.execution.contract import Job, KitExit
from airflow_platform_plugin.deployments.settings import DeploymentSettings
from airflow_platform_plugin.deployments.spec import DeploymentSpec

PROCESS = "process"
NAMES = (PROCESS, "docker", "kubernetes")


class Runner:
    """Runs one try of a kit to its end. Whatever keeps it from running is raised, as Airflow has it."""

    def run(self, job: Job, context: Any) -> KitExit:  # noqa: ANN401 - Airflow's Context
        """Start the kit and wait for its end; what it prints goes to the task's log.

        Raises:
            TaskDeferred: somebody else waits meanwhile, and ``resume`` goes on.
        """
        raise NotImplementedError

    def resume(self, spec: DeploymentSpec, context: Any, event: dict[str, Any]) -> KitExit:  # noqa: ANN401 - the same
        """Go on after the kit that ``run`` has left to somebody else has ended."""
        raise NotImplementedError

    def kill(self) -> None:
        """End the kit and whatever it has started; nothing happens where none runs."""
        raise NotImplementedError

    def kill_deferred(self, spec: DeploymentSpec, context: Any) -> None:  # noqa: ANN401 - the same
        """The same for a kit that ``run`` has left to somebody else."""
        raise NotImplementedError


def parse_setting(text: str) -> dict[str, str]:
    """The option ``datakit_runners``: a runner's name by environment, ``*`` for all others.

    Raises:
        ValueError: it is not of the form ``production=kubernetes, *=process``, or names no runner.
    """
    entries = text.split(",") if "=" in text else [f"*={text}"]
    pairs = [entry.partition("=") for entry in entries]
    table = {environment.strip(): name.strip() for environment, _, name in pairs}
    if len(table) < len(pairs) or "*" not in table or not set(table.values()) <= set(NAMES):
        raise ValueError(
            f"[platform] datakit_runners must be one of {', '.join(NAMES)}, or such as "
            f"'production=kubernetes, *=process', not {text!r}."
        )
    return table


def runner_for(environment: str) -> str:
    """The name of the runner of an environment.

    Raises:
        ValueError: as for ``parse``.
    """
    table = parse_setting(settings.get(DeploymentSettings).datakit_runners)
    return table.get(environment, table["*"])


def load(name: str) -> Runner:
    """The runner of that name, new for each try.

    Raises:
        ImportError: the provider that it needs is not installed here.
    """
    try:
        runner: Runner = import_module(f"{__package__}.{name}").RUNNER()
    except ImportError as error:
        raise ImportError(f"The runner {name} needs airflow-platform-plugin[{name}]: {error}") from error
    return runner
