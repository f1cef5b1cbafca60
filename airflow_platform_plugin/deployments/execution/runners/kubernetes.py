"""The runner ``kubernetes``: a pod, by Airflow's KubernetesPodOperator.

The pod is in the deployment's namespace. Variables with secrets come from a Secret of the pod's own, which
the cluster deletes with it; the result is the container's termination message, which the cluster keeps.
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
from airflow_platform_plugin.core import db, settings
from airflow_platform_plugin.deployments.execution import task_services
from airflow_platform_plugin.deployments.execution.contract import GRACE, RESULT_FILE, Job, KitExit
from airflow_platform_plugin.deployments.execution.runners.base import Runner
from airflow_platform_plugin.deployments.settings import DeploymentSettings
from airflow_platform_plugin.deployments.spec import DeploymentSpec

# Kubernetes' own default: terminationMessagePath.
_RESULT = "/dev/termination-log"
# What the cluster calls an end that is not the kit's own.
_REASONS = {"OOMKilled": "It used more memory than it requires (OOMKilled)."}
_GPU = "nvidia.com/gpu"
_STARTUP_TIMEOUT = 600  # seconds, for large images and busy clusters
_STARTUP_CHECK = 2  # seconds between two looks at a pod that starts
_ENDED_BY_CLUSTER = 143  # as if SIGTERM itself had ended it


class KubernetesRunner(Runner):
    """Runs a kit in a pod, which is deleted when it has ended."""

    def __init__(self) -> None:
        self._pod: _Pod | None = None

    def run(self, job: Job, context: Any) -> KitExit:  # noqa: ANN401 - the runners' interface
        """Run the pod to its end; where a triggerer runs, it watches the pod meanwhile.

        Raises:
            TaskDeferred: the triggerer watches it.
            AirflowException: the pod could not be started, or the cluster has ended it.
        """
        with db.transaction() as session:
            deferrable = airflow_compat.tasks.triggerer_is_running(session)
        pod = self._pod = _Pod(
            spec=job.spec, secret=job.private, deferrable=deferrable, env_vars=_variables(job)
        )
        try:
            ended = _ended(pod, lambda: airflow_compat.tasks.execute_nested(pod, context))
        except Exception:
            if deferrable:  # the operator cleans up only where it waits itself
                self.kill()
            raise
        if ended is None:
            raise AirflowException("The pod is gone, and how it ended is not known.")
        return ended

    def resume(self, spec: DeploymentSpec, context: Any, event: dict[str, Any]) -> KitExit:  # noqa: ANN401 - the same
        """Take the logs and the end of a pod that the triggerer has seen end.

        Raises:
            AirflowTaskTimeout: the pod was ended, as the task's time was up.
            AirflowException: as for ``run``.
        """
        if event["status"] == "timeout" and time.time() >= event.get("_execution_deadline", math.inf):
            self.kill_deferred(spec, context)
            raise AirflowTaskTimeout
        pod = self._pod = _Pod(spec=spec, secret={}, deferrable=True)
        ended = _ended(pod, lambda: pod.trigger_reentry(context, event))
        # None where the triggerer has seen it succeed, and the cluster has swept it away.
        return ended or KitExit(status=0)

    def kill(self) -> None:
        """Delete the pod, which gives it its grace period."""
        if self._pod is not None and self._pod.pod is not None:
            # Marked, so that the next try does not take over a pod that is about to end.
            self._pod.patch_already_checked(self._pod.pod, reraise=False)
            self._pod.on_kill()

    def kill_deferred(self, spec: DeploymentSpec, context: Any) -> None:  # noqa: ANN401 - the same
        """The same for a pod that an earlier process of the task has started; its log so far is kept."""
        pod = self._pod = _Pod(spec=spec, secret={}, deferrable=True)
        with suppress(ApiException):
            found = pod.pod = pod.find_pod(spec.namespace, context)
            if found is not None and pod.mask(found.metadata):
                pod.pod_manager.fetch_container_logs(
                    found, pod.base_container_name, container_name_log_prefix_enabled=False
                )
        self.kill()


class _Pod(KubernetesPodOperator):
    """KubernetesPodOperator, with a Secret of the pod's own."""

    def __init__(self, *, spec: DeploymentSpec, secret: dict[str, str], **more: Any) -> None:  # noqa: ANN401 - the operator's own
        super().__init__(**_parameters(spec), **more)
        self._spec = spec
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
        try:
            secret = V1Secret(metadata=metadata, string_data=self._secret)
            self.client.create_namespaced_secret(wanted.namespace, secret)
            pod = super().get_or_create_pod(pod_request_obj, context)
            if pod.metadata.name == wanted.name:
                self._own_secret(wanted)
        except BaseException:
            self._give_up(wanted)
            raise
        if pod.metadata.name != wanted.name:  # an earlier try's, which still runs and has its own
            self._give_up(wanted)
            self.get_logs = self.mask(pod.metadata)
        return pod

    def trigger_reentry(self, context: Any, event: dict[str, Any]) -> Any:  # noqa: ANN401 - the same
        """Go on after the triggerer."""
        self.get_logs = self.mask(V1ObjectMeta(name=event["name"], namespace=event["namespace"]))
        return super().trigger_reentry(context, event)

    def mask(self, pod: V1ObjectMeta) -> bool:
        """Let the log not show what a pod was told in secret that another process has started.

        Returns:
            Whether that is known; if not, the pod's log must not be shown.
        """
        try:
            found = self.client.read_namespaced_secret(pod.name, pod.namespace).data or {}
        except ApiException as error:
            self.log.warning("The pod's log is not shown, as its secrets are not known: %s", _in_words(error))
            return False
        task_services.mask(
            self._spec, {key: base64.b64decode(value).decode() for key, value in found.items()}
        )
        return True

    def _own_secret(self, pod: V1ObjectMeta) -> None:
        made = self.client.read_namespaced_pod(pod.name, pod.namespace).metadata
        owner = {"apiVersion": "v1", "kind": "Pod", "name": made.name, "uid": made.uid}
        change = {"metadata": {"ownerReferences": [owner]}}
        self.client.patch_namespaced_secret(pod.name, pod.namespace, change)

    def _give_up(self, pod: V1ObjectMeta) -> None:
        """Delete what there is of a pod that was about to be made."""
        for delete in (self.client.delete_namespaced_pod, self.client.delete_namespaced_secret):
            with suppress(ApiException):
                delete(pod.name, pod.namespace)


