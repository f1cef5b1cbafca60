"""The command line of an Airflow platform."""

from airflow_platform_cli.__version__ import __version__

__all__ = ["__version__"]
