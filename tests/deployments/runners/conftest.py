"""One kit, which each runner runs: as a real process, in a real container and in a pod."""

import json
import logging
import os
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker_engine
import pytest
from kubernetes_emulator import Emulator
from options import set_options
from places import IMAGE, SCRIPT, Cluster, Place

URL = "/api/v1/datakits"
MOMENT = datetime(2024, 1, 15, tzinfo=timezone.utc)

# The kit's process: its entry point is in the metadata of a distribution, as for an installed kit.
_MODULE = """
import os
def main():
    os.execv("/bin/sh", ["sh", __file__.removesuffix("py") + "sh"])
"""


@pytest.fixture(scope="session")
def engine() -> Iterator[docker_engine.Engine]:
    """Return a Docker engine that has the kit's image."""
    try:
        running = docker_engine.engine()
    except docker_engine.NoEngine as reason:
        pytest.skip(str(reason))
    docker_engine.busybox_image(running.url, IMAGE, SCRIPT)
    yield running
    running.stop()


@pytest.fixture
def process_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Install the kit next to Airflow."""
    import psutil

    folder = tmp_path / "site"
    metadata = folder / "runner_kit-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: runner-kit\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[airflow_platform.datakits]\nkit = runner_kit:main\n")
    (folder / "runner_kit.py").write_text(_MODULE)
    (folder / "runner_kit.sh").write_text(SCRIPT)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    before = set(psutil.Process().children(recursive=True))  # servers of other tests
    return Place(
        "process",
        lambda: list(set(psutil.Process().children(recursive=True)) - before),
        limits=False,
    )


@pytest.fixture
def docker_place(engine: docker_engine.Engine) -> Place:
    """Return the engine with the kit's image."""
    import docker

    client = docker.APIClient(engine.url)
    return Place("docker", lambda: client.containers(all=True), docker_url=engine.url, docker_network="none")


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Return the real cluster of scripts/test-kubernetes, or an emulated one."""
    if "PLATFORM_TEST_KUBECONFIG" in os.environ:
        docker_engine.busybox_image(os.environ["PLATFORM_TEST_DOCKER"], IMAGE, SCRIPT)
        yield Cluster(Path(os.environ["PLATFORM_TEST_KUBECONFIG"]), real=True)
        return
    emulator = Emulator({IMAGE: ["sh", str(Path(__file__).parent / "kit.sh")]})
    kubeconfig = tmp_path_factory.mktemp("kubernetes") / "kubeconfig"
    kubeconfig.write_text(json.dumps(emulator.kubeconfig()), encoding="ascii")  # every JSON is YAML
    yield Cluster(kubeconfig, real=False)
    emulator.stop()


@pytest.fixture
def kubernetes_place(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Return the cluster with the kit's image; pods of the real one have the network of their node."""
    connection = {"conn_type": "kubernetes", "extra": {"kube_config_path": str(cluster.kubeconfig)}}
    monkeypatch.setenv("AIRFLOW_CONN_KUBERNETES_DEFAULT", json.dumps(connection))
    template = tmp_path / "template.yaml"
    spec = {"hostNetwork": True, "containers": [{"name": "base"}]}
    template.write_text(json.dumps({"apiVersion": "v1", "kind": "Pod", "spec": spec}), encoding="ascii")
    options = {"kubernetes_pod_template": str(template)} if cluster.real else {}
    yield Place("kubernetes", cluster.left, limits=cluster.real, **options)
    cluster.clear()


@pytest.fixture(params=["process", "docker", "kubernetes"])
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Return the place of each runner in turn."""
    found: Place = request.getfixturevalue(f"{request.param}_place")
    set_options(monkeypatch, datakit_runners=found.name, **found.options)
    return found


@pytest.fixture
def printed() -> Iterator[list[str]]:
    """Return the lines of the task's log, before Airflow masks them."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.extend(record.getMessage().splitlines())  # type: ignore[method-assign]
    # In a task's process, Airflow attaches its handlers to the root logger; here each logger has its own.
    loggers = [logging.getLogger(name) for name in ("airflow.task", "airflow")]
    before = [(logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.INFO)
        logger.propagate = False
        logger.addHandler(handler)
    yield lines
    for logger, (level, propagate) in zip(loggers, before, strict=True):
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate


class Run:
    """A task that runs the kit, with its context and its XComs."""

    def __init__(self, task: Any) -> None:
        from airflow.utils.context import OutletEventAccessors

        self.task = task
        self.xcoms: dict[str, Any] = {}
        self.events = OutletEventAccessors()

        def xcom_push(key: str, value: Any) -> None:
            self.xcoms[key] = value

        ti = SimpleNamespace(
            dag_id=task.dag_id,
            task_id=task.task_id,
            run_id="manual_2024_01_15",
            map_index=-1,
            try_number=1,
            next_method=None,
            start_date=datetime.now(tz=timezone.utc),
            xcom_push=xcom_push,
        )
        self.context = {
            "ti": ti,
            "dag": task.dag,
            "run_id": ti.run_id,
            "dag_run": SimpleNamespace(run_id=ti.run_id, conf={}),
            "logical_date": MOMENT,
            "data_interval_start": MOMENT,
            "data_interval_end": MOMENT,
            "outlet_events": self.events,
        }

    def __call__(self) -> Any:
        """Run the task."""
        return self.task.execute(self.context)


@pytest.fixture
def kit(call: Callable[..., Any], place: Place, manifest: dict[str, Any]) -> Callable[..., Run]:
    """Deploy the kit, with changes to its manifest, and return the task that runs it: ``kit("report")``."""
    from airflow_platform_plugin.deployments.execution import loader

    def make(mode: str, /, token: str | None = None, **change: Any) -> Run:
        deployment = {name: change.pop(name) for name in ("connections", "timeout") if name in change}
        options = {"mode": {"type": "string"}, "token": {"type": "string", "secret": True}}
        own = {"name": "kit", "version": "1.0.0", "image": IMAGE, "configuration": options}
        assert call("POST", URL, json=manifest | own | change).status == 201
        configuration = {"mode": mode} | ({"token": token} if token else {})
        body = {"environment": "production", "configuration": configuration} | deployment
        made = call("POST", f"{URL}/kit/deploy", json=body)
        assert made.status == 201, made.text
        return Run(loader.load("/dags/datakits.py")[made.json["dag_id"]].get_task("run"))

    return make
