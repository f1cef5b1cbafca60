"""The Python client of an Airflow platform."""

from airflow_platform.__version__ import __version__
from airflow_platform._async.client import AsyncPlatformClient
from airflow_platform._http import DEFAULT_BASE_URL, UNSET
from airflow_platform._sync.client import PlatformClient
from airflow_platform.exceptions import PlatformError
from airflow_platform.tokens import Token, TokenStore

__all__ = [
    "DEFAULT_BASE_URL",
    "UNSET",
    "AsyncPlatformClient",
    "PlatformClient",
    "PlatformError",
    "Token",
    "TokenStore",
    "__version__",
]
