"""The run contract (docs/datakit-contract.md), held by every runner."""

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
    """The environment that the kit has printed."""
    parts = (line.rpartition("] ")[2].partition("=") for line in lines)
    return {name: value for name, equals, value in parts if equals}


def test_what_it_prints_is_the_tasks_log(kit: Kit, printed: list[str]) -> None:
    """Of both streams."""
    assert kit("quiet")() is None
    for line in ("a line of output", "a line of errors"):
        assert any(told.endswith(line) for told in printed), printed


def test_a_kit_is_told_all_in_its_environment(kit: Kit, call: Kit, printed: list[str]) -> None:
    """With secrets and connections, of which the DAG has nothing."""
    connection = {"connection_id": "lake_1", "connection_type": "http", "host": "lake.internal"}
    assert call("POST", "/api/v1/platform/connections", json=connection | {"password": "pw"}).status == 201
    run = kit("environment", token="swordfish-1234", connections=["lake_1"])
    run.context["dag_run"].conf = {"why": "again"}
    run()
    told = variables(printed)
    plain = {name: value for name, value in told.items() if name.startswith("DATAKIT_")}
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
    assert json.loads(told["AIRFLOW_CONN_LAKE_1"]) == {
        "conn_type": "http",
        "host": "lake.internal",
        "password": "pw",
    }


def test_a_kit_is_told_it_word_for_word(kit: Kit, printed: list[str]) -> None:
    """Also what Kubernetes would take for a reference to another variable."""
    name = "sales in $$, $(DATAKIT_NAME) ${DATAKIT_NAME} {{ ds }}"
    kit("environment", inputs=[{"name": name}])()
    (told,) = json.loads(variables(printed)["DATAKIT_INPUTS"])
    assert told["name"] == name


def test_the_masker_knows_what_a_kit_is_told_in_secret(kit: Kit, printed: list[str]) -> None:
    """So a kit that prints its secrets does not show them in the log."""
    from airflow_platform_plugin.airflow_compat.masking import redact

    kit("secret", token='sword"fish-1234')()
    shown = [redact(line) for line in printed if "the token is" in line]
    assert shown
    assert "fish" not in "".join(shown)
    assert "fish" not in redact('as it is: sword"fish-1234')


def test_what_a_kit_reports_is_the_xcom_and_the_datasets_extra(kit: Kit) -> None:
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
def test_a_report_that_does_not_fit_fails_the_task(kit: Kit, mode: str, reason: str) -> None:
    with pytest.raises(AirflowException, match=reason):
        kit(mode)()


@pytest.mark.parametrize("status", [1, 2, 70, 75, 137])
def test_a_kit_that_fails_is_tried_again(kit: Kit, place: Any, status: int) -> None:
    """With a sentence for mails; nothing of it is left."""
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


def test_a_kit_may_have_nothing_to_do(kit: Kit) -> None:
    with pytest.raises(AirflowSkipException):
        kit("exit-99")()


def test_a_kit_says_itself_what_went_wrong(kit: Kit) -> None:
    run = kit("complain")
    with pytest.raises(AirflowException, match="No customers came"):
        run()
    assert run.xcoms[ERROR_XCOM] == "No customers came."


@contextmanager
def once_ready(printed: list[str], act: Callable[[], None]) -> Iterator[None]:
    """Do that in another thread as soon as the kit has printed that it is ready, or never if it does not."""
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


def test_a_kit_that_takes_too_long_is_ended(kit: Kit, place: Any, printed: list[str]) -> None:
    """As Airflow does it: a signal raises the timeout in the task, which is then told to end its work."""

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
    """Also one that does not heed SIGTERM; and whatever it has started."""
    run = kit(mode)
    try:
        with once_ready(printed, run.task.on_kill):
            run()
    except AirflowException:
        assert (place.name, mode) not in {("process", "sleep"), ("docker", "sleep")}
    assert place.left() == []


# A process has what its host gives it.
@pytest.mark.parametrize("place", ["docker", "kubernetes"], indirect=True)
def test_a_kit_has_what_it_requires_and_no_more(kit: Kit, place: Any, printed: list[str]) -> None:
    if not place.limits:
        pytest.skip("An emulated pod is a process; test_kubernetes.py sees what it asks for.")
    kit("resources", requirements={"cpu": "500m", "memory": "64Mi"})()
    numbers = [int(word) for line in printed for word in line.split() if word.isdigit()]
    assert 64 * 2**20 in numbers
    assert 50_000 in numbers  # of the 100,000 microseconds of a period


# A process has its host's network, and a pod its cluster's.
@pytest.mark.parametrize("place", ["docker"], indirect=True)
@pytest.mark.usefixtures("place")
def test_a_kit_has_the_network_that_the_settings_give_it(kit: Kit, printed: list[str]) -> None:
    kit("network")()
    devices = {line.split(":")[0].strip() for line in printed if ":" in line and "bytes" not in line}
    assert "lo" in devices
    assert not any(device.startswith(("eth", "en", "docker")) for device in devices)
