"""The runner ``kubernetes``, apart from the run contract."""

import asyncio
import base64
import json
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
    AirflowTaskTimeout,
    TaskDeferred,
)
from airflow.utils.module_loading import import_string
from options import set_options

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.deployments.execution import loader
from airflow_platform_plugin.deployments.execution.task_services import ERROR_XCOM

Kit = Callable[..., Any]

pytestmark = pytest.mark.parametrize("place", ["kubernetes"], indirect=True)


@pytest.fixture
def deferred(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], Any]:
    """Run a task next to a triggerer; return the trigger that watches its pod."""
    monkeypatch.setattr(airflow_compat.tasks, "triggerer_is_running", lambda _: True)

    def start(run: Any) -> Any:
        with pytest.raises(TaskDeferred) as raised:
            run()
        assert raised.value.method_name == "trigger_reentry"
        return raised.value.trigger

    return start


def watched(trigger: Any) -> dict[str, Any]:
    """Return the event of the trigger, created again from its stored form as the triggerer does."""
    name, parameters = trigger.serialize()

    async def first() -> dict[str, Any]:
        payloads = [event.payload async for event in import_string(name)(**parameters).run()]
        return dict(payloads[0])

    return asyncio.run(first())


def another_process(run: Any) -> Any:
    """Return the same task as another process continues it, which knows only the DAG."""
    again = type(run)(loader.load("/dags/datakits.py")[run.task.dag_id].get_task("run"))
    again.context["ti"].next_method = "trigger_reentry"
    return again


def go_on(run: Any, event: dict[str, Any]) -> Any:
    return run.task.trigger_reentry(run.context, event=event)


def test_a_triggerer_watches_the_pod(kit: Kit, place: Any, deferred: Kit, printed: list[str]) -> None:
    """The task continues with the pod's log and report, and nothing is left."""
    run = kit("report")
    event = watched(deferred(run))
    again = another_process(run)
    report = {"gold.customer_360": {"rows": 7, "checksum": "abc"}}
    assert go_on(again, event) == report
    assert any(line.endswith("a line of output") for line in printed)
    assert place.left() == []


def test_a_deferred_task_keeps_the_revision_with_which_it_started(
    kit: Kit, call: Kit, place: Any, deferred: Kit, manifest: dict[str, Any]
) -> None:
    """The continuing task has the DAG of the next revision, whose kit has other outputs."""
    run = kit("report")
    event = watched(deferred(run))
    other = {"name": "kit", "version": "2.0.0", "outputs": [{"name": "other"}]}
    assert call("POST", "/api/v1/datakits", json=manifest | other).status == 201
    assert call("POST", "/api/v1/datakits/kit/deploy", json={"environment": "production"}).status == 200
    again = another_process(run)
    assert again.task.spec["revision"] == 2
    assert go_on(again, event) == {"gold.customer_360": {"rows": 7, "checksum": "abc"}}
    assert place.left() == []


@pytest.mark.parametrize(
    "end",
    [
        ("exit-1", AirflowException, "exit status 1"),
        ("exit-78", AirflowFailException, "exit status 78"),
        ("exit-99", AirflowSkipException, "nothing to do"),
        ("complain", AirflowException, "No customers came"),
    ],
)
def test_exit_statuses_mean_the_same_after_a_triggerer(
    kit: Kit, place: Any, deferred: Kit, end: tuple[str, type[Exception], str]
) -> None:
    mode, failure, sentence = end
    run = kit(mode)
    event = watched(deferred(run))
    with pytest.raises(failure, match=sentence) as raised:
        go_on(another_process(run), event)
    assert type(raised.value) is failure
    assert place.left() == []


def test_the_continuing_process_masks_secrets(
    kit: Kit, place: Any, deferred: Kit, printed: list[str]
) -> None:
    """It masks the secrets of the pod, which may have changed since."""
    from airflow.utils.log.secrets_masker import _secrets_masker

    run = kit("secret", token="swordfish-1234")
    event = watched(deferred(run))
    masker = _secrets_masker()
    masker.patterns.clear()
    masker.replacer = None
    go_on(another_process(run), event)
    (line,) = [line for line in printed if "the token is" in line]
    assert "swordfish" in line
    assert "swordfish" not in airflow_compat.masking.redact(line)


