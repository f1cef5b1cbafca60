"""The settings of the DataKit registry."""

from typing import Annotated

from pydantic import Field

from airflow_platform_plugin.core.settings import Settings


class DataKitSettings(Settings):
    """The settings of the DataKit registry."""

    tenant_images: Annotated[str, Field(pattern="/$")] | None = Field(
        default=None,
        description="Prefix that the images of tenants' own kits must have, such as "
        "`registry.example/{tenant_id}/`. By default any image is allowed.",
    )
