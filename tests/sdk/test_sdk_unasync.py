"""scripts/unasync keeps the two clients alike."""

import inspect
import shutil
import subprocess
from pathlib import Path

from airflow_platform import AsyncPlatformClient, PlatformClient

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "unasync"


def test_the_synchronous_client_is_up_to_date() -> None:
    """The files in _sync were generated from those in _async."""
    subprocess.run([SCRIPT, "--check"], check=True)


def test_check_names_stale_files(tmp_path: Path) -> None:
    """--check names a changed, a missing and a superfluous file; a run without it corrects them."""
    script = tmp_path / "scripts" / "unasync"
    package = tmp_path / "sdk" / "airflow_platform"
    script.parent.mkdir()
    shutil.copy(SCRIPT, script)
    shutil.copytree(ROOT / "sdk" / "airflow_platform", package)
    with (package / "_async" / "dags.py").open("a") as file:
        file.write("# changed\n")
    (package / "_sync" / "tasks.py").unlink()
    (package / "_sync" / "more.py").touch()

    check = subprocess.run([script, "--check"], check=False, capture_output=True, text=True)
    assert check.returncode == 1
    assert [Path(line).name for line in check.stdout.splitlines()] == ["dags.py", "more.py", "tasks.py"]

    subprocess.run([script], check=True)
    subprocess.run([script, "--check"], check=True)


def test_nothing_asynchronous_is_left() -> None:
    """Synchronous code and docstrings contain no ``await`` and no asynchronous class."""
    for path in (ROOT / "sdk" / "airflow_platform" / "_sync").glob("*.py"):
        text = path.read_text().partition("\n")[2]
        assert not any(word in text for word in ("async", "await", "Async")), path


def test_both_clients_have_the_same_methods() -> None:
    """All methods of both clients have the same names and parameters."""
    with PlatformClient() as sync:
        resources = {name: value for name, value in vars(sync).items() if not name.startswith("_")}
        other = vars(AsyncPlatformClient())
        for name, resource in resources.items():
            for method, function in inspect.getmembers(resource, inspect.ismethod):
                assert inspect.signature(function).parameters.keys() == (
                    inspect.signature(getattr(other[name], method)).parameters.keys()
                )
