"""The runner ``kubernetes``: a pod, by Airflow's KubernetesPodOperator.

The pod is in the deployment's namespace. Variables with secrets come from a Secret of the pod's own, which
the cluster deletes with it; the result is the container's termination message, which the cluster keeps.
"""

import math
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

from airflow.exceptions import AirflowException
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

from airflow_platform_plugin import airflow_compat, settings
from airflow_platform_plugin.datakits.manifest import DeploymentSpec
from airflow_platform_plugin.datakits.runners.contract import RESULT_FILE, Ended, Job
from airflow_platform_plugin.datakits.runners.runner import Runner

# Kubernetes' own default: terminationMessagePath.
_RESULT = "/dev/termination-log"
# What the cluster calls an end that is not the kit's own.
_REASONS = {"OOMKilled": "It used more memory than it requires (OOMKilled)."}
_GPU = "nvidia.com/gpu"
_STARTUP_TIMEOUT = 600  # seconds, for large images and busy clusters
_GRACE = 10  # seconds between SIGTERM and SIGKILL, as Docker has it
_LONGEST_LABEL = 63


class KubernetesRunner(Runner):
    """Runs a kit in a pod, which is deleted when it has ended."""

    def __init__(self) -> None:
        self._pod: _Pod | None = None

    def run(self, job: Job, context: Any) -> Ended:  # noqa: ANN401 - the runners' interface
        """Run the pod to its end; where a triggerer runs, it watches the pod meanwhile.

        Raises:
            TaskDeferred: the triggerer watches it.
            AirflowException: the pod could not be started, or the cluster has ended it.
        """
        deferrable = airflow_compat.a_triggerer_runs()
        pod = self._pod = _Pod(secret=job.private, deferrable=deferrable, **_parameters(job))
        ended = _ended(pod, lambda: airflow_compat.execute_inside(pod, context))
        if ended is None:
            raise AirflowException("The pod is gone, and how it ended is not known.")
        return ended

    def resume(self, spec: DeploymentSpec, context: Any, event: dict[str, Any]) -> Ended:  # noqa: ANN401 - the same
        """Take the logs and the end of a pod that the triggerer has seen end."""
        pod = self._pod = _Pod(secret={}, deferrable=True, **_of(spec))
        ended = _ended(pod, lambda: pod.trigger_reentry(context, event))
        return ended or Ended(
            status=0
        )  # the triggerer has seen it succeed, and the cluster has swept it away

    def kill(self) -> None:
        """Delete the pod, which gives it its grace period."""
        if self._pod is not None:
            self._pod.on_kill()


class _Pod(KubernetesPodOperator):
    """KubernetesPodOperator, with a Secret of the pod's own."""

    def __init__(self, *, secret: dict[str, str], **kwargs: Any) -> None:  # noqa: ANN401 - the operator's own
        super().__init__(**kwargs)
        self._secret = secret

    def build_pod_request_obj(self, *arguments: Any, **options: Any) -> V1Pod:  # noqa: ANN401 - the same
        pod = super().build_pod_request_obj(*arguments, **options)
        source = V1EnvFromSource(secret_ref=V1SecretEnvSource(name=pod.metadata.name))
        container = next(item for item in pod.spec.containers if item.name == self.base_container_name)
        container.env_from = [*(container.env_from or []), source]
        return pod

    def get_or_create_pod(self, pod_request_obj: V1Pod, context: Any) -> V1Pod:  # noqa: ANN401 - the same
        """Make the Secret before the pod, which waits for nothing; then it is the pod's, and goes with it."""
        wanted = pod_request_obj.metadata
        metadata = V1ObjectMeta(name=wanted.name, namespace=wanted.namespace, labels=dict(self.labels))
        self.client.create_namespaced_secret(
            wanted.namespace, V1Secret(metadata=metadata, string_data=self._secret)
        )
        try:
            pod = super().get_or_create_pod(pod_request_obj, context)
        except BaseException:
            self._delete_secret(wanted.name, wanted.namespace)
            raise
        if pod.metadata.name != wanted.name:  # an earlier try's, which still runs and has its own
            self._delete_secret(wanted.name, wanted.namespace)
            return pod
        made = self.client.read_namespaced_pod(wanted.name, wanted.namespace).metadata
        owner = {"apiVersion": "v1", "kind": "Pod", "name": made.name, "uid": made.uid}
        change = {"metadata": {"ownerReferences": [owner]}}
        self.client.patch_namespaced_secret(wanted.name, wanted.namespace, change)
        return pod

    def _delete_secret(self, name: str, namespace: str) -> None:
        with suppress(ApiException):
            self.client.delete_namespaced_secret(name, namespace)


