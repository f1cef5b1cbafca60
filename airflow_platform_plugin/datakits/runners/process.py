"""The runner ``process``: a kit that is installed beside Airflow, run in a process of its own.

An image's name is looked up among the installed entry points of the group ``airflow_platform.datakits``.
So what can run is what the operator has installed: no command and no path comes from an API caller.
"""

import json
import os
import sys
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from airflow.exceptions import AirflowException

from airflow_platform_plugin.airflow_compat import BaseOperator, SubprocessHook
from airflow_platform_plugin.datakits.manifest import DeploymentSpec, image_name
from airflow_platform_plugin.datakits.runners import GROUP


def find(image: str) -> EntryPoint | None:
    """The installed kit that an image's name stands for."""
    found = entry_points(group=GROUP, name=image_name(image))
    return next(iter(found), None)


def environment(spec: DeploymentSpec, context: dict[str, Any]) -> dict[str, str]:
    """The variables of the run contract (docs/datakit-contract.md); structured ones are JSON."""
    run = context["dag_run"]
    documents = {
        "CONFIGURATION": spec.configuration,
        "INPUTS": [item.model_dump(mode="json") for item in spec.manifest.inputs],
        "OUTPUTS": [item.model_dump(mode="json") for item in spec.manifest.outputs],
    }
    values = {
        "NAME": spec.manifest.name,
        "VERSION": spec.manifest.version,
        "ENVIRONMENT": spec.environment,
        "NAMESPACE": spec.namespace,
        "DAG_ID": spec.dag_id,
        "RUN_ID": run.run_id,
        "DATA_INTERVAL_START": context["data_interval_start"].isoformat(),
        "DATA_INTERVAL_END": context["data_interval_end"].isoformat(),
        **{name: json.dumps(document) for name, document in documents.items()},
    }
    return {f"DATAKIT_{name}": value for name, value in values.items()}


class ProcessOperator(BaseOperator):
    """Runs one DataKit. Its output is the task's log; an exit status other than 0 fails the task."""

    ui_color = "#d6eaf8"

    def __init__(self, *, spec: dict[str, Any], **kwargs: Any) -> None:  # noqa: ANN401 - BaseOperator's own
        super().__init__(**kwargs)
        self.spec = spec

    def execute(self, context: Any) -> None:  # noqa: ANN401 - Airflow's Context
        """Run the kit to its end."""
        spec = DeploymentSpec.model_validate(self.spec)
        kit = find(spec.manifest.image)
        if kit is None:
            raise AirflowException(
                f"No kit '{image_name(spec.manifest.image)}' is installed here "
                f"(no such entry point in the group {GROUP})."
            )
        self.hook = SubprocessHook()
        command = [sys.executable, "-m", "airflow_platform_plugin.datakits.runners.entry_point", kit.name]
        result = self.hook.run_command(command, env=os.environ | environment(spec, context))
        if result.exit_code != 0:
            raise AirflowException(f"{spec.manifest.name} ended with exit status {result.exit_code}.")

    def on_kill(self) -> None:
        """End the kit and whatever it started."""
        if hasattr(self, "hook"):
            self.hook.send_sigterm()
