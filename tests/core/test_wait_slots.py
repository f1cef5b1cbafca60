"""Seats for requests that wait."""

import subprocess
import sys
from pathlib import Path

import pytest

from airflow_platform_plugin.core import wait_slots


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Seats of this test alone."""
    monkeypatch.setattr("airflow.settings.AIRFLOW_HOME", str(tmp_path))
    return tmp_path


def test_a_seat_is_taken_until_its_end() -> None:
    with (
        wait_slots.wait_slot((0, 1)) as first,
        wait_slots.wait_slot((0, 1)) as second,
        wait_slots.wait_slot((0, 1)) as third,
    ):
        assert (first, second, third) == (True, True, False)
    with wait_slots.wait_slot((0,)) as again:
        assert again


def test_no_kind_of_waiting_keeps_the_other_from_it() -> None:
    """However many wait for deployments, one test of a connection may; three wait in all."""
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


def test_a_seat_counts_for_all_processes_of_a_host(folder: Path) -> None:
    """And is free again when its process is gone."""
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


def test_without_a_file_everybody_may(folder: Path) -> None:
    (folder / "platform").write_text("no folder")
    with wait_slots.wait_slot((0,)) as first, wait_slots.wait_slot((0,)) as second:
        assert (first, second) == (True, True)
