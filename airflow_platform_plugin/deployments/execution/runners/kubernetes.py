"""The runner ``kubernetes``: a pod, by Airflow's KubernetesPodOperator.

The pod is in the deployment's namespace. Variables with secrets come from a Secret that the cluster deletes
with the pod. The result is the container's termination message, which the cluster stores.
"""

import base64
import json
import math
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from kubernetes.client import (
    ApiException,
    V1EnvFromSource,
    V1ObjectMeta,
    V1Pod,
    V1ResourceRequirements,
    V1Secret,
    V1SecretEnvSource,
)

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.exceptions import AirflowException, AirflowTaskTimeout
from airflow_platform_plugin.airflow_compat.types import TaskContext, XComValue
from airflow_platform_plugin.core import db, settings
from airflow_platform_plugin.core.types import Option
from airflow_platform_plugin.deployments.execution import task_services
from airflow_platform_plugin.deployments.execution.contract import GRACE, RESULT_FILE, Job, KitExit
from airflow_platform_plugin.deployments.execution.runners.base import Runner
from airflow_platform_plugin.deployments.settings import DeploymentSettings
from airflow_platform_plugin.deployments.spec import DeploymentSpec

# Kubernetes' own default: terminationMessagePath.
_RESULT = "/dev/termination-log"
# Reasons of the cluster to end a container.
_REASONS = {"OOMKilled": "It used more memory than it requires (OOMKilled)."}
_GPU = "nvidia.com/gpu"
_STARTUP_TIMEOUT = 600  # seconds, for large images and busy clusters
_STARTUP_CHECK = 2  # seconds between two checks of a pod that starts
_ENDED_BY_CLUSTER = 143  # 128 + SIGTERM


class KubernetesRunner(Runner):
    """Runs a kit in a pod, which is deleted after its end."""

    def __init__(self) -> None:
        self._pod: _Pod | None = None

    def run(self, job: Job, context: TaskContext) -> KitExit:
        """Run the pod to its end. If a triggerer runs, it watches the pod meanwhile.

        Raises:
            TaskDeferred: the triggerer watches it.
            AirflowException: the pod cannot be started, or it has disappeared.
        """
        with db.transaction() as session:
            deferrable = airflow_compat.tasks.triggerer_is_running(session)
        pod = self._pod = _Pod(
            spec=job.spec, secret=job.private, deferrable=deferrable, env_vars=_variables(job)
        )
        try:
            kit_exit = _wait_for_exit(pod, lambda: airflow_compat.tasks.execute_nested(pod, context))
        except Exception:
            if deferrable:  # the operator cleans up only if it waits itself
                self.kill()
            raise
        if kit_exit is None:
            raise AirflowException("The pod has disappeared, and its exit status is unknown.")
        return kit_exit

    def resume(self, spec: DeploymentSpec, context: TaskContext, event: dict[str, Any]) -> KitExit:
        """Read the logs and the exit of a pod whose end the triggerer has seen.

        Raises:
            AirflowTaskTimeout: the pod was ended because the task has timed out.
            AirflowException: as for ``run``.
        """
        if event["status"] == "timeout" and time.time() >= event.get("_execution_deadline", math.inf):
            self.kill_deferred(spec, context)
            raise AirflowTaskTimeout
        pod = self._pod = _Pod(spec=spec, secret={}, deferrable=True)
        kit_exit = _wait_for_exit(pod, lambda: pod.trigger_reentry(context, event))
        # None if the triggerer has seen it succeed, and the cluster has deleted it since.
        return kit_exit or KitExit(status=0)

    def kill(self) -> None:
        """Delete the pod, with a grace period."""
        if self._pod is not None and self._pod.pod is not None:
            # Marked, so that the next try does not adopt a pod that is about to end.
            self._pod.patch_already_checked(self._pod.pod, reraise=False)
            self._pod.on_kill()

    def kill_deferred(self, spec: DeploymentSpec, context: TaskContext) -> None:
        """Delete a pod that an earlier process of the task has started, after reading its log."""
        pod = self._pod = _Pod(spec=spec, secret={}, deferrable=True)
        with suppress(ApiException):
            found = pod.pod = pod.find_pod(spec.namespace, context)
            if found is not None and pod.mask(found.metadata):
                pod.pod_manager.fetch_container_logs(
                    found, pod.base_container_name, container_name_log_prefix_enabled=False
                )
        self.kill()


