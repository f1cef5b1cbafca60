"""The Python client of an Airflow platform."""

from airflow_platform.__version__ import __version__
from airflow_platform._async.client import AsyncPlatformClient
from airflow_platform._sync.client import PlatformClient
from airflow_platform.exceptions import PlatformError

__all__ = ["AsyncPlatformClient", "PlatformClient", "PlatformError", "__version__"]
