"""Wait slots: a limit on requests that wait."""

import subprocess
import sys
from pathlib import Path

import pytest

from airflow_platform_plugin.core import wait_slots


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with slots for this test alone."""
    monkeypatch.setattr("airflow.settings.AIRFLOW_HOME", str(tmp_path))
    return tmp_path


def test_a_slot_is_taken_until_the_end_of_the_block() -> None:
    with (
        wait_slots.wait_slot((0, 1)) as first,
        wait_slots.wait_slot((0, 1)) as second,
        wait_slots.wait_slot((0, 1)) as third,
    ):
        assert (first, second, third) == (True, True, False)
    with wait_slots.wait_slot((0,)) as again:
        assert again


def test_no_kind_of_waiting_takes_all_slots() -> None:
    """However many requests wait for deployments, one test of a connection may wait; three in all."""
    for one, other in (
        (wait_slots.DEPLOYMENTS, wait_slots.CONNECTIONS),
        (wait_slots.CONNECTIONS, wait_slots.DEPLOYMENTS),
    ):
        with (
            wait_slots.wait_slot(one),
            wait_slots.wait_slot(one),
            wait_slots.wait_slot(other) as third,
            wait_slots.wait_slot(other) as fourth,
        ):
            assert (third, fourth) == (True, False)


def test_a_slot_is_shared_by_all_processes_of_a_host(folder: Path) -> None:
    """It is free again when its process has ended."""
    program = (
        f"import airflow.settings\nairflow.settings.AIRFLOW_HOME = {str(folder)!r}\n"
        "from airflow_platform_plugin.core import wait_slots\n"
        "with wait_slots.wait_slot((0,)) as taken:\n"
        "    print(taken, flush=True)\n"
        "    input()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        with wait_slots.wait_slot((0,)) as taken:
            assert not taken
        other.kill()
    with wait_slots.wait_slot((0,)) as taken:
        assert taken


def test_without_a_lock_file_all_requests_may_wait(folder: Path) -> None:
    (folder / "platform").write_text("no folder")
    with wait_slots.wait_slot((0,)) as first, wait_slots.wait_slot((0,)) as second:
        assert (first, second) == (True, True)