class _Pod(KubernetesPodOperator):
    """KubernetesPodOperator, with a Secret for the pod."""

    def __init__(self, *, spec: DeploymentSpec, secret: dict[str, str], **more: Option) -> None:
        super().__init__(**_parameters(spec), **more)
        self._spec = spec
        self._secret = secret

    def build_pod_request_obj(self, *arguments: Option, **options: Option) -> V1Pod:
        pod = super().build_pod_request_obj(*arguments, **options)
        source = V1EnvFromSource(secret_ref=V1SecretEnvSource(name=pod.metadata.name))
        container = next(item for item in pod.spec.containers if item.name == self.base_container_name)
        container.env_from = [*(container.env_from or []), source]
        return pod

    def get_or_create_pod(self, pod_request_obj: V1Pod, context: TaskContext) -> V1Pod:
        """Create the Secret before the pod, and make the pod its owner: it is deleted with the pod."""
        requested = pod_request_obj.metadata
        metadata = V1ObjectMeta(name=requested.name, namespace=requested.namespace, labels=dict(self.labels))
        try:
            secret = V1Secret(metadata=metadata, string_data=self._secret)
            self.client.create_namespaced_secret(requested.namespace, secret)
            pod = super().get_or_create_pod(pod_request_obj, context)
            if pod.metadata.name == requested.name:
                self._assign_secret(requested)
        except BaseException:
            self._delete_request(requested)
            raise
        if (
            pod.metadata.name != requested.name
        ):  # the pod of an earlier try, which still runs and has its Secret
            self._delete_request(requested)
            self.get_logs = self.mask(pod.metadata)
        return pod

    def trigger_reentry(self, context: TaskContext, event: dict[str, Any]) -> XComValue:
        """Continue after the triggerer."""
        self.get_logs = self.mask(V1ObjectMeta(name=event["name"], namespace=event["namespace"]))
        return super().trigger_reentry(context, event)

    def mask(self, pod: V1ObjectMeta) -> bool:
        """Mask the secrets of a pod that another process has started.

        Returns:
            Whether the secrets are known; if not, the log of the pod must not be shown.
        """
        try:
            found = self.client.read_namespaced_secret(pod.name, pod.namespace).data or {}
        except ApiException as error:
            self.log.warning(
                "The log of the pod is not shown, because its secrets are unknown: %s", _message(error)
            )
            return False
        task_services.mask_variables(
            self._spec, {key: base64.b64decode(value).decode() for key, value in found.items()}
        )
        return True

    def _assign_secret(self, pod: V1ObjectMeta) -> None:
        created = self.client.read_namespaced_pod(pod.name, pod.namespace).metadata
        owner = {"apiVersion": "v1", "kind": "Pod", "name": created.name, "uid": created.uid}
        change = {"metadata": {"ownerReferences": [owner]}}
        self.client.patch_namespaced_secret(pod.name, pod.namespace, change)

    def _delete_request(self, pod: V1ObjectMeta) -> None:
        """Delete the pod and the Secret of a request, as far as they exist."""
        for delete in (self.client.delete_namespaced_pod, self.client.delete_namespaced_secret):
            with suppress(ApiException):
                delete(pod.name, pod.namespace)