def _parameters(spec: DeploymentSpec) -> dict[str, Any]:
    chosen = settings.get(DeploymentSettings)
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
        "annotations": {
            "airflow-platform/version": spec.manifest.version,
            "airflow-platform/revision": str(spec.revision),
        },
        "trigger_kwargs": {"revision": spec.revision},  # which the triggerer gives back
        "container_resources": _resources(spec),
        "pod_template_file": chosen.kubernetes_pod_template,
        # A kit has no business with the cluster, unless the operator's template gives it an account.
        "automount_service_account_token": None if chosen.kubernetes_pod_template else False,
        "startup_timeout_seconds": _STARTUP_TIMEOUT,
        "startup_check_interval_seconds": _STARTUP_CHECK,
        "termination_grace_period": GRACE,
        "log_pod_spec_on_failure": False,
        "container_name_log_prefix_enabled": False,
        **timeout,
    }


def _variables(job: Job) -> dict[str, str]:
    """Kubernetes would take ``$(NAME)`` for the value of another variable."""
    plain = {name: value.replace("$", "$$") for name, value in job.environment.items()}
    return plain | {RESULT_FILE: _RESULT}


def _labels(spec: DeploymentSpec) -> dict[str, str]:
    """What a pod is found by: nothing that another revision of the deployment changes."""
    return {
        "app.kubernetes.io/managed-by": "airflow-platform",
        "app.kubernetes.io/name": spec.manifest.name,
        "airflow-platform/environment": spec.environment,
        "airflow-platform/deployment": spec.deployment_id,
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


def _ended(pod: _Pod, execute: Callable[[], Any]) -> KitExit | None:
    """How the pod ends; None where it has gone without a trace.

    The operator fails for each exit status but 0; what of that is a failure is the contract's to say.
    """
    try:
        execute()
    except (AirflowException, ApiException) as error:
        # After a failure the operator cleans up, and fails for that again: what counts is the first.
        cause = error.__context__ if isinstance(error, AirflowException) else error
        if cause is not None and not isinstance(cause, Exception):  # the task itself was ended
            raise cause from None
        if ended := _look(pod):
            return ended
        if isinstance(cause, ApiException):
            raise AirflowException(_in_words(cause)) from None
        raise (cause if isinstance(cause, AirflowException) else error) from None
    return _look(pod)


def _in_words(error: ApiException) -> str:
    """What the cluster answered; the exception's own text has the whole response."""
    with suppress(TypeError, ValueError, KeyError):
        return f"Kubernetes answered: {json.loads(error.body)['message']}"
    return f"Kubernetes answered: {error.status} {error.reason}"


def _look(pod: _Pod) -> KitExit | None:
    """What the cluster tells of the container's end."""
    seen = pod.remote_pod or pod.pod
    if seen is None or seen.status is None:
        return None
    statuses = seen.status.container_statuses or []
    status = next((item for item in statuses if item.name == pod.base_container_name), None)
    terminated = status.state.terminated if status is not None and status.state else None
    failed = seen.status.phase == "Failed"
    if status is None or terminated is None:  # as some clusters leave it with a pod that they have ended
        return KitExit(_ENDED_BY_CLUSTER, note=seen.status.message or "") if failed else None
    return KitExit(
        # A kit that the cluster has ended may leave politely: it has still not run to its end.
        status=terminated.exit_code or (_ENDED_BY_CLUSTER if failed else 0),
        result=terminated.message or "",
        note=" ".join(filter(None, [_REASONS.get(terminated.reason), seen.status.message])),
        image_digest=(status.image_id or "").partition("@")[2] or None,
    )


RUNNER = KubernetesRunner
