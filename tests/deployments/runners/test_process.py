"""The runner ``process``: processes of killed tasks, and the limits of output."""

import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from airflow_platform_plugin.deployments.execution.contract import Job
from airflow_platform_plugin.deployments.execution.runners.process import ProcessRunner

RUN = """
import sys
from types import SimpleNamespace
from airflow_platform_plugin.deployments.execution.runners import process
from airflow_platform_plugin.deployments.execution.contract import Job
process.GRACE = 1
spec = SimpleNamespace(manifest=SimpleNamespace(image="registry.localhost/kit:1.0.0"))
process.ProcessRunner().run(Job(spec, {}, {}), None)
"""
# Each writes the ids of its processes before it waits forever.
WAIT = """
    def note(name):
        path = os.path.join(os.environ["KIT_NOTES"], name)
        with open(path + ".new", "w") as file:
            file.write(str(os.getpid()))
        os.rename(path + ".new", path)

    def wait(name):
        note(name)
        while True:
            time.sleep(60)
"""
KITS = {
    "ordinary": """
        wait("kit")
    """,
    "deaf": """
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        wait("kit")
    """,
    "deaf family": """
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if os.fork() == 0:
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    wait("far")
                wait("session")
            wait("child")
        wait("kit")
    """,
}
MEMBERS = {"ordinary": ["kit"], "deaf": ["kit"], "deaf family": ["kit", "child", "session", "far"]}
linux = pytest.mark.skipif(
    sys.platform != "linux", reason="Only Linux tells a process that its parent is gone."
)


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Install a kit with that code next to Airflow; return the folder of its notes."""

    def make(code: str) -> Path:
        folder, notes = tmp_path / "site", tmp_path / "notes"
        metadata = folder / "one_kit-1.0.dist-info"
        metadata.mkdir(parents=True)
        notes.mkdir()
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: one-kit\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text("[airflow_platform.datakits]\nkit = one_kit:main\n")
        body = textwrap.indent(textwrap.dedent(WAIT) + textwrap.dedent(code), "    ")
        (folder / "one_kit.py").write_text(f"import os, signal, sys, time\ndef main():\n{body}\n")
        monkeypatch.syspath_prepend(str(folder))
        monkeypatch.setenv("PYTHONPATH", str(folder))
        monkeypatch.setenv("KIT_NOTES", str(notes))
        return notes

    return make


def until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def processes(notes: Path, names: list[str]) -> list[psutil.Process]:
    until(lambda: all((notes / name).exists() for name in names))
    return [psutil.Process(int((notes / name).read_text())) for name in names]


@linux
@pytest.mark.parametrize("kind", KITS)
@pytest.mark.parametrize("how", ["killed", "ended"])
def test_a_kit_and_its_processes_end_with_their_task(
    install: Callable[[str], Path], kind: str, how: str
) -> None:
    """Also if they ignore SIGTERM or leave the session, and if the task's process was killed."""
    notes = install(KITS[kind])
    if how == "ended":
        code = RUN.rpartition("process.ProcessRunner()")[0] + textwrap.dedent("""
            import signal
            runner = process.ProcessRunner()
            signal.signal(signal.SIGTERM, lambda *_: runner.kill())
            runner.run(Job(spec, {}, {}), None)
        """)
    else:
        code = RUN
    task = subprocess.Popen([sys.executable, "-W", "ignore", "-c", code], stdout=subprocess.DEVNULL)
    left = processes(notes, MEMBERS[kind])
    if how == "ended":
        task.terminate()
    else:
        task.kill()
    task.wait()
    assert psutil.wait_procs(left, timeout=60)[1] == []


@linux
def test_a_kit_ends_with_the_process_that_watches_it(install: Callable[[str], Path]) -> None:
    """If that process is killed, for example out of memory, Linux ends the kit."""
    notes = install(KITS["deaf"])
    task = subprocess.Popen([sys.executable, "-W", "ignore", "-c", RUN], stdout=subprocess.DEVNULL)
    (kit,) = processes(notes, ["kit"])
    parent = kit.parent()
    assert parent is not None
    assert parent.pid != task.pid
    parent.kill()
    assert psutil.wait_procs([kit], timeout=60)[1] == []
    task.wait(60)


def run() -> Any:
    spec: Any = SimpleNamespace(manifest=SimpleNamespace(image="registry.localhost/kit:1.0.0"))
    return ProcessRunner().run(Job(spec, {}, {}), None)


@linux
def test_processes_that_a_kit_leaves_end_with_it(install: Callable[[str], Path]) -> None:
    """As in a container, all processes end with the first, and the task does not wait for them."""
    notes = install("""
        if os.fork() == 0:
            os.setsid()
            wait("daemon")
        while not os.path.exists(os.path.join(os.environ["KIT_NOTES"], "daemon")):
            time.sleep(0.01)
        return 7
    """)
    assert run().status == 7
    (left,) = [int((notes / "daemon").read_text())]
    until(lambda: not psutil.pid_exists(left) or psutil.Process(left).status() == psutil.STATUS_ZOMBIE)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("return 0", 0),
        ("return 65", 65),
        ("sys.exit('no')", 1),
        ("raise ValueError('no')", 1),
        ("os.kill(os.getpid(), signal.SIGKILL)", 137),
        ("os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)", 143),
    ],
)
def test_the_exit_status_is_that_of_a_shell(install: Callable[[str], Path], code: str, status: int) -> None:
    install(f"    {code}")
    assert run().status == status


def test_a_long_line_is_cut_in_the_log(install: Callable[[str], Path], printed: list[str]) -> None:
    """The log has the beginning of the line, without half a secret at its end."""
    from airflow_platform_plugin import airflow_compat

    secret = "hunter2" * 10
    airflow_compat.masking.mask_secrets([secret])
    install(f"""
        sys.stdout.write("x" * {64 * 1024 - 30} + {secret!r} + "y" * 50_000_000)
        print()
        print("the end")
    """)
    before = psutil.Process().memory_info().rss
    done = run()
    assert done.note == "Its last line: the end"
    long = next(line for line in printed if line.startswith("xxx"))
    assert len(long) < 66_000
    assert "hunter2" not in long
    assert psutil.Process().memory_info().rss - before < 20 * 1024 * 1024