def test_a_log_with_unknown_secrets_is_not_shown(
    kit: Kit, place: Any, cluster: Any, deferred: Kit, printed: list[str]
) -> None:
    run = kit("secret", token="swordfish-1234")
    trigger = deferred(run)
    event = watched(trigger)
    cluster.api.delete_namespaced_secret(trigger.pod_name, "default")
    go_on(another_process(run), event)
    assert not any("swordfish" in line for line in printed)
    assert any("is not shown, because its secrets are unknown" in line for line in printed)
    assert place.left() == []


def test_an_interrupted_creation_leaves_no_pod_and_no_secret(
    kit: Kit, place: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The task may time out at that moment."""
    from airflow_platform_plugin.deployments.execution.runners import kubernetes

    def too_late(*_: Any) -> None:
        raise AirflowTaskTimeout

    monkeypatch.setattr(kubernetes._Pod, "_assign_secret", too_late)
    with pytest.raises(AirflowTaskTimeout):
        kit("sleep")()
    assert place.left() == []


def test_a_failed_deferral_leaves_no_pod(kit: Kit, place: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_platform_plugin.deployments.execution.runners import kubernetes

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("no trigger")

    monkeypatch.setattr(airflow_compat.tasks, "triggerer_is_running", lambda _: True)
    monkeypatch.setattr(kubernetes._Pod, "invoke_defer_method", fail)
    with pytest.raises(RuntimeError, match="no trigger"):
        kit("sleep")()
    assert place.left() == []


def test_a_pod_that_a_triggerer_watches_is_ended_at_the_timeout(kit: Kit, place: Any, deferred: Kit) -> None:
    run = kit("sleep", timeout=600)
    run.context["ti"].start_date -= timedelta(seconds=597)
    event = watched(deferred(run))
    again = another_process(run)
    with pytest.raises(AirflowTaskTimeout):
        go_on(again, event)
    assert place.left() == []
    assert "it took longer than" in again.xcoms[ERROR_XCOM]


def test_a_pod_is_ended_if_airflow_times_out_its_deferred_task(
    kit: Kit, place: Any, cluster: Any, deferred: Kit
) -> None:
    """Airflow then calls ``on_kill`` in a process that has not started the pod."""
    from airflow.models.taskinstance import set_current_context

    run = kit("sleep", timeout=600)
    trigger = deferred(run)
    while cluster.api.read_namespaced_pod(trigger.pod_name, "default").status.phase == "Pending":
        time.sleep(0.1)
    again = another_process(run)
    with set_current_context(again.context):
        again.task.on_kill()
    assert place.left() == []
    assert "it took longer than" in again.xcoms[ERROR_XCOM]


def test_the_cluster_ends_a_pod_at_its_deadline(kit: Kit, place: Any, cluster: Any, deferred: Kit) -> None:
    """A kit that then exits with 0 has not succeeded."""
    run = kit("sleep", timeout=2)
    trigger = deferred(run)
    while cluster.api.read_namespaced_pod(trigger.pod_name, "default").status.phase != "Failed":
        time.sleep(0.1)
    event = {"status": "failed", "name": trigger.pod_name, "namespace": "default", "message": "pod failed"}
    with pytest.raises(AirflowException, match="longer than the specified deadline"):
        go_on(another_process(run), event)
    assert place.left() == []


def test_a_pod_has_labels_resources_and_a_secret_and_no_rights(
    kit: Kit, place: Any, cluster: Any, deferred: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Labels name the deployment, the manifest has the resources, and a Secret has the secrets."""
    set_options(monkeypatch, datakit_runners="kubernetes")
    run = kit(
        "sleep",
        token="swordfish-1234",
        timeout=600,
        requirements={"cpu": "500m", "memory": "64Mi", "gpu": True},
    )
    deferred(run)
    (pod,) = cluster.pods()
    (container,) = pod.spec.containers
    assert "swordfish" not in json.dumps(cluster.api.api_client.sanitize_for_serialization(pod))
    secret = cluster.api.read_namespaced_secret(pod.metadata.name, "default")
    configuration = json.loads(base64.b64decode(secret.data["DATAKIT_CONFIGURATION"]))
    assert configuration == {"mode": "sleep", "token": "swordfish-1234"}
    assert [owner.uid for owner in secret.metadata.owner_references] == [pod.metadata.uid]
    labels = {
        "app.kubernetes.io/managed-by": "airflow-platform",
        "app.kubernetes.io/name": "kit",
        "airflow-platform/environment": "production",
        "dag_id": "default__production__kit",
        "run_id": "manual_2024_01_15",
        "try_number": "1",
    }
    assert labels.items() <= pod.metadata.labels.items()
    revision = {"airflow-platform/version": "1.0.0", "airflow-platform/revision": "1"}
    assert revision.items() <= pod.metadata.annotations.items()
    assert pod.metadata.name.startswith("datakit-kit-")
    amounts = {"cpu": "500m", "memory": "64Mi", "nvidia.com/gpu": "1"}
    assert container.resources.requests == container.resources.limits == amounts
    assert pod.spec.automount_service_account_token is False
    assert pod.spec.active_deadline_seconds == 600
    assert pod.spec.termination_grace_period_seconds == 10
    assert pod.spec.restart_policy == "Never"
    run.task.on_kill()
    assert place.left() == []


def test_a_pod_is_built_from_the_operators_template(
    kit: Kit, cluster: Any, deferred: Kit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The template may name a service account."""
    spec = {
        "nodeSelector": {"disk": "fast"},
        "serviceAccountName": "default",
        "containers": [{"name": "base"}],
    }
    template = tmp_path / "fast.yaml"
    template.write_text(json.dumps({"apiVersion": "v1", "kind": "Pod", "spec": spec}), encoding="ascii")
    set_options(monkeypatch, datakit_runners="kubernetes", kubernetes_pod_template=str(template))
    run = kit("sleep")
    deferred(run)
    (pod,) = cluster.pods()
    assert pod.spec.node_selector == {"disk": "fast"}
    assert pod.spec.service_account_name == "default"
    assert pod.spec.automount_service_account_token is None
    assert pod.spec.containers[0].image == "registry.localhost/kit:1.0.0"
    run.task.on_kill()
    assert cluster.left() == []


def test_an_image_that_cannot_be_pulled_fails_the_task_at_once(kit: Kit, place: Any) -> None:
    run = kit("quiet", image="127.0.0.1:1/none:1.0.0")
    with pytest.raises(AirflowException, match="Image cannot be pulled"):
        run()
    assert "Image cannot be pulled" in run.xcoms[ERROR_XCOM]
    assert place.left() == []


def test_an_error_of_the_cluster_is_reported_in_one_sentence(kit: Kit, place: Any) -> None:
    run = kit("quiet")
    run.task.spec = run.task.spec | {"namespace": "nowhere"}
    with pytest.raises(AirflowException, match='Kubernetes answered: namespaces "nowhere" not found'):
        run()
    assert "HTTP" not in run.xcoms[ERROR_XCOM]


def test_a_deleted_pod_fails_the_task(kit: Kit, place: Any, cluster: Any, printed: list[str]) -> None:
    def delete_once_it_runs() -> None:
        while not any("is ready" in line for line in list(printed)):
            time.sleep(0.05)
        (pod,) = cluster.pods()
        cluster.api.delete_namespaced_pod(pod.metadata.name, "default", grace_period_seconds=1)

    deleter = threading.Thread(target=delete_once_it_runs)
    deleter.start()
    with pytest.raises(AirflowException, match=r"exit status 137|not found|has disappeared"):
        kit("stubborn")()
    deleter.join()
    assert place.left() == []


def test_the_pod_of_a_killed_process_is_adopted(kit: Kit, place: Any, cluster: Any, deferred: Kit) -> None:
    """There is one pod with one Secret."""
    run = kit("sleep")
    first = deferred(run)
    assert deferred(another_process(run)).pod_name == first.pod_name
    for found in (cluster.pods(), cluster.secrets()):
        assert [item.metadata.name for item in found] == [first.pod_name]
    run.task.on_kill()
    assert place.left() == []


def test_a_pod_that_is_about_to_end_is_not_adopted(kit: Kit, place: Any, cluster: Any, deferred: Kit) -> None:
    """A cleared task is killed and runs again at once."""
    run = kit("slow-to-end")
    first = deferred(run)
    run.task.on_kill()
    again = another_process(run)
    assert deferred(again).pod_name != first.pod_name
    again.task.on_kill()
    assert place.left() == []


def test_the_digest_of_the_image_is_stored(kit: Kit, place: Any, cluster: Any, call: Kit) -> None:
    if cluster.real:
        pytest.skip("The image comes from no registry, so it has no digest.")
    run = kit("quiet")
    run()
    status = call("GET", f"/api/v1/datakits/deployments/{run.task.spec['deployment_id']}/status").json
    assert status["image_digest"].startswith("sha256:")
