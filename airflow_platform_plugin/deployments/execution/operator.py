"""The task of a deployment's DAG: runs the kit with the environment's runner and takes what it leaves."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
    AirflowTaskTimeout,
)
from airflow_platform_plugin.airflow_compat.models import BaseOperator, Dataset
from airflow_platform_plugin.core.errors import PlatformError
from airflow_platform_plugin.deployments.spec import DeploymentSpec, dataset_uri


class DataKitOperator(BaseOperator):
    """Runs one DataKit. What it prints is the task's log; what it tells of its outputs is the XCom.

    It has no template fields: nothing of a deployment is rendered, and so no secret is shown as rendered.
    """

    ui_color = "#d6eaf8"

    def __init__(self, *, spec: dict[str, Any], **kwargs: Any) -> None:  # noqa: ANN401 - BaseOperator's own
        super().__init__(**kwargs)
        self.spec = spec
        self._runner: Any = None

    def execute(self, context: Any) -> dict[str, Any] | None:  # noqa: ANN401 - Airflow's Context
        """Run the kit to its end; returns what it tells of its outputs."""
        spec = DeploymentSpec.model_validate(self.spec)
        with self._telling(spec, context):
            job = self._prepare(spec, context)
            ended = self._runner.run(job, context)
        return self._conclude(spec, ended, context)

    def _prepare(self, spec: DeploymentSpec, context: Any) -> Any:  # noqa: ANN401 - the same; a Job
        # Here, not above: whoever parses DAGs has no use for what runs a kit.
        from airflow_platform_plugin.deployments.execution import contract, task_services
        from airflow_platform_plugin.deployments.execution.runners import base

        try:
            self._runner = base.load(base.runner_for(spec.environment))
            return contract.build_job(spec, context, *task_services.load_connections(spec))
        except (ImportError, ValueError, PlatformError) as error:  # a further try would find the same
            raise AirflowFailException(str(error)) from error

    def trigger_reentry(self, context: Any, event: dict[str, Any]) -> dict[str, Any] | None:  # noqa: ANN401 - the same
        """Go on with a kit that the triggerer has watched; the name is KubernetesPodOperator's."""
        from airflow_platform_plugin.deployments.execution import task_services
        from airflow_platform_plugin.deployments.execution.runners import base

        # It ends as it began, though the DAG may be another revision's by now.
        spec = task_services.revision(DeploymentSpec.model_validate(self.spec), event.get("revision"))
        self._runner = base.load("kubernetes")
        with self._telling(spec, context):
            ended = self._runner.resume(spec, context, event)
        return self._conclude(spec, ended, context)

    def on_kill(self) -> None:
        """End the kit and whatever it has started."""
        if self._runner is not None:
            self._runner.kill()
        elif (context := airflow_compat.tasks.current_context()) and context["ti"].next_method:
            # Airflow ends a deferred task whose time is up before it can go on.
            from airflow_platform_plugin.deployments.execution.runners import base

            spec = DeploymentSpec.model_validate(self.spec)
            base.load("kubernetes").kill_deferred(spec, context)
            self._tell(context, _too_long(spec))

    @contextmanager
    def _telling(self, spec: DeploymentSpec, context: Any) -> Iterator[None]:  # noqa: ANN401 - the same
        """Leave for mails why the kit could not run to its end."""
        try:
            yield
        except AirflowTaskTimeout:
            self._tell(context, _too_long(spec))
            raise
        except Exception as error:
            self._tell(context, str(error) or type(error).__name__)
            raise

    def _conclude(self, spec: DeploymentSpec, ended: Any, context: Any) -> dict[str, Any] | None:  # noqa: ANN401 - the same
        from airflow_platform_plugin.deployments.execution import contract, task_services
        from airflow_platform_plugin.deployments.execution.contract import Outcome

        if ended.image_digest:
            task_services.report_image_digest(spec.deployment_id, spec.revision, ended.image_digest)
        complaint, told = None, contract.Result()
        try:
            told = contract.parse_result(ended.result, spec.manifest.outputs)
        except ValueError as error:
            complaint = str(error)
        match ended.meaning:
            case Outcome.SKIPPED:
                raise AirflowSkipException(f"{spec.manifest.name} has nothing to do.")
            case Outcome.SUCCESS if complaint is None:
                return self._report(spec, told, context)
        sentence = contract.failure(spec, ended, complaint or told.error)
        self._tell(context, sentence)
        raise (AirflowFailException if ended.meaning is Outcome.FAILED else AirflowException)(sentence)

    def _report(self, spec: DeploymentSpec, told: Any, context: Any) -> dict[str, Any] | None:  # noqa: ANN401 - the same
        from airflow_platform_plugin.deployments.execution.contract import names

        reports = {name: report.model_dump(exclude_none=True) for name, report in told.outputs.items()}
        for output in spec.manifest.outputs:
            uri = dataset_uri(output, spec.namespace, spec.environment)
            extra = next((reports[name] for name in names(output) if name in reports), None)
            if extra is not None:
                context["outlet_events"][Dataset(uri)].extra = extra
        return reports or None

    def _tell(self, context: Any, sentence: str) -> None:  # noqa: ANN401 - the same
        """Leave what went wrong where mails find it, without what is known to be secret."""
        from airflow_platform_plugin.deployments.execution.task_services import ERROR_XCOM

        context["ti"].xcom_push(ERROR_XCOM, airflow_compat.masking.redact(sentence))


def _too_long(spec: DeploymentSpec) -> str:
    return f"{spec.manifest.name} was ended: it took longer than {spec.timeout} seconds."
