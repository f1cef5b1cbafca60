"""The task of a deployment's DAG: run the kit with the environment's runner, and process its result."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
    AirflowTaskTimeout,
)
from airflow_platform_plugin.airflow_compat.models import BaseOperator, Dataset
from airflow_platform_plugin.airflow_compat.types import TaskContext
from airflow_platform_plugin.core.errors import PlatformError
from airflow_platform_plugin.core.types import Option
from airflow_platform_plugin.deployments.spec import DeploymentSpec, build_dataset_uri

if TYPE_CHECKING:
    from airflow_platform_plugin.deployments.execution.contract import Job, KitExit, KitResult
    from airflow_platform_plugin.deployments.execution.runners.base import Runner

# What a kit has reported of its outputs, by name: the task's XCom.
Reports = dict[str, Any]


class DataKitOperator(BaseOperator):
    """Runs one DataKit. Its output is the task's log, and its reports about outputs are the XCom.

    The operator has no template fields: Airflow renders nothing of a deployment, and so shows no secret.
    Runners and all that they need are imported when a kit runs, not when a DAG is parsed.
    """

    ui_color = "#d6eaf8"

    def __init__(self, *, spec: dict[str, Any], **kwargs: Option) -> None:
        super().__init__(**kwargs)
        self.spec = spec
        self._runner: Runner | None = None

    def execute(self, context: TaskContext) -> Reports | None:
        """Run the kit to its end; return its reports about outputs."""
        spec = DeploymentSpec.model_validate(self.spec)
        with self._storing_errors(spec, context):
            runner, job = self._prepare(spec, context)
            kit_exit = runner.run(job, context)
        return self._conclude(spec, kit_exit, context)

    def _prepare(self, spec: DeploymentSpec, context: TaskContext) -> "tuple[Runner, Job]":
        from airflow_platform_plugin.deployments.execution import contract, task_services
        from airflow_platform_plugin.deployments.execution.runners import base

        try:
            runner = self._runner = base.load(base.runner_for(spec.environment))
            return runner, contract.build_job(spec, context, *task_services.load_secrets(spec))
        except (ImportError, ValueError, PlatformError) as error:  # a retry would fail again
            raise AirflowFailException(str(error)) from error

    def trigger_reentry(self, context: TaskContext, event: dict[str, Any]) -> Reports | None:
        """Continue with a kit that the triggerer has watched. The name is that of KubernetesPodOperator."""
        from airflow_platform_plugin.deployments.execution import task_services
        from airflow_platform_plugin.deployments.execution.runners import base

        # The revision with which the kit started, even if the DAG has a newer one by now.
        spec = task_services.load_spec(DeploymentSpec.model_validate(self.spec), event.get("revision"))
        runner = self._runner = base.load("kubernetes")
        with self._storing_errors(spec, context):
            kit_exit = runner.resume(spec, context, event)
        return self._conclude(spec, kit_exit, context)

    def on_kill(self) -> None:
        """End the kit and all processes that it started."""
        if self._runner is not None:
            self._runner.kill()
        elif (context := airflow_compat.tasks.current_context()) and context["ti"].next_method:
            # Airflow ends a deferred task that has timed out before the task can continue.
            from airflow_platform_plugin.deployments.execution.runners import base

            spec = DeploymentSpec.model_validate(self.spec)
            base.load("kubernetes").kill_deferred(spec, context)
            self._store_error(context, _timeout_message(spec))

    @contextmanager
    def _storing_errors(self, spec: DeploymentSpec, context: TaskContext) -> Iterator[None]:
        """Store why the kit could not run to its end, for mails."""
        try:
            yield
        except AirflowTaskTimeout:
            self._store_error(context, _timeout_message(spec))
            raise
        except Exception as error:
            self._store_error(context, str(error) or type(error).__name__)
            raise

    def _conclude(self, spec: DeploymentSpec, kit_exit: "KitExit", context: TaskContext) -> Reports | None:
        """Return the kit's reports, or raise what its exit means for the task."""
        from airflow_platform_plugin.deployments.execution import contract, task_services
        from airflow_platform_plugin.deployments.execution.contract import Outcome

        if kit_exit.image_digest:
            task_services.store_image_digest(spec.deployment_id, spec.revision, kit_exit.image_digest)
        invalid, result = None, contract.KitResult()
        try:
            result = contract.parse_result(kit_exit.result, spec.manifest.outputs)
        except ValueError as error:
            invalid = str(error)
        match kit_exit.outcome:
            case Outcome.SKIPPED:
                raise AirflowSkipException(f"{spec.manifest.name} has nothing to do.")
            case Outcome.SUCCESS if invalid is None:
                return self._report(spec, result, context)
        message = contract.describe_failure(spec, kit_exit, invalid or result.error)
        self._store_error(context, message)
        raise (AirflowFailException if kit_exit.outcome is Outcome.FAILED else AirflowException)(message)

    def _report(self, spec: DeploymentSpec, result: "KitResult", context: TaskContext) -> Reports | None:
        """Attach the reports to the events of Airflow Datasets, and return them."""
        from airflow_platform_plugin.deployments.execution.contract import list_output_names

        reports = {name: report.model_dump(exclude_none=True) for name, report in result.outputs.items()}
        for output in spec.manifest.outputs:
            uri = build_dataset_uri(output, spec.namespace, spec.environment)
            extra = next((reports[name] for name in list_output_names(output) if name in reports), None)
            if extra is not None:
                context["outlet_events"][Dataset(uri)].extra = extra
        return reports or None

    def _store_error(self, context: TaskContext, message: str) -> None:
        """Store an error message where mails find it, with known secrets masked."""
        from airflow_platform_plugin.deployments.execution.task_services import ERROR_XCOM

        context["ti"].xcom_push(ERROR_XCOM, airflow_compat.masking.redact(message))


def _timeout_message(spec: DeploymentSpec) -> str:
    return f"{spec.manifest.name} was ended: it took longer than {spec.timeout} seconds."
