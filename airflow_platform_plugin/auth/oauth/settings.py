"""The settings of OAuth."""

from typing import Annotated

from pydantic import Field

from airflow_platform_plugin.core.settings import Settings


class OAuthSettings(Settings):
    """The settings of OAuth."""

    oauth_access_token_seconds: Annotated[int, Field(ge=1)] = Field(
        default=3600, description="Lifetime of an OAuth access token, in seconds."
    )
    oauth_refresh_token_days: Annotated[int, Field(ge=1)] = Field(
        default=30, description="Lifetime of an OAuth refresh token, in days. It can be used once."
    )
