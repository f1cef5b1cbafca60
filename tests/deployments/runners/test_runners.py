"""The run contract (docs/datakit-contract.md), for every runner."""

import json
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from airflow.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
    AirflowTaskTimeout,
)

from airflow_platform_plugin.airflow_compat.models import Dataset
from airflow_platform_plugin.deployments.execution.task_services import ERROR_XCOM

Kit = Callable[..., Any]


def variables(lines: list[str]) -> dict[str, str]:
    """Return the environment that the kit has printed."""
    parts = (line.rpartition("] ")[2].partition("=") for line in lines)
    return {name: value for name, equals, value in parts if equals}


def test_the_output_of_a_kit_is_the_log_of_the_task(kit: Kit, printed: list[str]) -> None:
    """Both streams are logged."""
    assert kit("quiet")() is None
    for line in ("a line of output", "a line of errors"):
        assert any(text.endswith(line) for text in printed), printed


def test_a_kit_gets_everything_in_its_environment(kit: Kit, call: Kit, printed: list[str]) -> None:
    """Secrets and connections are there, and not in the DAG."""
    connection = {"connection_id": "lake_1", "connection_type": "http", "host": "lake.internal"}
    assert call("POST", "/api/v1/platform/connections", json=connection | {"password": "pw"}).status == 201
    run = kit("environment", token="swordfish-1234", connections=["lake_1"])
    run.context["dag_run"].conf = {"why": "again"}
    run()
    received = variables(printed)
    plain = {name: value for name, value in received.items() if name.startswith("DATAKIT_")}
    document = json.loads(plain.pop("DATAKIT_RUN"))
    assert json.loads(plain.pop("DATAKIT_CONFIGURATION")) == {
        "mode": "environment",
        "token": "swordfish-1234",
    }
    assert json.loads(plain.pop("DATAKIT_OUTPUTS")) == document["outputs"]
    assert json.loads(plain.pop("DATAKIT_INPUTS")) == document["inputs"]
    assert plain.pop("DATAKIT_RESULT_FILE")
    assert plain == {
        "DATAKIT_NAME": "kit",
        "DATAKIT_VERSION": "1.0.0",
        "DATAKIT_ENVIRONMENT": "production",
        "DATAKIT_NAMESPACE": "default",
        "DATAKIT_DAG_ID": "default__production__kit",
        "DATAKIT_RUN_ID": "manual_2024_01_15",
        "DATAKIT_TRY_NUMBER": "1",
        "DATAKIT_LOGICAL_DATE": "2024-01-15T00:00:00+00:00",
        "DATAKIT_DATA_INTERVAL_START": "2024-01-15T00:00:00+00:00",
        "DATAKIT_DATA_INTERVAL_END": "2024-01-15T00:00:00+00:00",
    }
    assert document["conf"] == {"why": "again"}
    assert document["configuration"]["token"] == "swordfish-1234"
    assert json.loads(received["AIRFLOW_CONN_LAKE_1"]) == {
        "conn_type": "http",
        "host": "lake.internal",
        "password": "pw",
    }


def test_values_reach_a_kit_unchanged(kit: Kit, printed: list[str]) -> None:
    """Also values that Kubernetes could take for a reference to another variable."""
    name = "sales in $$, $(DATAKIT_NAME) ${DATAKIT_NAME} {{ ds }}"
    kit("environment", inputs=[{"name": name}])()
    (received,) = json.loads(variables(printed)["DATAKIT_INPUTS"])
    assert received["name"] == name


def test_the_secrets_of_a_kit_are_masked(kit: Kit, printed: list[str]) -> None:
    """A kit that prints its secrets does not show them in the log."""
    from airflow_platform_plugin.airflow_compat.masking import redact

    kit("secret", token='sword"fish-1234')()
    shown = [redact(line) for line in printed if "the token is" in line]
    assert shown
    assert "fish" not in "".join(shown)
    assert "fish" not in redact('as it is: sword"fish-1234')


def test_the_report_of_a_kit_is_the_xcom_and_the_extra_of_the_dataset(kit: Kit) -> None:
    run = kit("report")
    report = {"rows": 7, "checksum": "abc"}
    assert run() == {"gold.customer_360": report}
    uri = "x-datakit://default/production/gold/customer_360"
    assert run.events[Dataset(uri)].extra == report


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("report-nonsense", "outputs.customer_360.rows"),
        ("report-too-much", "longer than 4096 bytes"),
    ],
)
def test_an_invalid_report_fails_the_task(kit: Kit, mode: str, reason: str) -> None:
    with pytest.raises(AirflowException, match=reason):
        kit(mode)()


