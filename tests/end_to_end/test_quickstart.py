"""The quickstart, as a user starts it."""

import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.end_to_end
@pytest.mark.timeout(600)
def test_the_quickstart_runs_twice(tmp_path: Path) -> None:
    """All steps succeed in a new folder, and again in the same folder; no process is left."""
    command = [sys.executable, "-m", "airflow_platform_plugin", "quickstart", "--exit"]
    command += ["--home", str(tmp_path / "home"), "--dags", str(ROOT / "dags")]
    for _ in range(2):
        done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
        assert done.returncode == 0, done.stdout + done.stderr + logs(tmp_path)
        assert "Diamond" in done.stdout
    left = subprocess.run(["pgrep", "-f", str(tmp_path)], capture_output=True, text=True, check=False)
    assert left.stdout == ""


@pytest.mark.end_to_end
def test_a_failed_step_is_reported_and_exits_with_1(tmp_path: Path) -> None:
    """Here Airflow's home cannot be created, because a file has its name."""
    (tmp_path / "airflow").write_text("in the way")
    command = [
        sys.executable,
        "-m",
        "airflow_platform_plugin",
        "quickstart",
        "--exit",
        "--home",
        str(tmp_path),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert "Failed: airflow db migrate ended with status" in done.stderr
    assert str(tmp_path / "logs" / "airflow-db.log") in done.stderr


def test_a_second_quickstart_in_the_same_home_is_refused(tmp_path: Path) -> None:
    """Two quickstarts in one folder would share a database and fail late."""
    command = [sys.executable, "-m", "airflow_platform_plugin", "quickstart", "--home", str(tmp_path)]
    with (tmp_path / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert f"A quickstart is already running in {tmp_path}" in done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["lock"]


def logs(folder: Path) -> str:
    """Return the end of each log file."""
    return "".join(
        f"\n== {file.name}\n{file.read_text(errors='replace')[-3000:]}" for file in folder.rglob("logs/*.log")
    )