def _of(spec: DeploymentSpec) -> dict[str, Any]:
    """The parameters that follow from the deployment alone."""
    chosen = settings.get()
    timeout: dict[str, Any] = {}
    if spec.timeout is not None:
        # The cluster ends it even if nobody of Airflow's is left to do so.
        timeout["active_deadline_seconds"] = math.ceil(spec.timeout)
        timeout["execution_timeout"] = timedelta(seconds=spec.timeout)  # for the triggerer
    return {
        "task_id": "pod",
        "kubernetes_conn_id": chosen.kubernetes_connection,
        "namespace": spec.namespace,
        "name": f"datakit-{spec.manifest.name}",
        "image": spec.manifest.image,
        "labels": _labels(spec),
        "container_resources": _resources(spec),
        "pod_template_file": chosen.kubernetes_pod_template,
        # A kit has no business with the cluster, unless the operator's template gives it an account.
        "automount_service_account_token": None if chosen.kubernetes_pod_template else False,
        "startup_timeout_seconds": _STARTUP_TIMEOUT,
        "termination_grace_period": _GRACE,
        "log_pod_spec_on_failure": False,
        "container_name_log_prefix_enabled": False,
        **timeout,
    }


def _parameters(job: Job) -> dict[str, Any]:
    return _of(job.spec) | {"env_vars": job.environment | {RESULT_FILE: _RESULT}}


def _labels(spec: DeploymentSpec) -> dict[str, str]:
    return {
        "app.kubernetes.io/managed-by": "airflow-platform",
        "app.kubernetes.io/name": spec.manifest.name,
        "app.kubernetes.io/version": spec.manifest.version[:_LONGEST_LABEL].rstrip("-."),
        "airflow-platform/environment": spec.environment,
        "airflow-platform/deployment": spec.deployment_id,
        "airflow-platform/revision": str(spec.revision),
    }


def _resources(spec: DeploymentSpec) -> V1ResourceRequirements:
    """Requests and limits are the same: what a tenant's quota was held against is what there is."""
    needs = spec.manifest.requirements
    amounts = {
        name: text for name, text in (("cpu", needs.cpu), ("memory", needs.memory)) if text is not None
    }
    if needs.gpu:
        amounts[_GPU] = "1"
    return V1ResourceRequirements(requests=dict(amounts), limits=dict(amounts))


def _ended(pod: _Pod, execute: Callable[[], Any]) -> Ended | None:
    """How the pod ends; None where it has gone without a trace.

    The operator fails for each exit status but 0; what of that is a failure is the contract's to say.
    """
    try:
        execute()
    except AirflowException:
        ended = _look(pod)
        if ended is None:  # it has not run, or not to its end
            raise
        return ended
    return _look(pod)


def _look(pod: _Pod) -> Ended | None:
    """What the cluster tells of the container's end."""
    seen = pod.remote_pod or pod.pod
    statuses = (seen.status.container_statuses if seen is not None and seen.status else None) or []
    status = next((item for item in statuses if item.name == pod.base_container_name), None)
    terminated = status.state.terminated if status is not None and status.state else None
    if status is None or terminated is None:
        return None
    return Ended(
        status=terminated.exit_code,
        result=terminated.message or "",
        note=" ".join(filter(None, [_REASONS.get(terminated.reason), seen.status.message])),
        image_digest=(status.image_id or "").partition("@")[2] or None,
    )


RUNNER = KubernetesRunner
