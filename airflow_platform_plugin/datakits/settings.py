"""The settings of the DataKit registry."""

from typing import Annotated

from pydantic import Field

from airflow_platform_plugin.core.settings import Settings


class DataKitSettings(Settings):
    """The settings of the DataKit registry."""

    tenant_images: Annotated[str, Field(pattern="/$")] | None = Field(
        default=None,
        description="What the images of tenants' own kits must begin with, such as "
        "`registry.example/{tenant_id}/`; unless given, any image will do.",
    )
