"""The file that builds the DAGs of deployments."""

import subprocess
import sys
from pathlib import Path

import pytest

from airflow_platform_plugin.deployments.execution import loader_file

ROOT = Path(__file__).parent.parent.parent


def test_the_command_writes_the_file_of_the_dags_folder(tmp_path: Path) -> None:
    """It creates the folder, and a second call changes nothing."""
    file = loader_file.install(tmp_path / "a" / "dags")
    assert file.read_text() == (ROOT / "dags" / "datakits.py").read_text()
    assert loader_file.install(tmp_path / "a" / "dags") == file
    assert [path.name for path in file.parent.iterdir()] == ["datakits.py"]


def test_a_file_with_other_content_is_not_overwritten(tmp_path: Path) -> None:
    """``--force`` replaces it."""
    (tmp_path / "datakits.py").write_text("# mine")
    with pytest.raises(loader_file.LoaderFileDiffers, match="--force"):
        loader_file.install(tmp_path)
    assert (tmp_path / "datakits.py").read_text() == "# mine"
    loader_file.install(tmp_path, force=True)
    assert "load(__file__)" in (tmp_path / "datakits.py").read_text()


def test_the_command_reports_where_it_writes(tmp_path: Path) -> None:
    """It exits with 1 if it may not write."""
    command = [sys.executable, "-m", "airflow_platform_plugin", "install-loader", "--dags-folder", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert str(tmp_path / "datakits.py") in done.stdout
    (tmp_path / "datakits.py").write_text("# mine")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, "--force" in done.stderr) == (1, True)