def _parameters(spec: DeploymentSpec) -> dict[str, Any]:
    chosen = settings.get(DeploymentSettings)
    timeout: dict[str, Any] = {}
    if spec.timeout is not None:
        # The cluster ends the pod even if no process of Airflow is left to do so.
        timeout["active_deadline_seconds"] = math.ceil(spec.timeout)
        timeout["execution_timeout"] = timedelta(seconds=spec.timeout)  # for the triggerer
    return {
        "task_id": "pod",
        "kubernetes_conn_id": chosen.kubernetes_connection,
        "namespace": spec.namespace,
        "name": f"datakit-{spec.manifest.name}",
        "image": spec.manifest.image,
        "labels": _labels(spec),
        "annotations": {
            "airflow-platform/version": spec.manifest.version,
            "airflow-platform/revision": str(spec.revision),
        },
        "trigger_kwargs": {"revision": spec.revision},  # the triggerer returns them in its event
        "container_resources": _resources(spec),
        "pod_template_file": chosen.kubernetes_pod_template,
        # A kit has no access to the cluster unless the operator's template names a service account.
        "automount_service_account_token": None if chosen.kubernetes_pod_template else False,
        "startup_timeout_seconds": _STARTUP_TIMEOUT,
        "startup_check_interval_seconds": _STARTUP_CHECK,
        "termination_grace_period": GRACE,
        "log_pod_spec_on_failure": False,
        "container_name_log_prefix_enabled": False,
        **timeout,
    }


def _variables(job: Job) -> dict[str, str]:
    """Return the variables, escaped: Kubernetes would replace ``$(NAME)`` by another variable."""
    plain = {name: value.replace("$", "$$") for name, value in job.environment.items()}
    return plain | {RESULT_FILE: _RESULT}


def _labels(spec: DeploymentSpec) -> dict[str, str]:
    """Return the labels that identify a pod; they do not depend on the revision."""
    return {
        "app.kubernetes.io/managed-by": "airflow-platform",
        "app.kubernetes.io/name": spec.manifest.name,
        "airflow-platform/environment": spec.environment,
        "airflow-platform/deployment": spec.deployment_id,
    }


def _resources(spec: DeploymentSpec) -> V1ResourceRequirements:
    """Return requests and limits, which are equal: the tenant's quota was checked for these amounts."""
    needs = spec.manifest.requirements
    amounts = {
        name: text for name, text in (("cpu", needs.cpu), ("memory", needs.memory)) if text is not None
    }
    if needs.gpu:
        amounts[_GPU] = "1"
    return V1ResourceRequirements(requests=dict(amounts), limits=dict(amounts))


def _wait_for_exit(pod: _Pod, execute: Callable[[], XComValue]) -> KitExit | None:
    """Execute the operator and return the exit of the pod; None if the pod has disappeared.

    The operator raises for every exit status but 0. The contract decides which of these are failures.
    """
    try:
        execute()
    except (AirflowException, ApiException) as error:
        # After a failure the operator cleans up, and may fail again: the first error counts.
        cause = error.__context__ if isinstance(error, AirflowException) else error
        if cause is not None and not isinstance(cause, Exception):  # the task was ended
            raise cause from None
        if kit_exit := _read_exit(pod):
            return kit_exit
        if isinstance(cause, ApiException):
            raise AirflowException(_message(cause)) from None
        raise (cause if isinstance(cause, AirflowException) else error) from None
    return _read_exit(pod)


def _message(error: ApiException) -> str:
    """Return the message in the cluster's response; the exception's text would be the whole response."""
    with suppress(TypeError, ValueError, KeyError):
        return f"Kubernetes answered: {json.loads(error.body)['message']}"
    return f"Kubernetes answered: {error.status} {error.reason}"


def _read_exit(pod: _Pod) -> KitExit | None:
    """Return the exit of the container, if the cluster reports it."""
    found = pod.remote_pod or pod.pod
    if found is None or found.status is None:
        return None
    statuses = found.status.container_statuses or []
    status = next((item for item in statuses if item.name == pod.base_container_name), None)
    terminated = status.state.terminated if status is not None and status.state else None
    failed = found.status.phase == "Failed"
    if status is None or terminated is None:  # some clusters leave a pod that they ended without it
        return KitExit(_ENDED_BY_CLUSTER, note=found.status.message or "") if failed else None
    return KitExit(
        # A kit that the cluster ended may exit with 0, but it did not finish.
        status=terminated.exit_code or (_ENDED_BY_CLUSTER if failed else 0),
        result=terminated.message or "",
        note=" ".join(filter(None, [_REASONS.get(terminated.reason), found.status.message])),
        image_digest=(status.image_id or "").partition("@")[2] or None,
    )


RUNNER = KubernetesRunner