@pytest.mark.parametrize("status", [1, 2, 70, 75, 137])
def test_a_failed_kit_is_retried(kit: Kit, place: Any, status: int) -> None:
    """Mails get a sentence, and nothing of the kit is left."""
    run = kit(f"exit-{status}")
    with pytest.raises(AirflowException, match=f"exit status {status}") as raised:
        run()
    assert not isinstance(raised.value, AirflowFailException)
    assert run.xcoms[ERROR_XCOM].startswith(f"kit ended with exit status {status}.")
    assert place.left() == []


@pytest.mark.parametrize("status", [64, 65, 78])
def test_some_failures_are_final(kit: Kit, status: int) -> None:
    with pytest.raises(AirflowFailException, match=f"exit status {status}"):
        kit(f"exit-{status}")()


def test_a_kit_may_skip_its_task(kit: Kit) -> None:
    with pytest.raises(AirflowSkipException):
        kit("exit-99")()


def test_the_error_of_a_kit_is_that_of_the_task(kit: Kit) -> None:
    run = kit("complain")
    with pytest.raises(AirflowException, match="No customers came"):
        run()
    assert run.xcoms[ERROR_XCOM] == "No customers came."


@contextmanager
def once_ready(printed: list[str], act: Callable[[], None]) -> Iterator[None]:
    """Call something in another thread as soon as the kit has printed that it is ready."""
    over = threading.Event()

    def wait() -> None:
        while not any("is ready" in line for line in list(printed)):
            if over.wait(0.05):
                return
        act()

    waiting = threading.Thread(target=wait)
    waiting.start()
    try:
        yield
    finally:
        over.set()
        waiting.join()


def test_a_kit_is_ended_at_its_timeout(kit: Kit, place: Any, printed: list[str]) -> None:
    """As in Airflow, a signal raises the timeout in the task, and ``on_kill`` is called then."""

    def time_is_up(*_: object) -> None:
        raise AirflowTaskTimeout

    before = signal.signal(signal.SIGUSR1, time_is_up)
    run = kit("sleep", timeout=600)
    ident = threading.main_thread().ident
    try:
        with (
            pytest.raises(AirflowTaskTimeout),
            once_ready(printed, lambda: signal.pthread_kill(ident, signal.SIGUSR1)),
        ):
            run()
    finally:
        signal.signal(signal.SIGUSR1, before)
    run.task.on_kill()
    assert place.left() == []
    assert "it took longer than" in run.xcoms[ERROR_XCOM]


@pytest.mark.parametrize("mode", ["sleep", "stubborn"])
def test_a_kit_is_killed_with_its_task(kit: Kit, place: Any, printed: list[str], mode: str) -> None:
    """Also a kit that ignores SIGTERM, and the processes that it started."""
    run = kit(mode)
    try:
        with once_ready(printed, run.task.on_kill):
            run()
    except AirflowException:
        assert (place.name, mode) not in {("process", "sleep"), ("docker", "sleep")}
    assert place.left() == []


# A process has the resources of its host.
@pytest.mark.parametrize("place", ["docker", "kubernetes"], indirect=True)
def test_a_kit_is_limited_to_its_requirements(kit: Kit, place: Any, printed: list[str]) -> None:
    if not place.limits:
        pytest.skip("An emulated pod is a process; test_kubernetes.py sees what it asks for.")
    kit("resources", requirements={"cpu": "500m", "memory": "64Mi"})()
    numbers = [int(word) for line in printed for word in line.split() if word.isdigit()]
    assert 64 * 2**20 in numbers
    assert 50_000 in numbers  # of the 100,000 microseconds of a period


# A process has the network of its host, and a pod that of its cluster.
@pytest.mark.parametrize("place", ["docker"], indirect=True)
@pytest.mark.usefixtures("place")
def test_a_kit_has_the_network_of_the_settings(kit: Kit, printed: list[str]) -> None:
    kit("network")()
    devices = {line.split(":")[0].strip() for line in printed if ":" in line and "bytes" not in line}
    assert "lo" in devices
    assert not any(device.startswith(("eth", "en", "docker")) for device in devices)
