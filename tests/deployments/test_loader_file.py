"""The file that makes DAGs of deployments."""

import subprocess
import sys
from pathlib import Path

import pytest

from airflow_platform_plugin.deployments.execution import loader_file

ROOT = Path(__file__).parent.parent.parent


def test_the_package_has_the_file_that_is_shown(tmp_path: Path) -> None:
    """What the command writes is the file in dags/, in a folder that it makes; again it changes nothing."""
    file = loader_file.install(tmp_path / "a" / "dags")
    assert file.read_text() == (ROOT / "dags" / "datakits.py").read_text()
    assert loader_file.install(tmp_path / "a" / "dags") == file
    assert [path.name for path in file.parent.iterdir()] == ["datakits.py"]


def test_another_file_of_the_name_stays(tmp_path: Path) -> None:
    """A file that somebody has changed is replaced only if that is asked for."""
    (tmp_path / "datakits.py").write_text("# mine")
    with pytest.raises(loader_file.LoaderFileDiffers, match="--force"):
        loader_file.install(tmp_path)
    assert (tmp_path / "datakits.py").read_text() == "# mine"
    loader_file.install(tmp_path, force=True)
    assert "load(__file__)" in (tmp_path / "datakits.py").read_text()


def test_the_command(tmp_path: Path) -> None:
    """The command writes into the folder, says where, and ends with 1 if it must not."""
    command = [sys.executable, "-m", "airflow_platform_plugin", "install-loader", "--dags-folder", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert str(tmp_path / "datakits.py") in done.stdout
    (tmp_path / "datakits.py").write_text("# mine")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, "--force" in done.stderr) == (1, True)
