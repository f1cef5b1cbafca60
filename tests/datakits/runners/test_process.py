"""The runner ``process`` alone: what is left of a task that was killed."""

import subprocess
import sys
import time

import psutil
import pytest

RUN = """
from types import SimpleNamespace
from airflow_platform_plugin.datakits.runners.contract import Job
from airflow_platform_plugin.datakits.runners.process import ProcessRunner
spec = SimpleNamespace(manifest=SimpleNamespace(image="registry.localhost/kit:1.0.0"))
ProcessRunner().run(Job(spec, {}, {"DATAKIT_CONFIGURATION": '{"mode": "sleep"}'}), None)
"""


@pytest.mark.usefixtures("process_place")
@pytest.mark.skipif(sys.platform != "linux", reason="Only Linux tells a process that its parent is gone.")
def test_a_kit_ends_with_a_task_that_is_killed_without_a_word() -> None:
    """As by a worker that is out of memory: nobody is left to end the kit."""
    task = subprocess.Popen([sys.executable, "-W", "ignore", "-c", RUN], stdout=subprocess.DEVNULL)
    kits: list[psutil.Process] = []
    deadline = time.monotonic() + 120
    while not any("sleep" in kit.name() for kit in kits):
        assert time.monotonic() < deadline
        time.sleep(0.1)
        kits = psutil.Process(task.pid).children(recursive=True)
    task.kill()
    task.wait()
    assert psutil.wait_procs(kits, timeout=60)[1] == []
