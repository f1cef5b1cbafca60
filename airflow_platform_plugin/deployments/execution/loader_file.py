"""The file in Airflow's DAGs folder that makes DAGs of deployments. It is the same in all installations."""

from pathlib import Path

NAME = "datakits.py"
TEXT = '''"""Load the DAGs of deployed DataKits. Copy this file to the DAGs folder of your Airflow."""

from airflow_platform_plugin.deployments.execution.loader import load

globals().update(load(__file__))
'''


class LoaderFileDiffers(Exception):
    """A file of that name has other content."""


def install(folder: Path, *, force: bool = False) -> Path:
    """Write the file into ``folder``, which is created if needed. An identical file is left as it is.

    Args:
        folder: Airflow's DAGs folder.
        force: replace a file of that name that has other content.

    Returns:
        The file's path.

    Raises:
        LoaderFileDiffers: there is a file of that name with other content, and ``force`` is off.
        OSError: the folder or the file cannot be written.
    """
    file = folder / NAME
    if file.exists() and not force:
        if file.read_text(encoding="utf-8", errors="replace") == TEXT:
            return file
        raise LoaderFileDiffers(f"{file} exists with other content; --force replaces it.")
    folder.mkdir(parents=True, exist_ok=True)
    # A scheduler may parse the folder at any moment, so the file appears complete.
    new = file.with_suffix(".new")
    new.write_text(TEXT, encoding="utf-8")
    new.replace(file)
    return file
