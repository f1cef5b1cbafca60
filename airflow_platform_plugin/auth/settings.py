"""The settings of API keys."""

from typing import Annotated

from pydantic import Field

from airflow_platform_plugin.core.settings import Settings


class AuthSettings(Settings):
    """The settings of API keys."""

    api_keys_per_user: Annotated[int, Field(ge=1)] = Field(
        default=50,
        description="Maximum number of active API keys of one user. Revoked and expired keys do not count.",
    )
