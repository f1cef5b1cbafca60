"""The feature's commands of ``airflow-platform``. Each imports what it needs when it runs."""

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - argparse has no public name


def add(commands: "Commands") -> None:
    """Add the commands of this feature."""
    loader = commands.add_parser(
        "install-loader",
        help="write datakits.py, the file that makes DAGs of deployments, to the DAGs folder",
    )
    loader.add_argument("--dags-folder", metavar="DIR", help="the DAGs folder (default: Airflow's)")
    loader.add_argument("--force", action="store_true", help="overwrite a datakits.py with other content")
    loader.set_defaults(run=_install_loader)


def _install_loader(arguments: argparse.Namespace) -> int:
    from pathlib import Path

    from airflow_platform_plugin.deployments.execution import loader_file

    folder = arguments.dags_folder
    if folder is None:
        from airflow_platform_plugin.airflow_compat import config

        folder = config.dags_folder()
    try:
        file = loader_file.install(Path(folder), force=arguments.force)
    except (loader_file.LoaderFileDiffers, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Wrote {file}, which makes DAGs of deployed DataKits.")
    return 0
